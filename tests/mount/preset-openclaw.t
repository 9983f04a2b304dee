# The preset openclaw, at the places and with the kinds of lock that the program has below its state directory.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

# The preset is the last word: even where everything is said to be data.
my $options = 'data=**,preset=openclaw';
my @locks = (
    [ 'session',      'agents/main/sessions/abc.jsonl.lock',                         'file' ],
    [ 'session',      'agents/main/sessions/sessions.json.lock',                     'file' ],
    [ 'onboard',      'gateway.1f2e3d4c.lock',                                       'file' ],
    [ 'runtime-deps', 'plugin-runtime-deps/openclaw-1/.openclaw-runtime-deps.lock',   'dir' ],
    [ 'runtime-deps', 'plugin-runtime-deps/openclaw-1/.openclaw-runtime-mirror.lock', 'dir' ],
);
for my $case (@locks) {
    my ($program, $path, $kind) = @$case;
    subtest $path => sub {
        my $lock = Lockfs::Protocol->new(program => $program, lock => $path, kind => $kind, options => $options, rules => ['no-starttime']);
        $lock->works;
        $lock->number_is_used_again;
        $lock->same_number_in_the_next_container;
        $lock->judged_then_removed;
        $lock->done;
    };
}

subtest 'what lies beside them' => sub {
    my $lock = Lockfs::Protocol->new(program => 'session', lock => 'x.jsonl.lock', options => 'preset=openclaw');
    $lock->keeps(excl => 'agents/main/sessions/abc.jsonl', 'openclaw.json', 'gateway.1f2e3d4c.lock.sqlite', 'gateway.1f2e3d4c.lock.sqlite-wal',
        'credentials/oauth.json', 'plugin-runtime-deps/openclaw-1/node_modules/yarn.lock');
    $lock->keeps(mkdir => 'agents/other', 'locks');
    $lock->heals(excl => 'exec-approvals.json.lock', '.backup.lock');
    $lock->done;
};
done_testing;
