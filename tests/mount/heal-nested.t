# A claimed directory whose owner died stays while somebody else's live claim lies inside, and goes with that, unasked.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $c) = ($m->path, client());
my $outer = "$p/outer.lock";

sub stays {
    my ($why) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    subtest "stays: $why" => sub {
        is ref $c->stat($outer), 'HASH', 'there';
        ok scalar(grep { $_ eq 'outer.lock' } $c->list($p)), 'listed';
        expect EEXIST => $c, 'mkdir', $outer;
        expect EBUSY  => $c, 'rmdir', $outer;
        expect EBUSY  => $c, 'rename', $outer, "$p/away";
        expect EBUSY  => $c, 'put', "$outer/data", 'a';
    };
}

# The end of the last claim inside must be enough: nobody looks until the watcher has heard.
sub goes_unseen {
    my ($end) = @_;
    my $w = watcher($p);
    $end->();
    ok scalar($w->until('DELETE', 'outer.lock', 20)), 'goes, and nobody looked';
    $w->stop;
    is $c->stat($outer), 'ENOENT', 'gone';
    is_deeply [ $c->list($p) ], [], 'nothing is left';
}

sub setup { my ($one, $two) = @_; expect ok => $one, 'mkdir', $outer; expect ok => $one, 'put', "$outer/pid", '1'; expect ok => $two, 'mkdir', "$outer/inner.lock" }

subtest 'released inside' => sub {
    my ($one, $two) = (client(), client());
    setup($one, $two);
    $one->kill9;
    stays 'a living claim inside';
    expect EBUSY  => $c, 'rmdir', "$outer/inner.lock";
    expect EEXIST => $c, 'mkdir', "$outer/inner.lock";
    goes_unseen(sub { expect ok => $two, 'rmdir', "$outer/inner.lock" });
};

subtest 'the owner inside dies' => sub {
    my ($one, $two) = (client(), client());
    setup($one, $two);
    $one->kill9;
    stays 'a living claim inside';
    goes_unseen(sub { $two->kill9 });
};

subtest 'both die at once, in either order' => sub {
    for my $turn (1 .. 20) {
        my ($one, $two) = (client(), client());
        $one->do('mkdir', $outer);
        $two->do('mkdir', "$outer/inner.lock");
        my $w = watcher($p);
        $_->kill('KILL') for $turn % 2 ? ($one, $two) : ($two, $one);
        $_->wait for $one, $two;
        is $c->stat($outer), 'ENOENT', 'gone once both are' if $turn < 11;
        ok scalar($w->until('DELETE', 'outer.lock', 20)), 'announced';
        $w->stop;
    }
    is_deeply [ $c->list($p) ], [], 'nothing is left';
};

subtest 'its own claim inside keeps nothing' => sub {
    my $one = client();
    setup($one, $one);
    goes_unseen(sub { $one->kill9 });
};

subtest 'a claim of its living child inside' => sub {
    my $one   = client();
    my $child = $one->fork_client;
    setup($one, $child);
    $one->kill9;
    stays 'the child lives';
    goes_unseen(sub { $child->kill('KILL'); $child->wait_dead });
};

subtest 'several claims inside, at several depths' => sub {
    my ($one, @others) = map { client() } 1 .. 4;
    expect ok => $one, 'mkdir', $outer;
    expect ok => $one, 'mkdir', "$outer/sub";
    expect ok => $others[0], 'mkdir', "$outer/a.lock";
    expect ok => $others[1], 'excl', "$outer/sub/b.lock";
    expect ok => $others[2], 'symlink', 'c', "$outer/sub/c.lock";
    $one->kill9;
    stays 'three inside';
    $others[0]->kill9;
    stays 'two inside';
    expect ok => $others[1], 'unlink', "$outer/sub/b.lock";
    stays 'one inside';
    goes_unseen(sub { $others[2]->kill9 });
};

subtest 'three levels of owners' => sub {
    my ($one, $two, $three) = map { client() } 1 .. 3;
    expect ok => $one, 'mkdir', $outer;
    expect ok => $two, 'mkdir', "$outer/mid.lock";
    expect ok => $three, 'mkdir', "$outer/mid.lock/inner.lock";
    $one->kill9;
    $two->kill9;
    stays 'the innermost lives';
    is ref $c->stat("$outer/mid.lock"), 'HASH', 'the one in the middle stays, too';
    expect EBUSY => $c, 'rmdir', "$outer/mid.lock";
    goes_unseen(sub { expect ok => $three, 'rmdir', "$outer/mid.lock/inner.lock" });
};

subtest 'a claim published out of it' => sub {
    my ($one, $two) = (client(), client());
    expect ok => $one, 'mkdir', $outer;
    expect ok => $two, 'excl', "$outer/inner.lock";
    expect ok => $two, 'put', "$outer/inner.lock", 'text';
    $one->kill9;
    stays 'a living claim inside';
    my $w = watcher($p);
    expect ok => $two, 'rename', "$outer/inner.lock", "$p/result";
    ok scalar($w->until('DELETE', 'outer.lock', 20)), 'goes, and nobody looked';
    $w->stop;
    expect 'ok text' => $c, 'get', "$p/result";
    expect ok => $c, 'unlink', "$p/result";
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
