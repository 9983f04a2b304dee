# What is no death keeps the lock: a stopped owner, one whose first thread ended, one that executed another program. A fork owns nothing.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());

sub is_held {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    subtest $what => sub {
        is ref $other->stat("$p/x.lock"), 'HASH', 'there';
        expect EEXIST => $other, 'mkdir', "$p/x.lock";
        expect EBUSY  => $other, 'rmdir', "$p/x.lock";
    };
}

sub is_gone {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    subtest $what => sub {
        is $other->stat("$p/x.lock"), 'ENOENT', 'not there';
        expect ok => $other, 'mkdir', "$p/x.lock";
        expect ok => $other, 'rmdir', "$p/x.lock";
    };
}

subtest 'stopped' => sub {
    my $owner = client();
    expect ok => $owner, 'mkdir', "$p/x.lock";
    $owner->kill('STOP');
    is waitpid($owner->pid, 2), $owner->pid, 'stopped';    # WUNTRACED
    is_held 'while it is stopped';
    $owner->kill('CONT');
    expect ok => $owner, 'rmdir', "$p/x.lock";
    expect ok => $owner, 'mkdir', "$p/x.lock";
    $owner->kill('STOP');
    $owner->kill9;
    is_gone 'killed while it was stopped';
};

subtest 'the first thread has ended' => sub {
    my $owner = client();
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $owner, 'leader-exit';
    like slurp('/proc/' . $owner->pid . '/stat'), qr/\) Z/, '/proc says zombie';
    is_held 'another thread runs';
    expect ok => $owner, 'rmdir', "$p/x.lock";
    expect ok => $owner, 'mkdir', "$p/x.lock";
    is_held 'taken anew by a thread that is not the first';
    $owner->kill9;
    is_gone 'the process has ended';
};

subtest 'exec' => sub {
    my $owner = client();
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $owner, 'exec';
    is_held 'another program, the same process';
    expect ok => $owner, 'rmdir', "$p/x.lock";
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $owner, 'exec';
    $owner->kill9;
    is_gone 'the process has ended';
};

subtest 'exec into a helper program' => sub {
    my $owner = client();
    expect ok => $owner, 'mkdir', "$p/x.lock";
    my $fifo = temp_path('hold');
    POSIX::mkfifo($fifo, 0600);
    $owner->start('become', 'sh', '-c', "exec env sh -c 'echo held >$fifo; read line'");
    open my $in, '<', $fifo;
    is scalar(<$in>), "held\n", 'it runs';
    is_held 'a shell now';
    $owner->kill9;
    is_gone 'the process has ended';
};

subtest 'fork' => sub {
    my $owner = client();
    expect ok => $owner, 'mkdir', "$p/x.lock";
    my $child = $owner->fork_client;
    expect EEXIST => $child, 'mkdir', "$p/x.lock";
    expect ok     => $child, 'rmdir', "$p/x.lock";
    expect ok     => $owner, 'mkdir', "$p/x.lock";
    $owner->kill9;
    is_gone 'the owner has ended, its child runs';
    expect ok => $child, 'mkdir', "$p/x.lock";
    is_held 'taken by the child for itself';
    $child->kill('KILL');
    ok $child->wait_dead, 'the child too';
    is_gone 'it has ended';
};

subtest 'a child that locks and ends before its parent' => sub {
    my $owner = client();
    my $child = $owner->fork_client;
    expect ok    => $child, 'mkdir', "$p/x.lock";
    expect EBUSY => $owner, 'rmdir', "$p/x.lock";
    $child->kill_zombie;
    is_gone 'a zombie of a living parent';
};

subtest 'an orphan' => sub {
    my $owner  = client();
    my $orphan = $owner->fork_client(detach => 1);
    expect ok => $orphan, 'mkdir', "$p/x.lock";
    $owner->kill9;
    is_held 'its parents have ended';
    $orphan->kill('KILL');
    ok $orphan->wait_dead, 'ended';
    is_gone 'it has ended';
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
