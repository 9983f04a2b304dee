# A registry's lock directory with an owner file and a limit of 10 s (tests/node/registry.js).
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

my $lock = Lockfs::Protocol->new(program => 'registry', lock => 'sandboxes.json.lock', kind => 'dir');
$lock->works;
$lock->number_is_used_again;
$lock->killed_before_its_record(10_000);
$lock->same_number_in_the_next_container;
$lock->other_container;
$lock->eperm_is_dead;
$lock->age_limit(10_000);
$lock->age_of_the_entry(10_000);
$lock->judged_then_removed;
$lock->done;
done_testing;
