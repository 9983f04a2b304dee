# Python: O_EXCL by hand, mkdir in a thread, the SoftFileLock of filelock, and what lockfile has.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_program('python3');

# The first one that has the modules: Debian's may not be the first in PATH.
my ($python) = grep { -x && run([ $_, '-c', 'import filelock, lockfile, flufl.lock' ])->{status} eq 'exit 0' }
    map { "$_/python3" } split(/:/, $ENV{PATH}), '/usr/bin';
plan skip_all => 'needs the python modules filelock, lockfile and flufl.lock' if !$python;

my $m = mount_lockfs(source => 'tmpfs');
my $p = $m->path;
my $bare = temp_path('bare');
mkdir $bare;

my $frame = <<'END';
import os, sys
lock = sys.argv[1]
def hold(take, drop, busy=FileExistsError):
    try:
        take()
    except busy:
        print('busy')
        sys.exit(1)
    print('held', flush=True)
    sys.stdin.readline()
    drop()
    print('released')
END

my %programs = (
    'os.open with O_EXCL' => <<'END',
hold(lambda: os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)), lambda: os.unlink(lock))
END
    'open with mode x, pid inside' => <<'END',
def take():
    with open(lock, 'x') as f:
        f.write(str(os.getpid()))
hold(take, lambda: os.unlink(lock))
END
    'a descriptor that is kept and locked' => <<'END',
import fcntl
def take():
    global fd
    fd = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(fd, b'mine')
def drop():
    assert os.fstat(fd).st_ino == os.stat(lock).st_ino
    os.unlink(lock)
hold(take, drop)
END
    'os.mkdir' => 'hold(lambda: os.mkdir(lock), lambda: os.rmdir(lock))',
    'os.symlink' => 'hold(lambda: os.symlink(str(os.getpid()), lock), lambda: os.unlink(lock))',
    'os.link of a temporary file' => <<'END',
import tempfile
def take():
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(lock)) as f:
        os.link(f.name, lock)
        assert os.stat(lock).st_nlink == 2
hold(take, lambda: os.unlink(lock))
END
    'os.mkdir in a thread that has ended' => <<'END',
import concurrent.futures
def take():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(os.mkdir, lock).result()
hold(take, lambda: os.rmdir(lock))
END
    'mkdir as a program' => <<'END',
import subprocess
def run(*argv):
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
hold(lambda: run('mkdir', lock), lambda: run('rmdir', lock), subprocess.CalledProcessError)
END
    'Lock of flufl.lock' => <<'END',
import flufl.lock
l = flufl.lock.Lock(lock)
hold(lambda: l.lock(timeout=0), l.unlock, flufl.lock.TimeOutError)
END
    'SoftFileLock of filelock' => <<'END',
import filelock
l = filelock.SoftFileLock(lock)
hold(lambda: l.acquire(timeout=0), l.release, filelock.Timeout)
END
);

# Those of the module lockfile by what they make; without FILE, but PIDLockFile, they take FILE.lock.
my %classes = (mkdir => 'MkdirLockFile', link => 'LinkLockFile', symlink => 'SymlinkLockFile', pid => 'PIDLockFile');
for my $module (sort keys %classes) {
    my $path = $module eq 'pid' ? 'lock' : 'lock[:-len(".lock")]';
    $programs{"$classes{$module} of lockfile"} = <<"END";
import lockfile
from lockfile.${module}lockfile import $classes{$module}
l = $classes{$module}($path)
hold(lambda: l.acquire(timeout=-1), l.release, lockfile.AlreadyLocked)
END
}

for my $name (sort keys %programs) {
    my $text = $programs{$name};
    my $program = script("$frame$text");
    subtest $name => sub { holds_well([ $python, $program ], on => $p, bare => $bare) };
}

subtest 'FileLock of filelock is flock(2)' => sub {
    my @argv = ($python, script(<<"END"), "$p/x.lock");
${frame}import filelock
l = filelock.FileLock(lock)
hold(lambda: l.acquire(timeout=0), l.release, filelock.Timeout)
END
    my $holder = hold(\@argv);
    is $holder->{said}, 'held', 'takes the lock';
    is try_once(\@argv), 'busy', 'the next one does not';
    $holder->kill9;
    is try_once(\@argv), 'held', 'the next one has it when the holder was killed';
    expect ok => client(), 'unlink', "$p/x.lock";
};

# What LinkLockFile and Lock linked to the lock are files of their own, HOST-THREAD.PID-NUMBER and x.lock|HOST|PID|NUMBER, which
# they remove when they release.
is_deeply [ grep { !/^[^.]+-\w+\.\d+-?\d*$|^x\.lock\|/ } client()->list($p) ], [], 'nothing is left in the directory';
done_testing;
