package Lockfs::Test;

use v5.30;
use warnings;
use Exporter qw(import);
use Carp ();
use POSIX ();
use Test::More;
use Lockfs::Client;
use Lockfs::Mount;
use Lockfs::Process;
use Lockfs::Sys qw(encode decode helper now wait_readable wait_mount wait_dead mount_at user_ids exit_text fs_type);
use Lockfs::Watcher;

our @EXPORT = (@Test::More::EXPORT, qw(mount_lockfs run_lockfs run spawn client client_at_pid reuse_pid watcher
    expect wait_for temp_path need_root need_fuse need_program need_node unprivileged helper now
    wait_readable wait_mount wait_dead mount_at slurp encode decode));

*slurp = \&Lockfs::Sys::slurp;

my $main = $$;
my $dir;

_own_mount_namespace();

# As root a test runs in a mount namespace of its own: what it mounts nobody else sees, and it goes with
# the last process of the test. /dev/fuse and fuse.conf are such there that ordinary users may mount.
sub _own_mount_namespace {
    return if $> != 0 || $0 eq '-e';
    if (!$ENV{LOCKFS_TEST_NS} || $ENV{LOCKFS_TEST_NS} ne (readlink('/proc/self/ns/mnt') // '')) {
        my @inner = ($^X, (map { "-I$_" } grep { !ref } @INC), $0, @ARGV);
        exec 'unshare', '--mount', '--propagation', 'private', 'sh', '-c',
            'LOCKFS_TEST_NS=$(readlink /proc/self/ns/mnt) exec "$@"', 'sh', @inner
            if !$ENV{LOCKFS_TEST_NS_TRIED}++;
        return;    # not allowed here: the test goes on in the namespace it is in
    }
    my $mode = (stat '/dev/fuse')[2];
    return if !defined $mode || ($mode & 0666) == 0666;
    my $place = '/dev/shm';
    $place = '/mnt' unless -d $place;
    Lockfs::Sys::run_quiet('mount', '-t', 'tmpfs', '-o', 'mode=755', 'lockfs-test', $place) or return;
    Lockfs::Sys::run_quiet('mknod', '-m', '666', "$place/fuse", 'c', '10', '229');
    Lockfs::Sys::run_quiet('mount', '--bind', "$place/fuse", '/dev/fuse');
    Lockfs::Sys::run_quiet('umount', '-l', $place);
}

# The state of mounts goes there as well, where no other test finds it.
sub _dir {
    $dir //= Lockfs::Sys::temp_dir();
    $ENV{LOCKFS_STATE_DIR} //= "$dir/state";
    return $dir;
}

# ---- what a test needs ----

sub need_root { plan skip_all => 'needs root' if $> != 0 }

sub need_fuse {
    plan skip_all => 'needs /dev/fuse' if !-e '/dev/fuse';
    plan skip_all => 'needs the right to open /dev/fuse' if !-r '/dev/fuse' || !-w _;
    need_program('fusermount3') if $> != 0;
}

sub need_program {
    for my $name (@_) {
        plan skip_all => "needs the program $name"
            unless grep { -x "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin';
    }
}

sub need_node {
    my ($module) = @_;
    need_program('node');
    return if !defined $module || -d Lockfs::Sys::build_dir() . "/node/node_modules/$module";
    plan skip_all => "needs the node module $module";
}

# The name of a user who is not root and may be used by tests.
sub unprivileged { return getpwnam('nobody') ? 'nobody' : 'daemon' }

# ---- mounts and processes ----

sub mount_lockfs { return Lockfs::Mount->new(dir => _dir(), @_) }

# A path in the directory of this test, outside every mount.
sub temp_path { my ($name) = @_; return _dir() . "/$name" }

# Runs a program to its end: { status => 'exit 0', out => …, err => … }.
sub run {
    my ($argv, %opt) = @_;
    my ($out, $err) = map { temp_path("$_-" . ++$main::lockfs_serial) } qw(out err);
    my $timeout = delete $opt{timeout};
    my $process = Lockfs::Process->new($argv, %opt, stdout => $out, stderr => $err);
    my $status = eval { exit_text($process->wait($timeout)) };
    if (!defined $status) { $process->kill9; $status = 'timeout' }
    my %result = (status => $status, out => slurp($out), err => slurp($err));
    unlink $out, $err;
    return \%result;
}

sub run_lockfs { my ($args, %opt) = @_; return run([ Lockfs::Mount::binary(), @$args ], timeout => 30, %opt) }

sub spawn { my ($what, %opt) = @_; return Lockfs::Process->new($what, pipes => 1, %opt) }

sub client { return Lockfs::Client->new(dir => _dir(), @_) }

sub client_at_pid { my ($pid, %opt) = @_; return Lockfs::Client->new_at_pid($pid, dir => _dir(), %opt) }

# Runs code with a fresh client that has exactly this pid.
sub reuse_pid {
    my ($pid, $code, %opt) = @_;
    my $client = client_at_pid($pid, %opt);
    my @result = $code->($client);
    $client->stop if $client->alive;
    return wantarray ? @result : $result[0];
}

sub watcher { return Lockfs::Watcher->new(@_) }

# Waits until $condition->() is true, asking again after each inotify event at the paths. True when it is.
sub wait_for {
    my ($condition, %opt) = @_;
    my $deadline = now() + ($opt{timeout} // 30);
    my $watcher = watcher(ref $opt{watch} ? @{ $opt{watch} } : $opt{watch} // Carp::croak('wait_for: watch => PATH is missing'));
    while (!$condition->()) {
        my $left = $deadline - now();
        return 0 if $left <= 0 || !$watcher->next($left);
    }
    $watcher->stop;
    return 1;
}

# expect RESULT => CLIENT, COMMAND…: one assertion a line, named by itself.
sub expect {
    my ($want, $client, @command) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = $client->do(@command);
    my $name = join(' ', map { length > 60 ? substr($_, 0, 57) . '...' : encode($_) } @command) . ' => ';
    return ref $want ? like($got, $want, $name . $want) : is($got, $want, $name . $want);
}

# ---- the end ----

sub _clean_up {
    my $status = $?;
    Lockfs::Process::end_all_but_daemons();
    Lockfs::Mount::end_all();
    Lockfs::Process::end_all();
    my $passing = $status == 0 && Test::More->builder->is_passing && !$Lockfs::Mount::failed;
    if (!$passing) {
        for my $mount (@Lockfs::Mount::LIVE) {
            my $log = $mount->log;
            diag('log of ' . join(' ', $mount->argv) . ":\n" . substr($log, -8000)) if length $log;
        }
    }
    Lockfs::Sys::remove_temp_dir($dir) if defined $dir && !$ENV{LOCKFS_KEEP};
    diag($Lockfs::Mount::failed) if $Lockfs::Mount::failed;
    $? = $status || ($Lockfs::Mount::failed ? 1 : 0);
}

for my $signal (qw(INT TERM HUP)) {
    $SIG{$signal} = sub { $SIG{$signal} = 'DEFAULT'; exit 128 + 1 };
}
$SIG{PIPE} = 'IGNORE';

END { _clean_up() if $$ == $main }

1;
__END__

=head1 NAME

Lockfs::Test - real mounts and real processes for the tests in tests/mount

=head1 SYNOPSIS

    use Lockfs::Test;

    need_root; need_fuse;
    my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
    my ($p, $a, $b) = ($m->path, client(), client(user => unprivileged));

    expect ok     => $a, 'mkdir', "$p/x.lock";
    expect EEXIST => $b, 'mkdir', "$p/x.lock";
    expect EBUSY  => $b, 'rmdir', "$p/x.lock";
    $a->kill9;
    expect ok     => $b, 'mkdir', "$p/x.lock";
    is $m->umount, 'exit 0', 'the daemon ends well';
    done_testing;

Everything of Test::More is exported too. C<strict> and C<warnings> are on with C<use v5.30>.

=head1 WHAT A TEST NEEDS

Each skips the test (or the subtest it stands in) with the reason. C<tests/run> counts a skip as a
failure when LOCKFS_FORBID_SKIP=1.

    need_root; need_fuse; need_program('git', 'dotlockfile'); need_node; need_node('proper-lockfile');

C<unprivileged> is the name of a user who is not root.

=head1 MOUNTS

    my $m = mount_lockfs(%options);

=over

=item source => 'dir' | 'tmpfs' | 'ext4' | 'none' | '/abs/path'

A new directory (default), a new tmpfs, a directory on ext4 (a loop mount where the temporary directory is
not on ext4), no source, or a directory that is there. C<< size => '1m' >> bounds tmpfs and ext4.

=item in_place => 1

C<lockfs DIR>: the mount covers the source. Otherwise C<lockfs SOURCE MOUNTPOINT>, and the source can be looked
at from behind. C<< mountpoint => PATH >> chooses the mount point.

=item options => 'allow_other,lock=*.x', args => [...], env => { NAME => value }

For C<-o>, further arguments, and the environment of the daemon (undef removes a variable).

=item user => NAME, groups => [gid, ...]

The daemon runs as this user, and so do source and mount point belong to it.

=item background => 1

Without C<-f>: the daemon goes to the background by itself.

=back

Dies with the daemon's output when there is no mount. Methods: C<path>, C<source>, C<pid> (of the daemon, as started;
in the background the oldest process with that mount point), C<log> (its output so far), C<argv>, C<is_mounted>,
C<umount> (the daemon's end: 'exit 0', 'signal 11'; 'ended' in the background; dies when refused),
C<try_umount> (true or false, message), C<wait_end(SECONDS)>, C<kill(SIGNAL)>.

At the end of the test what is mounted is unmounted; a daemon that refuses, or ends other than with exit 0, fails the test.

    my $r = run_lockfs(['-o', 'lock=[', $dir]);    # expects the daemon to end: $r->{status}, {out}, {err}
    my $r = run(['git', 'status'], cwd => $p, user => 'nobody', env => {...}, timeout => 60);

C<temp_path(NAME)> is a path in the directory of this test, outside every mount.

=head1 CLIENTS

    my $c = client(user => NAME, groups => [gid...], pidns => DEPTH, env => {...}, cwd => DIR,
                   under => ['strace', '-o', '/dev/null'], stderr => PATH);
    my $c = client_at_pid($pid, %same);    # fails with a message when the pid is taken
    reuse_pid($pid, sub { my ($c) = @_; ... });

A client is a small C program that does one system call at a time. C<< pidns => 1 >>: it is process 1 of a new pid
namespace; 2 and more: nested.

    $c->do(CMD, ARGS...)     'ok', 'ok VALUE...' or the name of the error ('EBUSY'); 'GONE' when it died
    $c->get(CMD, ARGS...)    decoded values; dies when the command fails
    $c->start(CMD, ...); ... $c->reply(SECONDS)      the same in two steps: several clients at once
    $c->stat(PATH)           hash of type mode nlink ino size mtime ctime atime uid gid dev (times in ns), or 'ENOENT'
    $c->list(PATH)           sorted names, or ('!ENOENT')
    $c->pid                  as this test sees it
    $c->kill(SIGNAL)         $c->kill('STOP')
    $c->kill9                SIGKILL and the return of waitpid; the wait status
    $c->wait_dead            it has ended and is not reaped: a zombie
    $c->wait; $c->stop       reap; let it exit by itself
    $c->fork_client(%opt)    a child of it as a client of its own, which outlives it (detach => 1: an orphan at once; setsid => 1)
    $child->kill_zombie      killed, and left as a zombie of its parent

C<expect RESULT =E<gt> $client, CMD, ARGS...> is one assertion; RESULT is a string or a regular expression.

=head2 Commands

Numbers in brackets may be left out. MODE is octal.

    mkdir P [MODE] | rmdir P | unlink P | excl P [MODE] | creat P [MODE] | put P TEXT | get P
    open FLAGS P [MODE]        -> fd; FLAGS: r w rw creat excl trunc append nofollow dir path tmpfile sync dsync direct
                               nonblock noatime, joined by commas
    read FD N | pread FD N OFF | write FD TEXT | pwrite FD TEXT OFF | ftruncate FD N | fsync FD | close FD
    lseek FD OFF set|cur|end|data|hole -> offset | fallocate FD MODE OFF LEN | copyrange FD-IN FD-OUT LEN -> bytes
    mmapwrite FD OFF TEXT | flock FD sh|ex|un | setlk FD rd|wr|un | linkfd FD P | fstat FD | fgetpath FD
    truncate P N | rename A B [noreplace|exchange|whiteout] | link A B | symlink TEXT P | readlink P
    mknod P fifo|sock|reg|chr [MODE] | stat P (lstat) | list P | dents P -> name:type:ino...
    chmod P MODE | chown P UID GID (lchown) | utimens P ATIME MTIME   (ns since the epoch, now, omit)
    setxattr P NAME VALUE [create|replace] | getxattr P NAME | listxattr P | removexattr P NAME
    access P rwxf | statfs P -> type bsize blocks bfree files ffree | chdir P | umask MODE
    ostat P (stat) | ochown P UID GID (follows) | raccess P rwxf (real ids) | resuid R E S | linkfollow A B | renameflags A B N
    fchmod FD MODE | fchown FD UID GID | ftouch FD | setfl FD append|none | posix-fallocate FD OFF LEN | mmapread FD OFF LEN
    sendfile OUT IN N | splice IN OUT N -> bytes | dents-at FD POSITION SIZE -> name:next:type:ino... (one getdents64)
    lock|lockw|ofd|ofdw FD rd|wr|un START LEN | getlk FD -> type pid | flockw FD sh|ex     (w: waits)
    bind P -> fd (listening Unix socket) | connect P | tryexec PROGRAM ARGS... -> wait status | mkdev P c|b NUMBER | rdev P
    setacl P access|default u::7,u:ID:4,g::5,m::7,o::0 | getacl P access|default (dots for colons) | setcap P
    xattrsize P [NAME] | xattrprobe P SIZE [NAME] | setxattrbig P NAME SIZE | tick (the clock of files has moved on)
    creds UID GID G,G,...|-    from now on another user (real, effective, saved)
    nofile N                   RLIMIT_NOFILE | pid | ppid | setsid | reap PID -> wait status
    uring-mkdir P plain|async|sqpoll | uring-excl P plain|async|sqpoll     (ENOSYS where liburing is missing)
    run PROGRAM ARGS...        a child; -> wait status; its output goes nowhere
    exec                       executes itself again, same pid | become PROGRAM ARGS... (no reply)
    leader-exit                the first thread ends, another goes on serving
    exit N | segv | stop
    thread CMD...              in a second thread
    sub CMD... | subsub CMD... in a child; in a grandchild whose parent waits
    orphan CMD...              in a grandchild whose parent has exited
    times N CMD...             N times, {} replaced by 0, 1, ...; stops at the first error: 'ENOSPC at 17'

=head1 OTHER PROCESSES

    my $p = spawn(CODE | [argv], user => ..., env => ..., cwd => ..., stderr => PATH);
    $p->send(LINE); $p->recv(SECONDS); $p->close_pipes; $p->kill(SIG); $p->wait; $p->status_text; $p->wait_dead

CODE runs in a fork with STDIN and STDOUT being the pipes (set C<$| = 1>). C<recv> gives undef at the end of file.

=head1 EVENTS, NOT SLEEPS

    my $w = watcher($lock, $dir);      # inotify, watching when it returns
    my $e = $w->next(SECONDS);         # { mask => 'DELETE', isdir => 1, path => $dir, name => 'x.lock', at => seconds } or undef
    my @e = $w->until('DELETE', 'x.lock', SECONDS);    # all events up to that one; empty when it does not come
    $w->stop;

    wait_for(sub { ... }, watch => $dir, timeout => 30)    condition, asked again after each event
    wait_readable($fh, SECONDS); wait_dead($pid, SECONDS); wait_mount($path, sub { my ($mount) = @_; ... }, SECONDS)

C<now> is the monotonic clock, the one of C<< $e->{at} >>.

=head1 ENVIRONMENT

LOCKFS_BUILD: build directory (default: build in the sources). LOCKFS_KEEP=1 keeps the temporary directory.
LOCKFS_BINARY: another FUSE program than lockfs. LOCKFS_TEST_NS: set by the library, which runs a test of root in
a mount namespace of its own.

=cut
