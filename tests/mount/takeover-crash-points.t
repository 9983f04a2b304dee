# The worker is killed each time it passes one of the marked points, in every operation that changes something, with a
# caller in flight: the call ends as if nothing had happened, each lock has its one owner, the trees are right.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::CrashPoint;
use Lockfs::CrashOperations;

need_root;
need_fuse;
need_crash_points;

my %points;
my ($deaths, $operations) = (0, 0);

sub descriptors { my ($m) = @_; my @fds = glob '/proc/' . $m->pid . '/fd/*'; return scalar @fds }

# One death each: at the first passes of each point.
sub kill_at_each {
    my ($m, $name, $most) = @_;
    my $operation = operations()->{$name};
    my ($passes, @wrong) = run_operation($operation, '?');
    is join("\n", @wrong, leftovers($m)), '', "$name: undisturbed" or return;
    my (%seen, @failed);
    my $tried = 0;
    for my $point (@$passes) {
        next if ++$seen{$point} > $most;
        my $order = "$point $seen{$point}";
        my ($hit, @bad) = run_operation($operation, $order);
        $deaths += $hit;
        $tried++;
        $points{$point} += $hit;
        push @failed, map {"killed at $order: $_"} @bad, leftovers($m);
        last if @failed;
    }
    $operations++;
    is join("\n", @failed), '', "$name: killed at $tried of " . @$passes . ' passes';
}

my %ways = (
    'elsewhere' => [ { source => 'tmpfs' }, $ENV{LOCKFS_QUICK} ? 1 : 3 ],
    'in place'  => [ { source => 'tmpfs', in_place => 1, options => 'allow_other' }, 1 ],
);
for my $way (sort keys %ways) {
    subtest $way => sub {
        my ($options, $most) = @{ $ways{$way} };
        my $m = mount_crashing(%$options);
        operate_on($m);
        kill_at_each($m, $_, $most) for operation_names();
        my $before = descriptors($m);
        run_operation(operations()->{'mkdir of a lock'}, 'answered') for 1 .. 20;
        cmp_ok descriptors($m), '<=', $before + 2, 'no descriptor leaks';
        is $m->umount, 'exit 0', 'the keeper ends well';
    };
}
my $summary = "$deaths deaths at " . keys(%points) . " points in $operations operations";
cmp_ok scalar(grep {$_} values %points), '>=', 45, $summary;
diag "$summary: " . join ' ', map {"$_ $points{$_}"} sort keys %points;
done_testing;
