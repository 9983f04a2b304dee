# A worker is killed at a marked point, and the next one as well, at whatever it passes until the call is over; and one
# that hangs there instead is replaced.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::CrashPoint;
use Lockfs::CrashOperations;

need_root;
need_fuse;
need_crash_points;

my $deaths = 0;

sub kill_twice {
    my ($m, $name, $point) = @_;
    my $operation = operations()->{$name};
    my ($passes, @wrong) = run_operation($operation, $point, '?');
    my (%seen, @tried);
    for my $second (grep { !$seen{$_}++ } @$passes) {
        push @tried, $second;
        my ($hit, @bad) = run_operation($operation, $point, $second);
        $deaths += 2 * $hit;
        push @wrong, map {"killed at $point and $second: $_"} @bad, leftovers($m);
        last if @wrong;
    }
    is join("\n", @wrong), '', "$name: killed at $point and again at " . @tried . ' points';
}

my @points = qw(request-begun act-executed answer-in-force operation-ended);
@points = qw(request-begun act-executed) if $ENV{LOCKFS_QUICK};
subtest 'killed again' => sub {
    my $m = mount_crashing(source => 'tmpfs');
    operate_on($m);
    for my $name ('exclusive create of a lock', 'rename over a file', 'taking the name of the dead who left something', 'healing what held something') {
        kill_twice($m, $name, $_) for @points;
    }
    is $m->umount, 'exit 0', 'the keeper ends well';
};
cmp_ok $deaths, '>', 100, "$deaths deaths";

# What it had read, and not begun, is neither in the kernel's queue nor under way.
for my $point (qw(request-read request-begun answering answered request-done)) {
    subtest "a worker that hangs at $point is replaced" => sub {
        my $m    = mount_crashing(env => { LOCKFS_HANG_SECONDS => 1 });
        my $lock = $m->path . '/x.lock';
        my ($owner, $other) = (client(), client());
        arm("stop $point");
        expect ok     => $owner, 'mkdir', $lock;
        ok !disarm(), 'it was stopped';
        expect EEXIST => $other, 'mkdir', $lock;
        expect ok     => $owner, 'rmdir', $lock;
        is $m->umount, 'exit 0', 'the keeper ends well';
    };
}

# A library may do that.
subtest 'a worker that exits is replaced' => sub {
    my $m    = mount_crashing();
    my $lock = $m->path . '/x.lock';
    my ($owner, $other) = (client(), client());
    expect ENOENT => $owner, 'rmdir', $lock;
    arm('exit act-executed');
    expect ok     => $owner, 'mkdir', $lock;
    ok !disarm(), 'it exited';
    expect EEXIST => $other, 'mkdir', $lock;
    like $m->log, qr/another worker took over \(the last exited with status 3\)/, 'as the log says';
    is $m->umount, 'exit 0', 'the keeper ends well';
};
done_testing;
