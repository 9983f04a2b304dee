# Mercurial and Breezy: whoever is killed in its editor, holding the locks of a repository, does not stop the next commit.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(hg brz));

my $home = temp_path('home');
mkdir $home;
%ENV = (%ENV, HOME => $home, HGUSER => 'A <a@example.org>', BRZ_EMAIL => 'A <a@example.org>', BRZ_LOG => '/dev/null',
    BRZ_PROGRESS_BAR => 'none');

# ---- Mercurial: symbolic links to HOST/NAMESPACE:PID. A dead pid of this host is noticed, one that lives again is not.

my $hg = places('mercurial');
my @hg = ('hg', '--config', 'ui.timeout=0');
my $hg_busy = qr/^exit \d+: .*(timed out waiting for lock|lock) .*held by/s;
my %hg = (
    set_up => sub {
        my ($dir) = @_;
        must([ 'hg', 'init', $dir ]);
        put("$dir/file", "1\n");
        must([ 'hg', '-R', $dir, 'commit', '-qA', '-m', 'first' ]);
    },
    next  => sub { my ($dir) = @_; return [ @hg, '-R', $dir, 'commit', '-q', '--config', 'ui.allowemptycommit=1', '-m', 'next' ] },
    busy  => $hg_busy,
    sound => sub { my ($dir) = @_; is run([ 'hg', '-R', $dir, 'verify', '-q' ])->{status}, 'exit 0', 'the repository is sound' },
);
my $in_editor = sub {
    my ($dir, $pause, @under) = @_;
    return paused($pause, [ @under, @hg, '-R', $dir, '--config', "ui.editor=$pause->{script}", 'commit', '-e', '-m', 'held',
        '--config', 'ui.allowemptycommit=1' ]);
};
heals 'hg commit in its editor, the pid is used again', $hg, %hg,
    hold => $in_editor, lock => [ '.hg/wlock', '.hg/store/lock' ], recycled => 1;
heals 'hg in a hook, the pid is used again', $hg, %hg,
    hold => sub {
        my ($dir, $pause) = @_;
        return paused($pause, [ @hg, '-R', $dir, '--config', "hooks.pretxncommit=$pause->{script}", '--config',
            'ui.allowemptycommit=1', 'commit', '-m', 'held' ]);
    },
    lock => [ '.hg/wlock', '.hg/store/lock' ], recycled => 1,
    next => sub {
        my ($dir) = @_;
        return [ 'sh', '-c', "@hg -q -R $dir recover; exec \"\$@\"", 'sh', @{ $hg{next}->($dir) } ];
    };

# ---- Breezy: directories, renamed to lock/held. A dead pid of this host is noticed, one that lives again is not.

my $brz = places('breezy');
my %brz = (
    set_up => sub {
        my ($dir) = @_;
        must([ 'brz', 'init', '-q', $dir ]);
        put("$dir/file", "1\n");
        must([ 'brz', 'add', '-q', "$dir/file" ]);
        must([ 'brz', 'commit', '-q', '-m', 'first', $dir ]);
    },
    next  => sub { my ($dir) = @_; return [ 'brz', 'tag', '--force', '-d', $dir, 'next' ] },
    until => qr/Unable to obtain lock/,
    busy  => qr/^running: .*Unable to obtain lock/s,
    sound => sub { my ($dir) = @_; is run([ 'brz', 'check', '-q', $dir ])->{status}, 'exit 0', 'the repository is sound' },
);
heals 'brz commit in its editor, the pid is used again', $brz, %brz,
    hold => sub {
        my ($dir, $pause) = @_;
        return paused($pause, [ 'brz', 'commit', '-q', '--unchanged', $dir ], env => { BRZ_EDITOR => $pause->{script} });
    },
    lock => [ '.bzr/branch/lock/held', '.bzr/checkout/lock/held' ], recycled => 1;

done_testing;
