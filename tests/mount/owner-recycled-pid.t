# A process that bears the pid of a dead owner is another process: it neither keeps the lock nor is family of anybody.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());
my $rounds = $ENV{LOCKFS_QUICK} ? 5 : 40;

# The number may be taken by a passer-by for a moment; another victim then has another number.
sub with_recycled {
    my ($prepare, $code) = @_;
    for (1 .. 20) {
        my $owner = client();
        my $pid   = $owner->pid;
        $prepare->($owner);
        $owner->kill9;
        my $again = eval { client_at_pid($pid) } or next;
        $code->($again, $pid);
        $again->stop if $again->alive;
        return;
    }
    fail 'no pid could be used again';
}

for my $round (1 .. $rounds) {
    subtest "round $round" => sub {
        with_recycled(
            sub { expect ok => $_[0], 'mkdir', "$p/x.lock"; expect ok => $_[0], 'excl', "$p/y.lock" },
            sub {
                my ($again, $pid) = @_;
                is $again->get('pid'), $pid, 'the same number';
                is $other->stat("$p/x.lock"), 'ENOENT', 'gone';
                expect ok     => $other, 'mkdir', "$p/x.lock";
                expect EEXIST => $again, 'mkdir', "$p/x.lock";
                expect EBUSY  => $again, 'rmdir', "$p/x.lock";
                expect ok     => $again, 'excl', "$p/y.lock";
                expect EBUSY  => $other, 'unlink', "$p/y.lock";
                expect ok     => $other, 'rmdir', "$p/x.lock";
                $again->kill9;
                is $other->stat("$p/y.lock"), 'ENOENT', 'what it took itself is gone with it';
            });
    };
}

subtest 'the number of a released lock\'s former owner, whom the daemon remembers' => sub {
    with_recycled(
        sub { expect ok => $_[0], 'mkdir', "$p/x.lock"; expect ok => $_[0], 'rmdir', "$p/x.lock" },
        sub {
            my ($again) = @_;
            expect ok    => $again, 'mkdir', "$p/x.lock";
            expect EBUSY => $other, 'rmdir', "$p/x.lock";
            $again->kill9;
            is $other->stat("$p/x.lock"), 'ENOENT', 'gone with the one that made it';
        });
};

subtest 'the number of a dead child of a living owner is not of its family' => sub {
    my $owner = client();
    expect ok => $owner, 'mkdir', "$p/x.lock";
    my $done;
    for (1 .. 20) {
        my $child = $owner->fork_client;
        my $pid   = $child->pid;
        expect ok => $child, 'put', "$p/x.lock/pid", 'text';
        $child->kill('KILL');
        $child->wait;
        my $again = eval { client_at_pid($pid) } or next;
        expect EBUSY => $again, 'put', "$p/x.lock/pid", 'mine';
        expect EBUSY => $again, 'rmdir', "$p/x.lock";
        $again->stop;
        $done = 1;
        last;
    }
    ok $done, 'a pid was used again';
    $owner->kill9;
};

subtest 'an orphan of the dead owner, under a process with the owner\'s number, is no family' => sub {
    with_recycled(
        sub { expect ok => $_[0], 'mkdir', "$p/x.lock" },
        sub {
            my ($again) = @_;
            expect ok     => $other, 'mkdir', "$p/x.lock";
            expect EBUSY  => $again, 'sub', 'rmdir', "$p/x.lock";
            expect EEXIST => $again, 'sub', 'mkdir', "$p/x.lock";
            expect ok     => $other, 'rmdir', "$p/x.lock";
        });
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
