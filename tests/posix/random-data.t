# Random writing, mapping, truncating, allocating and copying of one file is checked against a copy in memory; several
# files at once. LOCKFS_SEED repeats a run.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my $seed  = $ENV{LOCKFS_SEED} // $$ * 1000 + time % 1000;
my $count = $ENV{LOCKFS_QUICK} ? 300 : 2500;
note "LOCKFS_SEED=$seed";

everywhere {
    my ($w) = @_;
    return if !on_mount && $ENV{LOCKFS_QUICK};
    my @running = map { spawn([ helper('exercise'), $w->dir . "/file-$_", $seed + $_, $count ], stderr => temp_path("exercise-$_")) } 1 .. 2;
    for my $i (1 .. 2) {
        my $status = $running[ $i - 1 ]->wait(120);
        is $status, 0, place_label . ": $count steps with seed " . ($seed + $i) or diag slurp(temp_path("exercise-$i"));
    }
};
