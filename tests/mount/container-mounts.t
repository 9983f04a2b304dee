# Containers and the life of the mount: mounted after they started, its daemon killed and replaced under them,
# unmounted while they hold it.
use v5.30;
use warnings;
use File::Copy qw(copy);
use Lockfs::Test;
use Lockfs::Container;
use Lockfs::Mount;
use Lockfs::Sys qw(build_dir run_quiet worker_of);

need_crun;


# Asks through the container until the condition holds: each answer comes from a worker.
sub served_until {
    my ($c, $path, $condition) = @_;
    my $end = now() + 20;
    while (now() < $end) {
        my $reply = $c->do('stat', $path);
        return 0 if $reply !~ /^ok/;
        return 1 if $condition->();
    }
    return 0;
}

subtest 'mounted and unmounted while a container runs' => sub {
    my $shared = temp_path('shared');
    mkdir $shared;
    run_quiet('mount', '-t', 'tmpfs', 'none', $shared) && run_quiet('mount', '--make-shared', $shared)
        or plan skip_all => 'needs the right to share a mount';
    mkdir "$shared/state";
    my $early  = container(binds => { '/data' => $shared }, pid => 7, propagation => 'rslave');
    my $closed = container(binds => { '/data' => $shared }, pid => 7, propagation => 'rprivate');
    for my $turn (1, 2) {
        my $m = mount_lockfs(in_place => 1, source => "$shared/state", options => 'allow_other');
        my ($p, $late) = ($m->path, container(binds => { '/data' => $shared }, pid => 7, propagation => 'rslave'));
        expect ok     => $early, 'mkdir', '/data/state/x.lock';
        expect EEXIST => $late,  'mkdir', '/data/state/x.lock';
        expect EBUSY  => $late,  'rmdir', '/data/state/x.lock';
        isnt $closed->stat('/data/state')->{dev}, $early->stat('/data/state')->{dev}, 'a private bind does not see the mount';
        expect ok => $early, 'rmdir', '/data/state/x.lock';
        expect ok => $late,  'mkdir', '/data/state/y.lock';
        $late->kill_init;
        expect ok => $early, 'mkdir', '/data/state/y.lock';
        expect ok => $early, 'rmdir', '/data/state/y.lock';
        expect ok => $early, 'chdir', '/data/state';
        my ($ok, $message) = $m->try_umount;
        ok !$ok && $message =~ /busy/, 'not to be unmounted while a container works in it';
        expect ok => $early, 'chdir', '/';
        is $m->umount, 'exit 0', "turn $turn: unmounted on the host, and with that in the containers";
        is_deeply [ $early->list('/data/state') ], [], 'they see what lay below';
    }
    $_->kill_init for $early, $closed;
    run_quiet('umount', '-l', $shared);
};

subtest 'the daemon is killed and replaced' => sub {
    my $program = temp_path('lockfs-own');
    copy(build_dir() . '/fs/daemon/lockfs', $program) or die "$program: $!";
    chmod 0755, $program;
    local $ENV{LOCKFS_BINARY} = $program;
    my $m = mount_lockfs(options => 'allow_other');
    my ($p, $host) = ($m->path, client());
    expect ok => $host, 'mkdir', "$p/app";
    chmod 0777, "$p/app";
    my ($one, $two) = map { container(binds => { '/state' => "$p/app" }, pid => 7, userns => $_) } undef, first_uid;
    expect ok     => $one, 'chdir', '/state';
    expect ok     => $one, 'mkdir', 'x.lock';
    expect ok     => $one, 'put', 'x.lock/owner', '7';
    expect 'ok 3' => $two, 'open', 'rw,creat', '/state/data';
    expect ok     => $two, 'write', '3', 'before';
    my $still = sub {
        my ($what) = @_;
        expect EEXIST => $two, 'mkdir', '/state/x.lock';
        expect EBUSY  => $two, 'rename', '/state/x.lock', '/state/away';
        expect 'ok 7' => $one, 'get', 'x.lock/owner';
        expect ok     => $two, 'write', '3', 'after';
        expect ok     => $two, 'mkdir', "/state/$what.lock";
        expect EEXIST => $one, 'mkdir', "$what.lock";
        expect ok     => $two, 'rmdir', "/state/$what.lock";
    };
    for my $turn (1 .. 3) {
        my $worker = worker_of($m->pid);
        kill 'KILL', $worker;
        $still->("killed-$turn");
        isnt worker_of($m->pid), $worker, 'by another worker';
    }
    copy($program, "$program.new") && chmod(0755, "$program.new") && rename("$program.new", $program) or die $!;
    my $ino = (stat $program)[1];
    $m->kill('USR1');
    ok served_until($one, 'x.lock', sub { ((stat '/proc/' . $m->pid . '/exe')[1] // 0) == $ino }), 'the installed program runs';
    $still->('upgraded');
    $one->kill_init;
    expect ok => $two, 'mkdir', '/state/x.lock';
    $two->kill_init;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'unmounted on the host while containers hold it' => sub {
    my $m = mount_lockfs(options => 'allow_other');
    my ($p, $host) = ($m->path, client());
    expect ok => $host, 'mkdir', "$p/app";
    $host->stop;
    my ($one, $two) = map { container(binds => { '/state' => "$p/app" }, pid => 7) } 1, 2;
    expect ok => $one, 'mkdir', '/state/x.lock';
    my ($ok) = $m->try_umount;
    ok $ok, 'the host may unmount';
    ok !$m->is_mounted, 'and sees it no more';
    expect EEXIST => $two, 'mkdir', '/state/x.lock';
    expect EBUSY  => $two, 'rmdir', '/state/x.lock';
    my $second = run_lockfs([ $m->source, $p ]);
    isnt $second->{status}, 'exit 0', 'the source is taken until the last container has ended';
    like $second->{err}, qr/^\S+ \Q${\ $m->source}\E: already served.*a container may hold it/, 'and who tries is told';
    $one->kill_init;
    expect ok => $two, 'mkdir', '/state/x.lock';
    expect ok => $two, 'rmdir', '/state/x.lock';
    $two->kill_init;
    is $m->wait_end, 'exit 0', 'with the last container the daemon ends';
};

done_testing;
