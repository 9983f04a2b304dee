# LockFile::Simple makes its lock without O_EXCL, and looks what it has read back; the preset makes that exclusive.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;
use Lockfs::Program;

need_root;
need_fuse;
plan skip_all => 'needs the perl module LockFile::Simple' if run([ $^X, '-MLockFile::Simple', '-e1' ])->{status} ne 'exit 0';

my $at = places('lockfile-simple');
my $program = script(<<'END');
use LockFile::Simple;
my ($stale, $lock) = @ARGV;
my $file = $lock =~ s/\.lock$//r;
my $locker = LockFile::Simple->make(-max => 1, -delay => 1, -hold => 0, -stale => $stale, -wfunc => undef, -efunc => undef);
$| = 1;
$locker->lock($file) or print "busy\n" and exit 1;
print "held\n";
<STDIN>;
$locker->unlock($file) and print "released\n";
END
my @never = ($^X, $program, 0);
my @judge = ($^X, $program, 1);

subtest 'a program that never judges' => sub { holds_well(\@never, %$at) };

subtest 'a program that looks for the pid, which is used again' => sub {
    for my $dir ($at->{bare}, $at->{on}) {
        my $holder = hold([ @judge, "$dir/x.lock" ]);
        is $holder->{said}, 'held', 'takes the lock';
        is try_once([ @judge, "$dir/x.lock" ]), 'busy', 'the next one does not';
        $holder->kill9;
        my $said = reuse_pid($holder->pid, sub { try_once([ @judge, "$dir/x.lock" ]) });
        is $said, $dir eq $at->{on} ? 'held' : 'busy', $dir eq $at->{on} ? 'gone all the same' : 'bare: taken for the holder';
    }
};

is_deeply [ client()->list($at->{on}) ], [], 'nothing is left in the directory';
done_testing;
