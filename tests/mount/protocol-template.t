# The lock directory of a template, which names host and pid (tests/node/template.js).
use v5.30;
use warnings;
use Lockfs::Holder ();
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

my $half_an_hour = 30 * 60_000;
my $lock = Lockfs::Protocol->new(program => 'template', lock => 'base.lock', kind => 'dir');
$lock->works;
$lock->number_is_used_again;
$lock->killed_before_its_record($half_an_hour);
$lock->same_number_in_the_next_container;
$lock->other_container(hosts => [ 'app', 'app' ]);
$lock->eperm_is_dead;
$lock->judged_then_removed;

# Hosts of different names: nobody is asked, only the age counts, and that is wrong both ways.
$lock->situation('a holder in a container of another name is killed', sub {
    my ($path, $on_lockfs) = @_;
    my $holder = $lock->hold_in_container($path, host => 'one');
    is $holder->{said}, 'held', 'a holder';
    Lockfs::Protocol::kill_container($holder);
    is $lock->try_in_container($path, host => 'two'), $on_lockfs ? 'held, exit 0' : 'busy: held', 'the next one, at once';
    is $lock->try_in_container($path, host => 'two', LATER_MS => $half_an_hour + 1000), 'held, exit 0', 'half an hour later';
});
$lock->situation('a living one builds for longer than half an hour', sub {
    my ($path, $on_lockfs) = @_;
    my $holder = $lock->hold_in_container($path, host => 'one');
    is $holder->{said}, 'held', 'a holder';
    is $lock->try_in_container($path, host => 'two', LATER_MS => $half_an_hour + 1000),
        $on_lockfs ? 'busy: refused EBUSY' : 'held, exit 0', 'a contender';
    is Lockfs::Holder::let_go($holder), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the holder at its end';
});

$lock->done;
done_testing;
