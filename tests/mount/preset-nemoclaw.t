# The preset nemoclaw: the registry's and the host's lock directories, the onboarding lock file; and the locks that are
# meant to outlive their holder.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

my $options = 'data=**,preset=nemoclaw';
my @locks = (
    [ 'registry', 'sandboxes.json.lock',          'dir' ],
    [ 'registry', '.nemoclaw-portable-host.lock', 'dir' ],
    [ 'onboard',  'onboard.lock',                 'file' ],
);
for my $case (@locks) {
    my ($program, $path, $kind) = @$case;
    subtest $path => sub {
        my $lock = Lockfs::Protocol->new(program => $program, lock => $path, kind => $kind, options => $options);
        $lock->works;
        $lock->number_is_used_again;
        $lock->same_number_in_the_next_container;
        $lock->age_limit(10_000) if $program eq 'registry';
        $lock->judged_then_removed;
        $lock->done;
    };
}

subtest 'what lies beside them' => sub {
    my $lock = Lockfs::Protocol->new(program => 'registry', lock => 'x.lock', options => 'preset=nemoclaw');
    $lock->keeps(excl => 'mcp-lifecycle-locks/box.lock', 'sub/mcp-lifecycle-locks/box.lock', 'sandboxes.json', 'onboard-session.json');
    $lock->keeps(mkdir => 'mcp-lifecycle-locks/dir.lock', 'backups');
    $lock->done;
};
done_testing;
