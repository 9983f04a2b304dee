package Lockfs::CrashPoint;

# A daemon that can be told at which place its worker is to be killed (fs/base/crash-point.h).

use v5.30;
use warnings;
use Exporter qw(import);
use Lockfs::Sys qw(build_dir slurp);
use Lockfs::Test;

our @EXPORT = qw(need_crash_points crash_daemon mount_crashing arm armed disarm passes);

my $daemon = $ENV{LOCKFS_CRASH_DAEMON} // build_dir() . '/fs/daemon/lockfs';
my $orders = temp_path('crash-point');

sub need_crash_points {
    return if slurp($daemon) =~ /LOCKFS_CRASH_POINT/;
    plan skip_all => 'the daemon was built without -Dcrash_points=true (LOCKFS_CRASH_DAEMON names one that was not)';
}

sub crash_daemon { return $daemon }

# See mount_lockfs().
sub mount_crashing {
    my (%opt) = @_;
    local $ENV{LOCKFS_BINARY} = $daemon;
    return mount_lockfs(%opt, env => { %{ $opt{env} // {} }, LOCKFS_CRASH_POINT => $orders });
}

# From here on these orders are in force.
sub arm {
    my (@lines) = @_;
    open my $fh, '>', "$orders.new" or die "$orders.new: $!";
    print $fh join "\n", @lines;
    close $fh;
    rename "$orders.new", $orders or die "$orders: $!";
}

# Is there an order that was not carried out?
sub armed { return -e $orders }

# No order is in force any more. True when there was one.
sub disarm { return unlink $orders }

# What was passed under the order '?': names in their order.
sub passes {
    my @names = -e "$orders.passed" ? split /\n/, slurp("$orders.passed") : ();
    unlink "$orders.passed";
    return @names;
}

1;
