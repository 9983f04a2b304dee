package Lockfs::LeftOver;
# Lock entries as programs leave them behind, made in a directory before lockfs serves it.
#
#     for my $form (@FORMS) { $form->{make}->("$dir/$form->{name}.lock", $pid, $host); }    # host undef: this machine's
#     grow_old($dir);                                          # until what is in it was not written a moment ago
#     my $image = image($tree, { 'a.lock' => $seconds });      # an ext4 filesystem with these times of change
#
# A form with `host` records a host name.

use v5.30;
use warnings;
use Exporter qw(import);
use Lockfs::Test;
use Lockfs::Sys qw(slurp);
use Sys::Hostname qw(hostname);
use Time::HiRes qw(lstat);

our @EXPORT = qw(@FORMS write_file grow_old image boot_times);

sub write_file { my ($path, $text) = @_; open my $fh, '>', $path or die "$path: $!\n"; print $fh $text; close $fh or die "$path: $!\n" }

sub _in_dir { my ($path, $name, $text) = @_; mkdir $path or die "$path: $!\n"; write_file("$path/$name", $text) }

sub _link { my ($text, $path) = @_; symlink $text, $path or die "$path: $!\n" }

# Text of a file: what it says for (pid, host).
my %TEXT = (
    'number'     => sub {"$_[0]\n"},
    'bare'       => sub {"$_[0]"},
    'padded'     => sub { sprintf "%10d\n", $_[0] },
    'postmaster' => sub { "$_[0]\n/var/lib/db\n" . (time - 1) . "\n5432\n/run\n*\n" },
    'json'       => sub {qq({"pid": $_[0], "createdAt": "2026-01-01T00:00:00Z"})},
    'owner-pid'  => sub {qq({"version": 1, "owner": {"ownerPid": $_[0], "command": ["a", "b"]}})},
);
my %TEXT_AND_HOST = (
    'gc-pid'     => sub {"$_[0] $_[1]"},
    'two-lines'  => sub {"$_[0]\n$_[1]\n"},
    'host-colon' => sub {"$_[1]:$_[0]"},
    'pid-colon'  => sub {"$_[0]:$_[1]"},
    'restic'     => sub {qq({"time":"2026-01-01T00:00:00.5+01:00","exclusive":true,"hostname":"$_[1]","username":"a","pid":$_[0],"uid":0})},
);
my %LINK = (
    'chromium'  => sub {"$_[1]-$_[0]"},
    'mercurial' => sub {"$_[1]:$_[0]"},
    'emacs'     => sub {"joe\@$_[1].$_[0]:1700000000"},
);
my %DIR = (
    'dir-pid'   => [ 'pid',        sub {"$_[0]\n"} ],
    'dir-owner' => [ 'owner',      sub {"$_[0]"} ],
    'dir-json'  => [ 'owner.json', sub {qq({"pid":$_[0]})} ],
    'dir-upper' => [ 'LOCK_OWNER', sub {"pid=$_[0]\n"} ],
);

sub _text { my ($code) = @_; return sub { write_file($_[0], $code->($_[1], $_[2] // hostname())) } }

our @FORMS = (
    (map { { name => $_, make => _text($TEXT{$_}) } } sort keys %TEXT),
    (map { { name => $_, host => 1, make => _text($TEXT_AND_HOST{$_}) } } sort keys %TEXT_AND_HOST),
    (map { my $code = $LINK{$_}; { name => $_, host => 1, make => sub { _link($code->($_[1], $_[2] // hostname()), $_[0]) } } } sort keys %LINK),
    (map { my ($file, $code) = @{ $DIR{$_} }; { name => $_, make => sub { _in_dir($_[0], $file, $code->($_[1])) } } } sort keys %DIR),
    {   name => 'borg',
        host => 1,
        make => sub { _in_dir($_[0], ($_[2] // hostname()) . "\@2485377892354.$_[1]-0", '') },
    },
    {   name => 'breezy',
        host => 1,
        make => sub { _in_dir($_[0], 'info', 'hostname: ' . ($_[2] // hostname()) . "\nnonce: x\npid: $_[1]\nstart_time: " . (time - 1) . "\nuser: a <b\@c>\n") },
    },
);

# Judged is only what is two seconds old; nothing tells of that but the clock.
sub grow_old {
    my ($dir) = @_;
    my @stat = lstat $dir or die "$dir: $!\n";
    select undef, undef, undef, 0.02 while Time::HiRes::time() < $stat[10] + 2.05;
}

# (what the clock showed at the boot, what it would have shown had it never been set)
sub boot_times {
    my ($uptime) = slurp('/proc/uptime') =~ /^([\d.]+)/;
    my $boot  = time - $uptime;
    my $stamp = (stat '/proc')[10];
    return $stamp < $boot ? ($stamp, $boot) : ($boot, $boot);
}

# The mount point of an ext4 filesystem with the content of a directory; %$times: path => seconds of the epoch for all its times.
sub image {
    my ($tree, $times) = @_;
    my ($file, $mount) = map { temp_path("$_-" . ++$main::lockfs_serial) } qw(image old);
    mkdir $mount or die "$mount: $!\n";
    my $r = run([ 'mkfs.ext4', '-q', '-I', '256', '-d', $tree, $file, '16m' ]);
    die "mkfs.ext4: $r->{err}\n" if $r->{status} ne 'exit 0';
    my @commands = map {
        my $path = $_;
        map {"set_inode_field \"/$path\" $_ \@$times->{$path}"} qw(ctime mtime atime crtime)
    } sort keys %$times;
    write_file("$file.commands", join "\n", @commands, '');
    $r = run([ 'debugfs', '-w', '-f', "$file.commands", $file ]);
    die "debugfs: $r->{err}\n" if $r->{status} ne 'exit 0';
    $r = run([ 'mount', '-o', 'loop', $file, $mount ]);
    die "mount $file: $r->{err}\n" if $r->{status} ne 'exit 0';
    for my $path (keys %$times) {
        my $found = (CORE::lstat "$mount/$path")[10];
        die "$path: ctime $found\n" if $found != $times->{$path};
    }
    return $mount;
}

1;
