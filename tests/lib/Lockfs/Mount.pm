package Lockfs::Mount;

# One daemon on one mount point, from start to exit status.

use v5.30;
use warnings;
use Cwd ();
use Lockfs::Process;
use Lockfs::Sys qw(become build_dir exit_text fs_type mount_at mounts now pidfd_open run_quiet slurp
    temp_dir user_ids wait_mount wait_readable);

our @LIVE;
our $failed;    # why the test must fail at its end although every assertion held
my $serial = 0;

# The program under test. LOCKFS_BINARY may name another FUSE filesystem, to try the harness itself.
sub binary {
    return $ENV{LOCKFS_BINARY} if $ENV{LOCKFS_BINARY};
    for my $place ('fs/daemon/lockfs', 'fs/lockfs', 'lockfs') {
        my $path = build_dir() . "/$place";
        return $path if -x $path;
    }
    die 'no lockfs in ' . build_dir() . ": build first (LOCKFS_BUILD names the build directory)\n";
}

# See mount_lockfs() in Lockfs::Test for the options.
sub new {
    my ($class, %opt) = @_;
    my $dir = $opt{dir} // die "no directory to mount in\n";
    my $base = "$dir/mount-" . ++$serial;
    mkdir $base or die "$base: $!\n";
    my $self = bless { base => $base, owner => $$, user => $opt{user}, log_path => "$base/log" }, $class;
    $self->_make_source(%opt);
    $self->{path} = $opt{in_place} ? $self->{source} : $opt{mountpoint} // $self->_make_dir("$base/mnt");
    $self->{path} = Cwd::abs_path($self->{path});
    $self->{argv} = [ $self->_argv(%opt) ];
    push @LIVE, $self;
    $opt{background} ? $self->_start_background(%opt) : $self->_start_foreground(%opt);
    return $self;
}

sub _make_dir {
    my ($self, $path) = @_;
    mkdir $path or die "$path: $!\n";
    chmod 0755, $path;
    if (defined $self->{user}) { chown user_ids($self->{user}), $path or die "$path: $!\n" }
    return $path;
}

sub _make_source {
    my ($self, %opt) = @_;
    my $kind = $opt{source} // 'dir';
    return $self->{source} = $kind if $kind eq 'none' || $kind =~ m{^/};
    my $path = $self->{source} = $self->_make_dir("$self->{base}/source");
    if ($kind eq 'tmpfs') {
        my @size = $opt{size} ? ('-o', "size=$opt{size}") : ();
        run_quiet('mount', '-t', 'tmpfs', @size, 'lockfs-test', $path) or die "cannot mount a tmpfs at $path\n";
    } elsif ($kind eq 'ext4') {
        $self->_make_ext4($path, $opt{size}) if $opt{size} || fs_type($path) ne 'ext4';
    } elsif ($kind ne 'dir') {
        die "source => '$kind': expected dir, tmpfs, ext4, none or an absolute path\n";
    }
    chmod 0755, $path;
    if (defined $self->{user}) { chown user_ids($self->{user}), $path or die "$path: $!\n" }
}

sub _make_ext4 {
    my ($self, $path, $size) = @_;
    my $image = "$self->{base}/image";
    open my $fh, '>', $image or die "$image: $!\n";
    my %unit = (k => 2**10, m => 2**20, g => 2**30);
    my ($n, $unit) = ($size // '64m') =~ /^(\d+)([kmg])$/ or die "size => '$size': expected 64m and the like\n";
    truncate $fh, $n * $unit{$unit} or die "$image: $!\n";
    close $fh;
    run_quiet('mkfs.ext4', '-q', '-m', '0', $image) or die "mkfs.ext4 failed\n";
    run_quiet('mount', '-o', 'loop', $image, $path) or die "cannot mount $image: no loop devices?\n";
    rmdir "$path/lost+found";
}

sub _argv {
    my ($self, %opt) = @_;
    my @argv = ($opt{program} // binary(), @{ $opt{args} // [] });
    push @argv, '-f' unless $opt{background};
    push @argv, '-o', $opt{options} if defined $opt{options} && $opt{options} ne '';
    push @argv, $self->{source} unless $opt{in_place};
    return (@argv, $self->{path});
}

sub _is_served { my ($mount) = @_; return $mount && $mount->{type} =~ /^fuse/ }

sub _start_foreground {
    my ($self, %opt) = @_;
    my $process = $self->{process} = Lockfs::Process->new(
        $self->{argv}, daemon => 1,
        stdout => $self->{log_path}, stderr => $self->{log_path},
        user   => $opt{user}, groups => $opt{groups}, env => $opt{env}, cwd => '/',
    );
    $self->{pid} = $process->pid;
    my $pidfd = pidfd_open($self->{pid});
    return if wait_mount($self->{path}, \&_is_served, 30, $pidfd);
    my $alive = !wait_readable($pidfd, 0.001);
    my $why = $alive ? 'no mount within 30 s' : $process->status_text;
    $self->{ended} = 1;
    die "cannot mount @{$self->{argv}}: $why\n" . $self->log;
}

sub _start_background {
    my ($self, %opt) = @_;
    my $process = Lockfs::Process->new(
        $self->{argv},
        stdout => $self->{log_path}, stderr => $self->{log_path},
        user   => $opt{user}, groups => $opt{groups}, env => $opt{env}, cwd => '/',
    );
    my $status = $process->wait(30);
    if ($status) {
        $self->{ended} = 1;
        die "cannot mount @{$self->{argv}}: " . exit_text($status) . "\n" . $self->log;
    }
    _is_served(mount_at($self->{path})) or die "the daemon went to the background without a mount at $self->{path}\n";
    $self->{pid} = $self->_find_daemon;
}

# The oldest process that runs the program with this mount point among its arguments.
sub _find_daemon {
    my ($self) = @_;
    my $exe = Cwd::abs_path($self->{argv}[0]);
    for my $pid (sort { $a <=> $b } grep { /^\d+$/ } map { s{^/proc/}{}r } glob '/proc/[0-9]*') {
        my @args = split /\0/, slurp("/proc/$pid/cmdline");
        next unless grep { $_ eq $self->{path} } @args;
        return $pid if (readlink("/proc/$pid/exe") // '') eq $exe;
    }
    return undef;
}

sub path   { return $_[0]{path} }
sub source { return $_[0]{source} }
sub pid    { return $_[0]{pid} }
sub argv   { return @{ $_[0]{argv} } }
sub log    { return slurp($_[0]{log_path}) }

sub is_mounted { return _is_served(mount_at($_[0]{path})) ? 1 : 0 }

# (true, '') or (false, what umount said).
sub try_umount {
    my ($self) = @_;
    my $message = "$self->{base}/umount";
    my $unpriv = defined $self->{user} || $> != 0;
    my $process = Lockfs::Process->new(
        $unpriv ? [ 'fusermount3', '-u', $self->{path} ] : [ 'umount', $self->{path} ],
        stdout => $message, stderr => $message, user => $self->{user}, cwd => '/',
    );
    my $status = $process->wait;
    my $text = slurp($message);
    unlink $message;
    return ($status == 0, $text);
}

# The same, again and again while the mount is busy: after a death the daemon itself is in its mount for moments,
# to take away entries.
sub _umount_patiently {
    my ($self) = @_;
    my $deadline = now() + 10;
    while (1) {
        my ($ok, $message) = $self->try_umount;
        return ($ok, $message) if $ok || $message !~ /busy/ || now() > $deadline;
    }
}

# Unmounts and returns how the daemon ended ('exit 0'). Dies when the unmount is refused.
sub umount {
    my ($self) = @_;
    my ($ok, $message) = $self->_umount_patiently;
    $ok or die "umount $self->{path}: $message";
    return $self->wait_end;
}

# Waits for the end of the daemon: 'exit N' or 'signal N'; 'ended' for one in the background.
sub wait_end {
    my ($self, $timeout) = @_;
    $self->{ended} = 1;
    return exit_text($self->{process}->wait($timeout // 60)) if $self->{process};
    return 'ended' if !defined $self->{pid};
    my $pidfd = pidfd_open($self->{pid}) or return 'ended';
    wait_readable($pidfd, $timeout // 60) or die "daemon $self->{pid} does not end\n";
    return 'ended';
}

sub kill { my ($self, $signal) = @_; return CORE::kill($signal // 'KILL', $self->{pid}) }

# At the end of a test: everything still mounted is unmounted, and the daemon must end well.
sub end_all {
    for my $self (reverse @LIVE) {
        next if $self->{owner} != $$ || $self->{ended};
        my ($ok, $message) = $self->_umount_patiently;
        if (!$ok) {
            $failed = "umount $self->{path} at the end: $message" if $self->is_mounted;
            Lockfs::Sys::unmount_below($self->{path});
        }
        my $end = eval { $self->wait_end(30) };
        if (!defined $end) {
            $failed = "daemon $self->{pid} went on after its unmount";
            CORE::kill('KILL', $self->{pid});
            $self->wait_end(10);
        } elsif ($end ne 'exit 0' && $end ne 'ended') {
            $failed = "daemon $self->{pid} ended with $end";
        }
    }
}

1;
