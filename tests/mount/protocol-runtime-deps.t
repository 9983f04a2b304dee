# The lock directory around an installation, with owner.json, removed whole by contenders (tests/node/runtime-deps.js).
use v5.30;
use warnings;
use Lockfs::Holder ();
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

my $lock = Lockfs::Protocol->new(program => 'runtime-deps', lock => '.openclaw-runtime-deps.lock', kind => 'dir');
$lock->works;
$lock->number_is_used_again;
$lock->killed_before_its_record(30_000);
$lock->same_number_in_the_next_container;
$lock->other_container;
$lock->eperm_is_dead;
$lock->age_limit(10 * 60_000, rules => ['age-limit']);
$lock->judged_then_removed;

$lock->situation('a living holder that is slow to write who it is', sub {
    my ($path, $on_lockfs) = @_;
    my $holder = $lock->hold($path, PAUSE => 'made');
    is $holder->{said}, 'at made', 'has made the lock';
    my $contender = $lock->hold($path, LATER_MS => 31_000);
    is $contender->{said}, $on_lockfs ? 'busy' : 'held', 'a contender after 30 s';
    $contender->close_pipes;
    $contender->wait;
    $holder->send('');
    my $said = $holder->recv // 'nothing, it failed';
    is $said, $on_lockfs ? 'held' : 'nothing, it failed', 'the holder goes on';
    is Lockfs::Holder::let_go($holder), 'exit 0', 'and releases' if $on_lockfs;
    $holder->wait if !$on_lockfs;
});

subtest 'a contender that is refused has deleted nothing' => sub {
    my $path = "$lock->{dir}{lockfs}/$lock->{lock}";
    my $holder = $lock->hold($path);
    is $lock->try($path, rules => ['age-limit'], LATER_MS => 601_000), 'busy: refused EBUSY', 'refused';
    ok -s "$path/owner.json", 'owner.json is whole';
    is Lockfs::Holder::let_go($holder), 'exit 0', 'the holder releases';
};

$lock->done;
done_testing;
