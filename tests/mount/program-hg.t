# Mercurial: symbolic links to HOST/NAMESPACE:PID. A dead pid of this host is noticed, one that lives again is not.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(hg unshare));

%ENV = (%ENV, HOME => temp_path('home'), HGUSER => 'A <a@example.org>');
mkdir $ENV{HOME};

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
heals 'hg in a hook, in a container of another name', $hg, %hg,
    hold => sub {
        my ($dir, $pause) = @_;
        return paused($pause, [ @hg, '-R', $dir, '--config', "hooks.pretxncommit=$pause->{script}", '--config',
            'ui.allowemptycommit=1', 'commit', '-m', 'held' ]);
    },
    lock => [ '.hg/wlock', '.hg/store/lock' ],
    next => sub {
        my ($dir) = @_;
        return [ 'unshare', '--uts', 'sh', '-c', "hostname new; [ ! -e $dir/.hg/store/journal ] || @hg -q -R $dir recover; exec \"\$@\"", 'sh', @{ $hg{next}->($dir) } ];
    };

undisturbed 'a day with hg', $hg, <<'END';
hg init origin && cd origin && echo 1 >file && hg commit -q -A -m first -d '1 0'
hg clone -q . ../clone && cd ../clone && echo here >file-2 && hg commit -q -A -m here -d '2 0' && hg push -q
cd ../origin && echo there >>file && hg commit -q -m there -d '3 0'
cd ../clone && hg pull -q && hg merge -q && hg commit -q -m merge -d '4 0' && hg bookmark topic && hg tag -d '5 0' v1
hg --config extensions.strip= strip -q --no-backup tip && hg verify -q && hg log -T '{rev} {node|short} {desc} {tags}\n'
END

done_testing;
