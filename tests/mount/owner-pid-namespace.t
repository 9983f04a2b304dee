# Process 1 of one container after the other over the same directory: every one is a process of its own.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());

for my $depth (1, 2, 3) {
    subtest "three times over, $depth deep" => sub {
        for my $turn (1 .. 3) {
            my $one = client(pidns => $depth);
            is $one->get('ppid'), 0, "turn $turn: process 1 there";
            expect ok     => $one,   'mkdir', "$p/x.lock";
            expect ok     => $one,   'put', "$p/x.lock/pid", '1';
            expect ok     => $one,   'excl', "$p/y.lock";
            expect EEXIST => $other, 'mkdir', "$p/x.lock";
            expect EBUSY  => $other, 'unlink', "$p/y.lock";
            $one->kill9;    # nobody removes anything in between
        }
        is_deeply [ $other->list($p) ], [], 'all gone';
    };
}

subtest 'two containers at once, both with a process 1' => sub {
    my ($one, $two) = (client(pidns => 1), client(pidns => 1));
    expect ok     => $one, 'mkdir', "$p/x.lock";
    expect EEXIST => $two, 'mkdir', "$p/x.lock";
    expect EBUSY  => $two, 'rmdir', "$p/x.lock";
    expect ok     => $two, 'mkdir', "$p/y.lock";
    $one->kill9;
    expect ok     => $two, 'mkdir', "$p/x.lock";
    is ref $other->stat("$p/y.lock"), 'HASH', 'the death of one is not that of the other';
    $two->kill9;
    is_deeply [ $other->list($p) ], [], 'all gone';
};

subtest 'a child in the container, a thread there' => sub {
    my $one   = client(pidns => 1);
    my $child = $one->fork_client;
    expect ok    => $child, 'thread', 'mkdir', "$p/x.lock";
    expect EBUSY => $one,   'rmdir', "$p/x.lock";
    expect ok    => $one,   'mkdir', "$p/y.lock";
    expect ok    => $child, 'rmdir', "$p/y.lock";
    expect ok    => $one,   'mkdir', "$p/y.lock";
    $child->kill('KILL');
    $child->wait;
    is_deeply [ $other->list($p) ], ['y.lock'], 'what the child held is gone, not what its parent holds';
    $one->kill9;
    is_deeply [ $other->list($p) ], [], 'all gone';
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
