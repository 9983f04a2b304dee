package Lockfs::Sys;

# What the tests need of the system and Perl does not offer: mount table, pidfds, users, the codec of
# the helper programs, temporary directories. Core modules only.

use v5.30;
use warnings;
use Exporter qw(import);
use Cwd            ();
use Errno          qw(EINTR);
use File::Basename ();
use File::Path     ();
use File::Temp     ();
use IO::Poll       qw(POLLIN POLLPRI POLLERR POLLHUP);
use Time::HiRes    qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT_OK = qw(root_dir build_dir helper encode decode mounts mount_at wait_mount wait_readable
    parse_mounts pidfd_open wait_dead now user_ids become fs_type temp_dir remove_temp_dir unmount_below slurp run_quiet
    exit_text worker_of);

use constant SYS_PIDFD_OPEN => 434;    # the same number on every architecture

# The process that serves the mount of a keeper. One that was killed before may linger, with a thread that waits for an answer
# of the next, or unwaited for; a keeper that begins has other children for a moment. A worker has threads.
sub worker_of {
    my ($keeper) = @_;
    my @there = grep { (eval { slurp("/proc/$_/status") } // '') =~ /^State:\s*[^ZX\s]/m } split ' ', slurp("/proc/$keeper/task/$keeper/children");
    my @serving = grep { (eval { slurp("/proc/$_/status") } // '') =~ /^Threads:\s*(?:[2-9]|\d\d)/m } @there;
    return $serving[-1] // $there[-1];
}

sub root_dir {
    return $ENV{LOCKFS_ROOT} // Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');
}

sub build_dir { return Cwd::abs_path($ENV{LOCKFS_BUILD} // root_dir() . '/build') }

# A helper program of tests/helpers, built.
sub helper {
    my ($name) = @_;
    my $path = build_dir() . "/tests/helpers/$name";
    -x $path or die "no helper program $path: build first (LOCKFS_BUILD names the build directory)\n";
    return $path;
}

sub now { return clock_gettime(CLOCK_MONOTONIC) }

# ---- the codec of the helpers: one word a value, any byte in it ----

sub encode {
    my ($bytes) = @_;
    return '%' if $bytes eq '';
    return $bytes =~ s{([^A-Za-z0-9_./,=@+~{}-])}{sprintf '%%%02X', ord $1}gesr;
}

sub decode {
    my ($word) = @_;
    return '' if $word eq '%';
    return $word =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger;
}

# ---- the mount table ----

sub mounts {
    open my $fh, '<', '/proc/self/mountinfo' or die "/proc/self/mountinfo: $!\n";
    return parse_mounts($fh);
}

sub parse_mounts {
    my ($fh) = @_;
    my @mounts;
    while (my $line = <$fh>) {
        my ($left, $right) = split / - /, $line, 2;
        my (undef, undef, $dev, undef, $point, $options) = split ' ', $left;
        my ($type, $source) = split ' ', $right;
        $point =~ s/\\([0-7]{3})/chr oct $1/ge;
        push @mounts, { point => $point, type => $type, source => $source, dev => $dev, options => $options };
    }
    return @mounts;
}

# The uppermost mount at exactly this path, or undef.
sub mount_at {
    my ($path) = @_;
    my ($top) = grep { $_->{point} eq $path } reverse mounts();
    return $top;
}

# Waits until $wanted->(mount or undef) holds for the mount at $path, woken by the kernel at every
# change of the mount table. $also is a further descriptor that ends the wait (a pidfd). Returns true when it holds.
sub wait_mount {
    my ($path, $wanted, $timeout, $also) = @_;
    my $deadline = now() + ($timeout // 30);
    open my $table, '<', '/proc/self/mountinfo' or die "/proc/self/mountinfo: $!\n";
    while (1) {
        return 1 if $wanted->(mount_at($path));
        my $poll = IO::Poll->new;
        $poll->mask($table => POLLPRI | POLLERR);
        $poll->mask($also  => POLLIN) if $also;
        my $left = $deadline - now();
        return 0 if $left <= 0;
        $poll->poll($left);
        return $wanted->(mount_at($path)) if $also && ($poll->events($also) & POLLIN);
    }
}

# Lazily unmounts everything below a directory (and at it), latest first.
sub unmount_below {
    my ($dir) = @_;
    for my $mount (reverse mounts()) {
        next unless $mount->{point} eq $dir || index($mount->{point}, "$dir/") == 0;
        if   ($> == 0) { run_quiet('umount',      '-l',  $mount->{point}) }
        else           { run_quiet('fusermount3', '-uz', $mount->{point}) }
    }
}

# ---- processes ----

# A file handle that becomes readable when the process ends (it may still be a zombie); undef when there is none.
sub pidfd_open {
    my ($pid) = @_;
    my $fd = syscall(SYS_PIDFD_OPEN, $pid + 0, 0);
    return undef if $fd < 0;
    open my $fh, '<&=', $fd or die "pidfd: $!\n";
    return $fh;
}

# Waits for a handle to become readable. True when it did.
sub wait_readable {
    my ($fh, $timeout) = @_;
    my $deadline = now() + ($timeout // 60);
    while (1) {
        my $left = $deadline - now();
        return 0 if $left <= 0;
        my $bits = '';
        vec($bits, fileno($fh), 1) = 1;
        my $n = select($bits, undef, undef, $left);
        return 1 if $n > 0;
        return 0 if $n == 0;
        die "select: $!\n" if $! != EINTR;
    }
}

# Waits for the end of any process, without reaping it. True when it has ended.
sub wait_dead {
    my ($pid, $timeout) = @_;
    my $pidfd = pidfd_open($pid) or return 1;
    return wait_readable($pidfd, $timeout);
}

sub exit_text {
    my ($status) = @_;
    return $status & 127 ? 'signal ' . ($status & 127) : 'exit ' . ($status >> 8);
}

sub run_quiet {
    my @argv = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec { $argv[0] } @argv or POSIX::_exit(127);
    }
    local $?;
    waitpid $pid, 0;
    return $? == 0;
}

# ---- users ----

sub user_ids {
    my ($user) = @_;
    my (undef, undef, $uid, $gid) = $user =~ /^\d+$/ ? getpwuid($user) : getpwnam($user);
    defined $uid or die "no such user: $user\n";
    return ($uid, $gid);
}

# Turns this process into another user for good: real, effective and saved ids, and only these groups.
sub become {
    my ($user, @groups) = @_;
    my ($uid, $gid) = user_ids($user);
    $( = $gid;
    $) = join ' ', $gid, @groups ? @groups : $gid;
    POSIX::setgid($gid) or die "setgid: $!\n";
    POSIX::setuid($uid) or die "setuid: $!\n";
    $ENV{HOME} = '/';
    $ENV{USER} = $ENV{LOGNAME} = getpwuid $uid;
}

# ---- files ----

sub slurp {
    my ($path) = @_;
    open my $fh, '<', $path or return '';
    local $/;
    return scalar(<$fh>) // '';
}

sub fs_type {
    my ($path) = @_;
    $path = Cwd::abs_path($path);
    my ($best, $type) = (-1, '');
    for my $mount (mounts()) {
        my $point = $mount->{point};
        next unless $point eq '/' || $path eq $point || index($path, "$point/") == 0;
        ($best, $type) = (length $point, $mount->{type}) if length $point >= $best;
    }
    return $type;
}

# A new directory that other users may traverse.
sub temp_dir {
    my $parent = $ENV{LOCKFS_TEST_DIR} // $ENV{TMPDIR} // '/tmp';
    my $dir = File::Temp::tempdir('lockfs-XXXXXXXX', DIR => Cwd::abs_path($parent));
    chmod 0755, $dir or die "$dir: $!\n";
    return $dir;
}

# Removes it, mounts first; refuses while anything is still mounted there.
sub remove_temp_dir {
    my ($dir) = @_;
    chdir '/';
    unmount_below($dir);
    return if grep { index($_->{point}, "$dir/") == 0 } mounts();
    File::Path::remove_tree($dir, { error => \my $ignored });
}

require POSIX;
1;
