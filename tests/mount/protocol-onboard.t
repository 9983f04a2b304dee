# An installer's lock file, O_EXCL, JSON, the descriptor kept and compared at the end (tests/node/onboard.js).
use v5.30;
use warnings;
use Lockfs::Holder ();
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

my $lock = Lockfs::Protocol->new(program => 'onboard', lock => 'onboard.lock', kind => 'file');
$lock->works;
$lock->number_is_used_again;
$lock->killed_before_its_record;
$lock->same_number_in_the_next_container;
$lock->other_container;
$lock->eperm_is_dead;
$lock->judged_then_removed;

# What the comparison at the end is for: without it a holder that was robbed robs the next one.
$lock->situation('a holder that has lost its lock releases', sub {
    my ($path, $on_lockfs) = @_;
    my $holder = $lock->hold($path, rules => ['unchecked-release']);
    my $thief = $lock->hold($path, rules => ['eperm-is-dead'], user => unprivileged);
    is $thief->{said}, $on_lockfs ? 'busy' : 'held', 'a contender that thinks the holder dead';
    is Lockfs::Holder::let_go($holder), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the holder at its end';
    my $third = $lock->hold($path);
    is $third->{said}, 'held', $on_lockfs ? 'the next one' : 'there is a third owner beside the second';
    is Lockfs::Holder::let_go($third), 'exit 0', 'which releases';
    $thief->close_pipes;
    $thief->wait;
});

# The inode number of a lock is never used again, so that comparison cannot be deceived.
subtest 'inode numbers' => sub {
    my ($path, $one) = ($lock->{dir}{lockfs} . '/onboard.lock', client());
    my %seen;
    for my $round (1 .. 20) {
        expect ok => $one, 'excl', $path;
        $seen{ $one->stat($path)->{ino} }++;
        $round % 2 ? expect ok => $one, 'unlink', $path : $one->kill9;
        $one = client() if $round % 2 == 0;
    }
    is keys %seen, 20, 'one for each lock';
};

$lock->done;
done_testing;
