# Breezy: directories, renamed to lock/held. A dead pid of this host is noticed, one that lives again is not.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program('brz');

%ENV = (%ENV, HOME => temp_path('home'), BRZ_EMAIL => 'A <a@example.org>', BRZ_LOG => '/dev/null', BRZ_PROGRESS_BAR => 'none');
mkdir $ENV{HOME};

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

undisturbed 'a day with brz', $brz, <<'END';
brz init-shared-repository -q shared && brz init -q shared/trunk && cd shared/trunk
echo 1 >file && brz add -q && brz commit -q -m first && brz branch -q . ../topic
cd ../topic && echo topic >other && brz add -q && brz commit -q -m topic
cd ../trunk && echo trunk >>file && brz commit -q -m trunk && brz merge -q ../topic && brz commit -q -m merge
brz tag -q v1 && brz push -q ../../pushed && brz pack -q && brz uncommit -q --force >/dev/null
brz check -q && brz log --line
END

done_testing;
