# owner=cgroup: daemons that fork and leave, a stand-in for a service manager, processes that are moved.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;
use Lockfs::Sys qw(run_quiet worker_of);

need_root;
need_fuse;

my $cgroups = unified_cgroups() or plan skip_all => 'needs a cgroup2 hierarchy';
my $top = "$cgroups/lockfs-scope-$$";
mkdir $top or plan skip_all => "needs a cgroup of its own: $!";
END { if (defined $top && -d $top) { rmdir $_ for (glob "$top/*/*/"), (glob "$top/*/"), $top } }

my $config = temp_path('lockfs.conf');
open my $fh, '>', $config or die;
print {$fh} "[rules units]\nlock=*.lock\nowner=cgroup\n";
close $fh;
my $m = mount_lockfs(source => 'tmpfs', options => "allow_other,config=$config");
my ($p, $other) = ($m->path, client());

sub write_to { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!\n"; syswrite $f, $text or die "$path: $!\n" }
sub group    { my ($name) = @_; mkdir "$top/$name" or die "$top/$name: $!\n"; return "$top/$name" }
sub move     { my ($client, $group) = @_; write_to("$group/cgroup.procs", $client->pid); return $client }

sub held {
    my ($lock) = @_;
    expect EEXIST => $other, 'mkdir', "$p/$lock";
    expect EBUSY  => $other, 'rename', "$p/$lock", "$p/aside";
}

sub gone_unseen {
    my ($lock, $end) = @_;
    my $w = watcher($p);
    $end->();
    ok scalar($w->until('DELETE', $lock, 20)), "$lock: gone, and nobody looked";
    is $other->stat("$p/$lock"), 'ENOENT', "$lock: gone";
    $w->stop;
}

subtest 'a daemon that forks twice and leaves' => sub {
    my $unit    = group('unit');
    my $starter = move(client(), $unit);
    expect ok => $starter, 'mkdir', "$p/x.lock";
    my $daemon = $starter->fork_client(detach => 1, setsid => 1);
    $starter->stop;
    held('x.lock');
    expect ok => $daemon, 'put', "$p/x.lock/pid", $daemon->pid;
    expect ok => $daemon, 'utimens', "$p/x.lock", 1e9, 1e9;
    ok $other->stat("$p/x.lock")->{mtime} > 1e18, 'it looks fresh';
    my $worker = $daemon->fork_client(detach => 1, setsid => 1);
    $daemon->kill('KILL');
    $daemon->wait_dead;
    held('x.lock');
    gone_unseen('x.lock', sub { $worker->kill('KILL') });
    rmdir $unit or diag "$unit: $!";
};

subtest 'a service that is started again and again' => sub {
    my $unit = group('unit');
    for my $turn (1 .. 3) {
        my $service = move(client(), $unit);
        expect ok => $service, 'excl', "$p/service.lock";
        my @children = map { $service->fork_client(detach => 1) } 1 .. 3;
        expect ok     => $children[0], 'put', "$p/service.lock", "turn $turn";
        expect EEXIST => $children[1], 'excl', "$p/service.lock";
        $service->kill9;
        held('service.lock');
        gone_unseen('service.lock', sub { write_to("$unit/cgroup.kill", 1) });
    }
    rmdir $unit or diag "$unit: $!";
};

subtest 'members below' => sub {
    my $unit  = group('unit');
    my $inner = group('unit/inner');
    my ($one, $two, $away) = (move(client(), $unit), move(client(), $inner), move(client(), group('away')));
    expect ok    => $one,  'mkdir', "$p/x.lock";
    expect EBUSY => $away, 'rmdir', "$p/x.lock";
    expect ok    => $two,  'mkdir', "$p/x.lock/by-family";
    $one->kill9;
    held('x.lock');
    expect ok => $two, 'mkdir', "$p/y.lock";
    my $three = move(client(), $unit);
    expect EBUSY => $three, 'rmdir', "$p/y.lock";
    $three->stop;
    gone_unseen('x.lock', sub { $two->kill9 });
    is $other->stat("$p/y.lock"), 'ENOENT', 'what was taken below as well';
    $away->stop;
    rmdir for $inner, $unit, "$top/away";
};

subtest 'moved to another cgroup' => sub {
    my ($from, $to) = (group('from'), group('to'));
    my $one = move(client(), $from);
    expect ok => $one, 'mkdir', "$p/x.lock";
    move($one, $to);
    held('x.lock');
    rmdir $from or diag "$from: $!";
    held('x.lock');
    gone_unseen('x.lock', sub { $one->kill9 });

    my ($two, $three) = map { move(client(), $_) } $to, group('from');
    expect ok => $two, 'mkdir', "$p/y.lock";
    move($two, $from);
    move($three, $to);
    $two->kill9;
    held('y.lock');
    expect ok => $three, 'mkdir', "$p/y.lock/by-family";
    gone_unseen('y.lock', sub { move($three, $from) });
    $three->stop;
    rmdir for $from, $to;
};

subtest 'moved, and then the worker is killed, or the mount is made anew' => sub {
    my ($from, $to, $home) = map { group($_) } qw(from to home);
    my $stays = move(client(), $home);
    my $one   = move(client(), $from);
    expect ok => $stays, 'mkdir', "$p/stays.lock";
    expect ok => $one,   'mkdir', "$p/moved.lock";
    $stays->fork_client(detach => 1);    # outlives it
    move($one, $to);
    for my $turn (1, 2) {
        kill 'KILL', worker_of($m->pid);
        held($_) for 'moved.lock', 'stays.lock';
        $stays->kill9 if $turn == 1;
    }
    $other->stop;
    is $m->umount, 'exit 0', 'unmounted';
    $m = mount_lockfs(source => $m->source, options => "allow_other,config=$config");
    ($p, $other) = ($m->path, client());
    held($_) for 'moved.lock', 'stays.lock';
    kill 'KILL', worker_of($m->pid);
    gone_unseen('moved.lock', sub { $one->kill9 });
    held('stays.lock');
    gone_unseen('stays.lock', sub { write_to("$home/cgroup.kill", 1) });
    rmdir for $from, $to, $home;
};

subtest 'a container with a cgroup of its own' => sub {
    need_program('crun', 'busybox');
    my $unit = group('unit');
    chmod 0777, $p;
    for my $userns (undef, first_uid) {
        my $c      = container(binds => { '/state' => $p }, pid => 7, into => $unit, userns => $userns);
        my $entered = exec_client($c);
        expect ok    => $c, 'mkdir', '/state/x.lock';
        expect EBUSY => $entered, 'rmdir', '/state/x.lock';
        my $daemon = $c->fork_client(detach => 1, setsid => 1);
        expect ok => $daemon, 'mkdir', '/state/y.lock';
        $daemon->kill('KILL');
        $daemon->wait_dead;
        held('y.lock');
        expect ok => $c, 'rmdir', '/state/y.lock';
        $entered->stop;
        gone_unseen('x.lock', sub { $c->kill_init });
    }
    rmdir $unit or diag "$unit: $!";
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
rmdir $top or diag "$top: $!";
done_testing;
