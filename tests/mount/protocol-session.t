# The lock file beside a session's transcript, with pid and start time (tests/node/session.js).
use v5.30;
use warnings;
use Lockfs::Holder ();
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

my $half_an_hour = 30 * 60_000;

my $before = Lockfs::Protocol->new(program => 'session', lock => 'main.jsonl.lock', kind => 'file', rules => ['no-starttime']);
$before->works;
$before->number_is_used_again;
$before->killed_before_its_record($half_an_hour);
$before->same_number_in_the_next_container;
$before->other_container;
$before->eperm_is_dead;
$before->age_limit($half_an_hour);
$before->judged_then_removed;
$before->done;

# The start time mends the number that is used again on one machine; among containers it makes things worse: whoever has
# the number there has started at another time.
my $after = Lockfs::Protocol->new(program => 'session', lock => 'main.jsonl.lock', kind => 'file');
$after->works;
$after->situation('with start times: the process of that number in another container', sub {
    my ($path, $on_lockfs) = @_;
    my $holder = $after->hold_in_container($path, host => 'one');
    is $holder->{said}, 'held', 'process 7 of a container';
    is $after->try_in_container($path, host => 'two'), $on_lockfs ? 'busy: refused EBUSY' : 'held, exit 0', 'process 7 of another';
    is Lockfs::Holder::let_go($holder), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the holder at its end';
});
$after->age_limit($half_an_hour);
$after->judged_then_removed;
$after->done;
done_testing;
