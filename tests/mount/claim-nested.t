# Locks inside locks: each belongs to who made it; a dead directory stays while a living claim lies in it, and goes after that.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());
my ($x, $in) = ("$p/x.lock", "$p/x.lock/in.lock");

sub is_gone { my ($path) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is $other->stat($path), 'ENOENT', "$path is gone" }

subtest 'a lock in a lock is no member of it' => sub {
    my ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', $x;
    expect ok => $q, 'mkdir', $in;
    expect ok => $q, 'put', "$in/member", 'text';
    expect ok => $q, 'put', "$in/member", 'again';
    expect ok => $q, 'utimens', $in, 5, 5;
    expect ok => $q, 'chmod', $in, '0700';
    expect ok => $q, 'excl', "$x/file.lock";
    expect ok => $q, 'put', "$x/file.lock", '4711';
    expect ok => $q, 'truncate', "$x/file.lock", 2;
    expect EBUSY => $q, 'put', "$x/member", 'not here';
    expect EBUSY => $q, 'mkdir', "$x/data";
    expect EBUSY => $o, 'put', "$in/member", 'stolen';
    expect EBUSY => $o, 'rmdir', $in;
    expect EBUSY => $o, 'unlink', "$x/file.lock";
    expect EBUSY => $q, 'rmdir', $x;
    expect ENOTEMPTY => $o, 'rmdir', $x;
    is $other->get('get', "$in/member"), 'again', 'unchanged';
    expect ok => $q, 'unlink', "$in/member";
    expect ok => $q, 'rmdir', $in;
    expect ok => $q, 'unlink', "$x/file.lock";
    expect ok => $o, 'rmdir', $x;
    $_->stop for $o, $q;
};

subtest 'the inner owner dies' => sub {
    my ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'put', "$x/member", 'text';
    expect ok => $q, 'mkdir', $in;
    expect ok => $q, 'put', "$in/member", 'text';
    my $w = watcher($x);
    $q->kill9;
    is_gone $in;
    is_deeply [ $other->list($x) ], ['member'], 'the outer one stays';
    expect EBUSY => $other, 'rmdir', $x;
    expect ok => $o, 'unlink', "$x/member";
    expect ok => $o, 'rmdir', $x;
    $w->stop;
    $o->stop;
};

subtest 'the outer owner dies: the directory stays until the inner lock goes' => sub {
    for my $end (qw(release death publish)) {
        my ($o, $q) = (client(), client());
        expect ok => $o, 'mkdir', $x;
        expect ok => $o, 'put', "$x/member", 'text';
        expect ok => $q, 'mkdir', $in;
        my $w = watcher($p);
        $o->kill9;
        is $other->stat($x)->{type}, 'dir', 'still there';
        is_deeply [ $other->list($x) ], [qw(in.lock member)], 'with all that is in it';
        expect EEXIST => $_, 'mkdir', $x for $other, $q;
        expect EBUSY => $_, 'unlink', "$x/member" for $other, $q;
        expect EBUSY => $_, 'rename', $x, "$p/away" for $other, $q;
        expect EBUSY => $_, 'creat', "$x/new" for $other, $q;
        expect EBUSY => $other, 'rmdir', $in;
        expect ok => $q, 'put', "$in/mine", 'the inner owner goes on';
        expect ok => $q, 'put', "$in/mine", 'and on';
        expect ok => $q, 'unlink', "$in/mine";
        expect ok => $other, 'mkdir', "$x/other.lock";    # another one that holds it up
        $q->kill9 if $end eq 'death';
        expect ok => $q, 'rmdir', $in if $end eq 'release';
        expect ok => $q, 'rename', $in, "$p/data" if $end eq 'publish';
        is $other->stat($x)->{type}, 'dir', 'one is left';
        expect ok => $other, 'rmdir', "$x/other.lock";
        is_gone $x;
        is_gone "$x/member";
        ok scalar($w->until('DELETE', 'x.lock', 10)), 'watchers heard of it';
        expect ok => $other, 'mkdir', $x;
        is_deeply [ $other->list($x) ], [], 'a new one is empty';
        expect ok => $other, 'rmdir', $x;
        expect ok => $other, 'rmdir', "$p/data" if $end eq 'publish';
        $w->stop;
        $q->stop if $q->alive;
    }
};

subtest 'a chain of locks, owners dying from the outside in' => sub {
    my @o = map { client() } 1 .. 6;
    my $path = $p;
    for my $c (@o) {
        $path .= '/x.lock';
        expect ok => $c, 'mkdir', $path;
    }
    for my $n (0 .. $#o - 1) {
        $o[$n]->kill9;
        is $other->stat($x)->{type}, 'dir', 'held up from inside';
        expect EEXIST => $other, 'mkdir', $x;
    }
    $o[-1]->kill9;
    is_gone $x;
    expect ok => $other, 'mkdir', $x;
    expect ok => $other, 'rmdir', $x;
};

subtest 'a chain of locks, owners dying from the inside out' => sub {
    my @o = map { client() } 1 .. 6;
    my @path = map { $p . '/x.lock' x $_ } 1 .. 6;
    expect ok => $o[$_], 'mkdir', $path[$_] for 0 .. 5;
    for my $n (reverse 0 .. 5) {
        $o[$n]->kill9;
        is_gone $path[$n];
        is $other->stat($path[ $n - 1 ])->{type}, 'dir', 'the next one stays' if $n;
    }
};

subtest 'both by one owner' => sub {
    my $o = client();
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'mkdir', $in;
    expect ok => $o, 'excl', "$in/deep.lock";
    expect ok => $o, 'put', "$in/member", 'text';
    $o->kill9;
    is_gone $_ for $x, $in, "$in/deep.lock";
    is_deeply [ $other->list($p) ], [], 'at once';
};

subtest 'a data directory of others becomes a lock' => sub {
    my ($o, $q) = (client(), client());
    expect ok => $other, 'mkdir', "$p/data";
    expect ok => $other, 'put', "$p/data/member", 'text';
    expect ok => $q, 'mkdir', "$p/data/in.lock";
    expect ok => $o, 'rename', "$p/data", $x;
    expect EBUSY => $other, 'unlink', "$x/member";
    expect ok => $q, 'put', "$in/mine", 'text';
    $o->kill9;
    is $other->stat($in)->{type}, 'dir', 'held up by what was in it before';
    $q->kill9;
    is_gone $x;
};

subtest 'claims carried into a lock and out of it' => sub {
    my ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'mkdir', "$p/data";
    expect ok => $q, 'mkdir', "$p/data/in.lock";
    expect ok => $o, 'rename', "$p/data", "$x/data";
    $o->kill9;
    is $other->stat("$x/data/in.lock")->{type}, 'dir', 'carried in: it holds the lock up';
    $q->kill9;
    is_gone $x;

    ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'mkdir', "$x/data";
    expect ok => $q, 'mkdir', "$x/data/in.lock";
    expect ok => $o, 'rename', "$x/data", "$p/data";
    $o->kill9;
    is_gone $x, 'carried out: it does not';
    expect EBUSY => $other, 'rmdir', "$p/data/in.lock";
    expect ok => $q, 'rmdir', "$p/data/in.lock";
    expect ok => $other, 'rmdir', "$p/data";
    $q->stop;
};

subtest 'who stands in a lock that dies' => sub {
    my ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'put', "$x/member", 'text';
    expect ok => $q, 'chdir', $x;
    my $dir = $q->get('open', 'r,dir', '.');
    my $fd  = $q->get('open', 'r', 'member');
    $o->kill9;
    is $q->get('read', $fd, 100), 'text', 'an open descriptor keeps working';
    expect ENOENT => $q, 'get', 'member';
    expect ENOENT => $q, 'mkdir', 'new.lock';
    expect ENOENT => $q, 'creat', 'new';
    expect ok => $other, 'mkdir', $x;
    expect ENOENT => $q, 'creat', 'new';
    is_deeply [ $other->list($x) ], [], 'nothing of the old in the new';
    expect ok => $other, 'rmdir', $x;
    $q->stop;
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
$other->stop;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
