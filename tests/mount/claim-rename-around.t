# Directories that hold claims are renamed: claims go along, are released and healed under the new path, also while owners die.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'lock=state/**/held');
my ($p, $other) = ($m->path, client());

sub is_gone { my ($path) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is $other->stat($path), 'ENOENT', "$path is gone" }

subtest 'claims go on under the new path' => sub {
    my ($o, $dying) = (client(), client());
    $other->do('mkdir', "$p/$_") for 'a', 'a/b', 'z';
    expect ok => $o, 'mkdir', "$p/a/b/x.lock";
    expect ok => $o, 'put', "$p/a/b/x.lock/member", 'text';
    expect ok => $o, 'excl', "$p/a/y.lock";
    expect ok => $dying, 'mkdir', "$p/a/b/d.lock";
    expect ok => $dying, 'put', "$p/a/b/d.lock/member", 'text';
    my $ino = $o->stat("$p/a/b/x.lock")->{ino};

    expect ok => $other, 'rename', "$p/a", "$p/moved";
    is_gone "$p/a/b/x.lock";
    is $other->stat("$p/moved/b/x.lock")->{ino}, $ino, 'the same lock';
    expect EEXIST => $other, 'mkdir', "$p/moved/b/x.lock";
    expect EBUSY => $other, 'rmdir', "$p/moved/b/x.lock";
    expect EBUSY => $other, 'put', "$p/moved/b/x.lock/member", 'stolen';
    expect ok => $o, 'put', "$p/moved/b/x.lock/member", 'mine';
    expect ok => $other, 'rename', "$p/moved/b", "$p/z/b";
    expect ok => $other, 'rename', "$p/z", "$p/moved/z";    # now two levels further down

    my $deep = "$p/moved/z/b";
    my $w = watcher($deep);
    $dying->kill9;
    is_gone "$deep/d.lock";
    ok scalar($w->until('DELETE', 'd.lock', 10)), 'watchers of the new place heard of it';
    $w->stop;
    expect ok => $other, 'mkdir', "$deep/d.lock";
    expect ok => $other, 'rmdir', "$deep/d.lock";
    expect EEXIST => $other, 'mkdir', "$deep/x.lock";
    expect ok => $o, 'unlink', "$deep/x.lock/member";
    expect ok => $o, 'rmdir', "$deep/x.lock";
    expect ok => $o, 'unlink', "$p/moved/y.lock";
    expect ok => $other, 'rmdir', $_ for $deep, "$p/moved/z", "$p/moved";
    $o->stop;
};

subtest 'two directories exchanged' => sub {
    my ($o, $q) = (client(), client());
    $other->do('mkdir', "$p/$_") for 'a', 'b';
    expect ok => $o, 'mkdir', "$p/a/x.lock";
    expect ok => $q, 'mkdir', "$p/b/x.lock";
    expect ok => $q, 'mkdir', "$p/b/y.lock";
    expect ok => $other, 'rename', "$p/a", "$p/b", 'exchange';
    expect EBUSY => $o, 'rmdir', "$p/a/x.lock";
    expect EBUSY => $q, 'rmdir', "$p/b/x.lock";
    expect ok => $o, 'rmdir', "$p/b/x.lock";
    $q->kill9;
    is_gone "$p/a/x.lock";
    is_gone "$p/a/y.lock";
    expect ok => $other, 'rmdir', "$p/$_" for 'a', 'b';
    $o->stop;
};

subtest 'a directory is renamed while owners in it die' => sub {
    my $rounds = $ENV{LOCKFS_QUICK} ? 10 : 40;
    my $here = 'a';
    $other->do('mkdir', "$p/a");
    for my $n (1 .. $rounds) {
        my $o = client();
        $o->do('mkdir', "$p/$here/$_.lock") eq 'ok' or fail "mkdir $_" for 1 .. 5;
        my $there = $here eq 'a' ? 'b' : 'a';
        $o->kill('KILL');
        $other->do('rename', "$p/$here", "$p/$there") eq 'ok' or fail 'rename';
        $o->wait;
        $here = $there;
        my @left = $other->list("$p/$here");
        is "@left", '', "round $n: gone at once" if @left || $n == $rounds;
        my @again = map { $other->do('mkdir', "$p/$here/$_.lock"), $other->do('rmdir', "$p/$here/$_.lock") } 1 .. 5;
        is "@again", join(' ', ('ok') x 10), "round $n: made anew" if "@again" ne join(' ', ('ok') x 10) || $n == $rounds;
    }
    expect ok => $other, 'rmdir', "$p/$here";
};

subtest 'a directory that holds only what is dead is empty' => sub {
    my $o = client();
    $other->do('mkdir', "$p/$_") for 'a', 'b';
    expect ok => $o, 'mkdir', "$p/a/x.lock";
    expect ok => $o, 'put', "$p/a/x.lock/member", 'text';
    expect ok => $o, 'excl', "$p/b/x.lock";
    expect ENOTEMPTY => $other, 'rmdir', "$p/a";
    $o->kill9;
    expect ok => $other, 'rename', "$p/a", "$p/b";    # onto a directory that is empty for everyone
    expect ok => $other, 'rmdir', "$p/b";
};

subtest 'a rule by path no longer decides for what is claimed already' => sub {
    my $o = client();
    $other->do('mkdir', "$p/$_") for 'state', 'state/run';
    expect ok => $o, 'mkdir', "$p/state/run/held";
    expect EBUSY => $other, 'rmdir', "$p/state/run/held";
    expect ok => $other, 'rename', "$p/state", "$p/elsewhere";
    expect EBUSY => $other, 'rmdir', "$p/elsewhere/run/held";
    $o->kill9;
    is_gone "$p/elsewhere/run/held";
    expect ok => $other, 'rmdir', "$p/$_" for 'elsewhere/run', 'elsewhere';
};

subtest 'a claimed directory is renamed with claims of others inside' => sub {
    my ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', "$p/x.lock";
    expect ok => $q, 'mkdir', "$p/x.lock/in.lock";
    expect ok => $q, 'mkdir', "$p/x.lock/in.lock/deep.lock";
    expect ok => $o, 'rename', "$p/x.lock", "$p/data";
    expect EBUSY => $o, 'rmdir', "$p/data/in.lock";
    expect ok => $o, 'creat', "$p/data/free";
    expect ok => $other, 'unlink', "$p/data/free";
    $o->kill9;
    expect EBUSY => $other, 'rename', "$p/data/in.lock", "$p/in";
    $q->kill9;
    is_gone "$p/data/in.lock";
    expect ok => $other, 'rmdir', "$p/data";
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
