# borg and restic: a backup that was killed does not stop the next one.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(borg restic));

%ENV = (%ENV, HOME => temp_path('home'), RESTIC_PASSWORD => 'secret', BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK => 'yes');
mkdir $ENV{HOME};

# ---- borg: a directory, renamed to lock.exclusive. A dead pid of this host is noticed, one that lives again is not.

my $borg = places('borg');
my @borg = ('borg', '--lock-wait', '0');
heals 'borg with-lock, the pid is used again', $borg,
    set_up => sub { my ($dir) = @_; must([ 'borg', 'init', '-e', 'none', "$dir/repo" ]) },
    hold => sub { my ($dir, $pause) = @_; return paused($pause, [ @borg, 'with-lock', "$dir/repo", $pause->{script} ]) },
    lock => 'repo/lock.exclusive',
    next => sub { my ($dir) = @_; return [ @borg, 'create', "$dir/repo\::{now:%s%f}", $0 ] },
    busy => qr/^exit 2: .*Failed to create\/acquire the lock/s,
    recycled => 1,
    sound => sub { my ($dir) = @_; is outcome([ @borg, 'check', "$dir/repo" ]), 'exit 0: ', 'the repository is sound' };

undisturbed 'a week with borg', $borg, <<'END';
mkdir files && echo 1 >files/a && export BORG_BASE_DIR=$PWD/base && borg init -e none repo
for day in 1 2; do echo $day >>files/a; borg create repo::day-$day files; done
borg delete repo::day-1 && borg compact repo && borg rename repo::day-2 last
borg extract --stdout repo::last files/a && borg list --short repo
END

# ---- restic: a file for each process, renamed into locks/. Nobody but a person takes away those of the dead.

my $restic_lock = 'repo/locks/' . '?' x 64;
my @restic = ('restic', '--no-cache', '-q');
my $restic = places('restic');
heals 'restic backup of a stream', $restic,
    set_up => sub { my ($dir) = @_; must([ @restic, 'init', '-r', "$dir/repo" ]) },
    hold => sub { my ($dir) = @_; return makes("$dir/$restic_lock", [ @restic, '-r', "$dir/repo", 'backup', '--stdin' ]) },
    lock => $restic_lock,
    next => sub { my ($dir) = @_; return [ @restic, '-r', "$dir/repo", 'check' ] },
    busy => qr/^exit 1: .*repository is already locked/s;

undisturbed 'a week with restic', $restic, <<'END';
mkdir files && echo 1 >files/a && export RESTIC_REPOSITORY=$PWD/repo RESTIC_CACHE_DIR=$PWD/cache && restic -q init
for day in 1 2; do echo $day >>files/a; restic -q backup files; done
restic -q forget --keep-last 1 --prune && restic -q dump latest files/a
ls repo/locks repo/snapshots | wc -l
END

done_testing;
