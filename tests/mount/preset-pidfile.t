# The preset pidfile: a server that finds its own pid file and somebody with that pid does not start; on lockfs it does.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

for my $path ('server.pid', 'tmp/pids/server.pid', 'app/tmp/pids/puma') {
    subtest $path => sub {
        my $lock = Lockfs::Protocol->new(program => 'pid-file', lock => $path, kind => 'file', options => 'preset=pidfile');
        $lock->works;
        $lock->number_is_used_again;
        $lock->killed_before_its_record;
        $lock->same_number_in_the_next_container;
        $lock->other_container;
        $lock->judged_then_removed;
        $lock->done;
    };
}

subtest 'what lies beside them' => sub {
    my $lock = Lockfs::Protocol->new(program => 'pid-file', lock => 'x.pid', options => 'preset=pidfile');
    $lock->heals(excl => 'postmaster.pid', 'run/.hidden.pid', 'tmp/pids/sidekiq-0.pid');
    $lock->keeps(excl => 'tmp/pids/.keep', 'tmp/pids/#server.pid#', 'tmp/pids/data-journal', 'tmp/pids/db.sqlite-wal', 'tmp/pids/server.log',
        'tmp/pids/server.pid~', 'server.pid.bak', 'pids/server');
    $lock->done;
};

# A start script writes the pid with the shell, which is no exclusive create: data, as everywhere.
subtest 'a pid file that is simply written' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'preset=pidfile');
    is run([ 'sh', '-c', 'echo $$ >started.pid' ], cwd => $m->path)->{status}, 'exit 0', 'written';
    ok -s $m->path . '/started.pid', 'stays';
    is $m->umount, 'exit 0', 'unmounted';
};
done_testing;
