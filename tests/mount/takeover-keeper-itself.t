# The keeper: small, told apart from its worker, hard to kill by accident.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(slurp worker_of);

need_root;
need_fuse;


sub line { my ($file) = @_; return slurp($file) =~ s/\n\z//r }

# May this machine's root lower the score at all?
sub lowest_score {
    my $child = spawn(sub {
        $| = 1;
        open my $fh, '>', '/proc/self/oom_score_adj' or die;
        say syswrite($fh, '-1000') ? -1000 : line('/proc/self/oom_score_adj');
    });
    my $score = $child->recv;
    $child->wait;
    return $score;
}

my $given = line('/proc/self/oom_score_adj');
my $m     = mount_lockfs();
my ($p, $c, $keeper) = ($m->path, client(), $m->pid);
expect ok => $c, 'mkdir', "$p/x.lock";
my $worker = worker_of($keeper);

sub is_itself {
    my ($keeper, $worker) = @_;
    is line("/proc/$keeper/comm"), 'lockfs-keeper', 'the keeper by name';
    is line("/proc/$worker/comm"), 'lockfs',        'the worker by name';
    is line("/proc/$keeper/oom_score_adj"), lowest_score(), 'the last to go when memory runs out';
    is line("/proc/$worker/oom_score_adj"), $given, 'the worker is as it was to be';
}

subtest 'as it starts' => sub { is_itself($keeper, $worker) };

subtest 'it takes no memory to speak of' => sub {
    my %kib = slurp("/proc/$keeper/smaps_rollup") =~ /^(\w+):\s+(\d+) kB/mg;
    my $own = $kib{Private_Dirty} + ($kib{Swap} // 0);
    cmp_ok $own, '<', 1024, "$own KiB of its own; Rss $kib{Rss}, Pss $kib{Pss}";
};

subtest 'what a terminal or a log does to its processes' => sub {
    for my $signal (qw(TSTP TTIN TTOU PIPE)) {
        CORE::kill($signal, $keeper, $worker);
        expect EEXIST => $c, 'mkdir', "$p/x.lock";
        unlike line("/proc/$_/stat"), qr/\) T/, "SIG$signal: not stopped" for $keeper, $worker;
    }
    is worker_of($keeper), $worker, 'the same worker';
};

subtest 'the worker in its place' => sub {
    $m->kill('KILL');
    $m->wait_end;
    my $end = now() + 20;
    $c->do('stat', $p) until worker_of($worker) || now() > $end;
    expect EEXIST => $c, 'mkdir', "$p/x.lock";
    is_itself($worker, worker_of($worker));
    expect ok => $c, 'rmdir', "$p/x.lock";
    my $pidfd = Lockfs::Sys::pidfd_open($worker);
    ok(($m->try_umount)[0], 'unmounted');
    ok Lockfs::Sys::wait_readable($pidfd, 20), 'it ends';
};

done_testing;
