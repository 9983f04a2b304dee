# CVS and RCS: neither looks whether the one that it waits for is still there.
use v5.30;
use warnings;
use POSIX ();
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(cvs rcs ci co rlog));

%ENV = (%ENV, HOME => temp_path('home'), LOGNAME => 'root', CVSEDITOR => 'true');
mkdir $ENV{HOME};

# ---- CVS: a directory #cvs.lock, and files of readers and writers

my $cvs = places('cvs');
my $serial = 0;

my %cvs = (
    set_up => sub {
        my ($dir) = @_;
        mkdir "$dir/import";
        put("$dir/import/file", "1\n");
        must([ 'cvs', '-d', "$dir/root", 'init' ]);
        must([ 'cvs', '-Q', '-d', "$dir/root", 'import', '-m', 'first', 'mod', 'v', 'r' ], cwd => "$dir/import");
        must([ 'cvs', '-Q', '-d', "$dir/root", 'checkout', 'mod' ], cwd => $dir);
    },
    next => sub {
        my ($dir) = @_;
        rename_onto("$dir/root/CVSROOT/$_", sub { put($_[0], '') }) for qw(commitinfo history);
        return ([ 'cvs', '-Q', 'commit', '-f', '-m', 'next', 'file' ], cwd => "$dir/mod");
    },
    busy  => qr/^running: .*waiting for root's lock/s,
    until => qr/waiting for root's lock/,
    sound => sub { my ($dir) = @_; is outcome([ 'cvs', '-Q', 'update' ], cwd => "$dir/mod"), 'exit 0: ', 'the repository is sound' },
);

# Something else in this place; who has the old one open goes on with that.
sub rename_onto { my ($path, $make) = @_; $make->("$path.new"); rename "$path.new", $path or die "$path: $!\n" }

heals 'cvs commit that is being checked', $cvs, %cvs,
    hold => sub {
        my ($dir, $pause) = @_;
        put("$dir/root/CVSROOT/commitinfo", "ALL $pause->{script} %p\n");
        return paused($pause, [ 'cvs', '-Q', 'commit', '-f', '-m', 'held', 'file' ], cwd => "$dir/mod");
    },
    lock => 'root/mod/#cvs.pfl.*';

# The history is a fifo which nobody reads: CVS waits there with all its locks, and cannot seek when it goes on.
heals 'cvs commit that is being noted down', $cvs, %cvs,
    hold => sub {
        my ($dir) = @_;
        my $fifo = temp_path('history-' . ++$serial);
        POSIX::mkfifo($fifo, 0600) or die "$fifo: $!\n";
        rename_onto("$dir/root/CVSROOT/history", sub { symlink $fifo, $_[0] });
        my @commit = ('cvs', '-Q', 'commit', '-f', '-m', 'held', 'file');
        my $holder = makes("$dir/root/CVSROOT/#cvs.history.lock", \@commit, cwd => "$dir/mod");
        $holder->{go_on} = sub { open $holder->{history}, '+<', $fifo or die "$fifo: $!\n" };
        return $holder;
    },
    lock => [ 'root/mod/#cvs.lock', 'root/mod/#cvs.wfl.*', 'root/CVSROOT/#cvs.history.lock' ],
    ends => qr/^exit 1/;

undisturbed 'a day with cvs', $cvs, <<'END';
export CVSROOT=$PWD/root && cvs init && mkdir import && echo 1 >import/file
(cd import && cvs -Q import -m first mod v r) && cvs -Q checkout mod && cvs -Q checkout -d second mod
cd mod && echo 2 >>file && echo new >new && cvs -Q add new && cvs -Q commit -m second && cvs -Q tag v2 && cvs -Q tag -b topic
cd ../second && cvs -Q update && cvs -Q update -r topic && echo topic >>file && cvs -Q commit -m topic
cd ../mod && cvs -Q update -j topic >/dev/null && cvs -Q commit -m merged && cvs -Q rtag v3 mod && cvs -Q admin -o1.1:: file 2>&- || :
cat file && cvs -Q status | grep Status
END

# ---- RCS: ,file, is the next file,v

my $rcs = places('rcs');
heals 'ci that waits for its message', $rcs,
    set_up => sub {
        my ($dir) = @_;
        mkdir "$dir/RCS";
        put("$dir/file", "1\n");
        must([ 'ci', '-q', '-l', '-t-text', '-mfirst', 'file' ], cwd => $dir);
    },
    hold => sub { my ($dir) = @_; return makes("$dir/RCS/,file,", [ 'ci', '-f', '-l', 'file' ], cwd => $dir) },
    lock => 'RCS/,file,',
    next => sub { my ($dir) = @_; return ([ 'rcs', '-q', '-m1.1:next', 'file' ], cwd => $dir) },
    busy => qr/^exit 1: .*RCS file .* is in use/s,
    sound => sub { my ($dir) = @_; like outcome([ 'rlog', 'file' ], cwd => $dir), qr/^exit 0: .*\nnext\n/s, 'the history is sound' };

undisturbed 'a day with RCS', $rcs, <<'END';
mkdir RCS && echo 1 >file && ci -q -u -t-text -mfirst file
for i in 2 3; do co -q -l file && echo $i >>file && ci -q -u -m"commit $i" file; done
co -q -l file && rcsdiff -q file && rcs -q -u file && rcs -q -nv1:1.2 file && rcsclean -q file && co -q -rv1 file && cat file
rlog file | grep -c ^revision
END

done_testing;
