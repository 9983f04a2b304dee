# Locks made by link, as dotlock programs do: st_nlink is 2, the temporary name may go, and only the lock name goes with its owner.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());
my ($x, $y, $t) = ("$p/x.lock", "$p/y.lock", "$p/temporary");

subtest 'st_nlink and st_ino are those of the file' => sub {
    my $o = client();
    my $fd = $o->get('open', 'rw,creat,excl', $t);
    expect ok => $o, 'write', $fd, '4711';
    my $ino = $o->stat($t)->{ino};
    expect ok => $o, 'link', $t, $x;
    for my $c ($o, $other) {
        is $c->stat($_)->{nlink}, 2, "two links: $_" for $x, $t;
        is $c->stat($_)->{ino}, $ino, "one file: $_" for $x, $t;
    }
    like join(' ', $o->get('fstat', $fd)), qr/\bnlink=2\b.*\bino=$ino\b/, 'fstat of the descriptor too';
    expect EEXIST => $other, 'link', $t, $x;
    expect EEXIST => $other, 'excl', $x;
    expect ok => $o, 'unlink', $t;
    is $other->stat($x)->{nlink}, 1, 'the temporary is unlinked';
    is $other->get('get', $x), '4711', 'content';
    expect EBUSY => $other, 'unlink', $x;
    expect EBUSY => $other, 'put', $x, 'stolen';
    expect ok => $o, 'write', $fd, '+';
    is $other->get('get', $x), '4711+', 'its descriptor goes on';
    $o->kill9;
    is $other->stat($x), 'ENOENT', 'gone with its owner';
};

subtest 'the owner dies while both names are there: only the lock name goes' => sub {
    my $o = client();
    expect ok => $o, 'put', $t, 'text';
    expect ok => $o, 'link', $t, $x;
    my $w = watcher($p);
    $o->kill9;
    is $other->stat($x), 'ENOENT', 'the lock is gone';
    is $other->stat($t)->{nlink}, 1, 'the file is not';
    ok scalar($w->until('DELETE', 'x.lock', 10)), 'removed without a look too';
    is $other->get('get', $t), 'text', 'with its content';
    expect ok => $other, 'put', $t, 'data again';
    expect ok => $other, 'link', $t, $x;
    is $other->stat($x)->{nlink}, 2, 'the next one';
    expect ok => $other, 'unlink', $x;
    expect ok => $other, 'unlink', $t;
    $w->stop;
};

# The entry is still on the source for a moment; nobody may see that, not even in the link count.
subtest 'st_nlink at once after a death' => sub {
    my $wrong = 0;
    for my $n (1 .. 50) {
        my $o = client();
        $o->do('creat', $t) eq 'ok' && $o->do('link', $t, $x) eq 'ok' or fail "round $n";
        $o->kill9;
        $wrong++ if $other->stat($t)->{nlink} != 1;
        $other->do('unlink', $t) eq 'ok' or fail "unlink $n";
    }
    is $wrong, 0, 'the dead name does not count, 50 times';
};

subtest 'while it is a lock, the file is protected under every name' => sub {
    my $o = client();
    expect ok => $o, 'put', $t, 'text';
    expect ok => $o, 'link', $t, $x;
    expect EBUSY => $other, 'put', $t, 'stolen';
    expect EBUSY => $other, 'truncate', $t, 0;
    expect EBUSY => $other, 'utimens', $t, 5, 5;
    expect EBUSY => $other, 'link', $x, "$p/second";
    expect EBUSY => $other, 'link', $t, "$p/second";
    expect EBUSY => $other, 'link', $x, $y;
    is $other->get('get', $t), 'text', 'unchanged';
    expect ok => $o, 'link', $x, "$p/second";
    is $other->stat($x)->{nlink}, 3, 'its owner may';
    expect ok => $other, 'unlink', "$p/second";    # a data name
    expect ok => $o, 'unlink', $x;
    expect ok => $other, 'put', $t, 'data again';
    expect ok => $other, 'unlink', $t;
    $o->stop;
};

subtest 'one file as two locks' => sub {
    my $o = client();
    expect ok => $o, 'creat', $t;
    expect ok => $o, 'link', $t, $x;
    expect ok => $o, 'link', $t, $y;
    expect ok => $o, 'unlink', $t;
    expect ok => $o, 'unlink', $x;
    is $other->stat($x), 'ENOENT', 'one released';
    expect EBUSY => $other, 'unlink', $y;
    expect EBUSY => $other, 'put', $y, 'stolen';
    $o->kill9;
    is $other->stat($y), 'ENOENT', 'the other gone with its owner';
};

subtest 'made from one lock name to another' => sub {    # Xvfb: .tX97-lock, .X97-lock
    my $o = client();
    expect ok => $o, 'excl', $y;
    expect ok => $o, 'put', $y, '  4711';
    expect ok => $o, 'link', $y, $x;
    expect ok => $o, 'unlink', $y;
    is $other->stat($y), 'ENOENT', 'the temporary is gone';
    is $other->get('get', $x), '  4711', 'the lock is there';
    expect EBUSY => $other, 'unlink', $x;
    $o->kill9;
    is $other->stat($x), 'ENOENT', 'gone with its owner';
};

subtest 'contenders: one of them gets it' => sub {
    my @c = map { client() } 1 .. 4;
    for my $n (0 .. $#c) {
        $c[$n]->do('creat', "$t.$n") eq 'ok' or fail 'creat';
    }
    for my $round (1 .. 20) {
        $c[$_]->start('link', "$t.$_", $x) for 0 .. $#c;
        my @reply = map { $_->reply } @c;
        my @won = grep { $reply[$_] eq 'ok' } 0 .. $#c;
        is scalar(@won), 1, "round $round: @reply" if @won != 1 || $round == 20;
        my @nlink = map { $c[$_]->stat("$t.$_")->{nlink} } 0 .. $#c;
        is_deeply \@nlink, [ map { $reply[$_] eq 'ok' ? 2 : 1 } 0 .. $#c ], 'st_nlink tells who' if $round == 20;
        $c[ $won[0] ]->do('unlink', $x);
    }
    $other->do('unlink', "$t.$_") for 0 .. $#c;
    $_->stop for @c;
};

subtest 'link refused' => sub {
    my $o = client();
    expect ok => $o, 'mkdir', "$p/dir";
    expect EPERM => $o, 'link', "$p/dir", $x;
    expect ENOENT => $o, 'link', "$p/none", $x;
    expect ok => $o, 'creat', $t;
    expect EEXIST => $o, 'link', $t, "$p/.lockfs";
    is $other->stat($x), 'ENOENT', 'nothing was made';
    expect ok => $other, 'rmdir', "$p/dir";
    expect ok => $other, 'unlink', $t;
    $o->stop;
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
