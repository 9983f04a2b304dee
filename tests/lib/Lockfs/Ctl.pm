package Lockfs::Ctl;

# lockfs-ctl, run as a program; and what it prints, as data.

use v5.30;
use warnings;
use Exporter qw(import);
use JSON::PP ();
use Lockfs::Sys qw(build_dir);
use Lockfs::Test;

our @EXPORT = qw(ctl ctl_json ctl_status ctl_program from_json control);

sub ctl_program { return build_dir() . '/cli/lockfs-ctl' }

# ctl([ARGUMENTS], %options of run()): { status, out, err }.
sub ctl { my ($args, %opt) = @_; return run([ ctl_program(), @$args ], timeout => 30, %opt) }

sub from_json { my ($text) = @_; return JSON::PP->new->utf8->decode($text) }

# What it prints with --json; dies when that is none.
sub ctl_json { my ($args, %opt) = @_; my $r = ctl($args, %opt); return from_json($r->{out}) }

# One assertion: the exit status, and what standard error matches.
sub ctl_status {
    my ($want, $args, $error, %opt) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = ctl($args, %opt);
    my $ok = Test::More::is($r->{status}, "exit $want", "exit $want: @$args");
    Test::More::like($r->{err}, $error, "... and says why") if $error;
    Test::More::diag($r->{err}) if !$ok;
    return $r;
}

# A command written into DIR/.lockfs/control: (error or '', answer).
sub control {
    my ($dir, $line) = @_;
    open my $file, '+<', "$dir/.lockfs/control" or return ("$!", '');
    my $n = syswrite $file, $line;
    return ("$!", '') if !defined $n;
    sysread $file, my $answer, 1 << 20;
    return ('', $answer);
}

1;
