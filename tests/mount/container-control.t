# lockfs-ctl inside containers: each sees the directory it was given, in its own numbers, and steers what is its.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;
use Lockfs::Ctl;

need_crun;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $host) = ($m->path, client());
for my $dir ('a', 'b', 'shared') { expect ok => $host, 'mkdir', "$p/$dir"; chmod 0777, "$p/$dir" }

# lockfs-ctl in a container: { status, out, err }.
sub ctl_in {
    my ($c, @args) = @_;
    return run([ Lockfs::Container::runtime(), 'exec', $c->{name}, '/lockfs-ctl', @args ], timeout => 30);
}
sub json_in { my ($c, @args) = @_; return from_json(ctl_in($c, @args)->{out}) }

my ($first, $second) = (first_uid, first_uid + 65536);
my $a = container(binds => { '/state' => "$p/a", '/shared' => "$p/shared" }, pid => 7, userns => $first);
my $b = container(binds => { '/state' => "$p/b", '/shared' => "$p/shared" }, pid => 7, userns => $second);

subtest 'its directory, in its numbers' => sub {
    expect ok => $a, 'mkdir', '/state/a.lock';
    expect ok => $b, 'mkdir', '/state/b.lock';
    my $list = json_in($a, 'list', '--json', '/state');
    is_deeply [ map { $_->{path} } @$list ], ['a.lock'], 'its own directory and nothing else';
    my $owner = $list->[0]{owner};
    is_deeply [ @$owner{qw(pid pid_here uid exe)} ], [ $a->pid, 7, $first, '/client' ], 'both numbers';
    is_deeply $owner->{ns_pids}, [ $a->pid, 7 ], 'and what lies between';
    is ctl_json([ 'list', '--json', $p ])->[0]{owner}{pid_here}, $a->pid, 'the host sees its own';
    like ctl_in($a, 'list', '-o', 'path,pid-here', '/state')->{out}, qr/^a\.lock +7$/m, 'in a table';
};

subtest 'what another container holds' => sub {
    expect ok     => $a, 'mkdir', '/shared/x.lock';
    expect EEXIST => $b, 'mkdir', '/shared/x.lock';
    my $claim = json_in($b, 'show', '--json', '/shared/x.lock');
    is_deeply [ @{ $claim->{owner} }{qw(pid pid_here comm exe cgroup)} ], [ $a->pid, undef, 'client', undef, undef ],
        'no number there, and no more than who it is';
    is $claim->{waiters}[0]{pid_here}, 7, 'itself it knows';
    my $r = ctl_in($b, 'break', '--yes', '/shared/x.lock');
    is $r->{status}, 'exit 6', 'not to be broken by another user';
    is ctl_in($b, 'break', '--yes', '--kill', '/shared/x.lock')->{status}, 'exit 1', 'nor killed: a number outside means nothing there';
    is ctl_in($b, 'transfer', '/shared/x.lock', '7')->{status}, 'exit 6', 'nor taken over';
    ok $a->alive && kill(0, $a->pid), 'its owner lives';
    expect EEXIST => $b, 'mkdir', '/shared/x.lock';
};

subtest 'its own claims it may steer' => sub {
    my $next = $a->fork_client;
    is ctl_in($a, 'transfer', '/shared/x.lock', $next->{number})->{status}, 'exit 0', 'transferred, by the number inside';
    is ctl_json([ 'show', '--json', "$p/shared/x.lock" ])->{owner}{pid}, $next->pid, 'to the process meant';
    is ctl_in($a, 'transfer', '/shared/x.lock', $a->pid)->{status}, 'exit 1', 'a number of the host means nobody';
    is ctl_in($a, 'break', '--yes', '--kill', '/shared/x.lock')->{status}, 'exit 0', 'broken and killed';
    $next->wait_dead;
    expect ok => $b, 'mkdir', '/shared/x.lock';
};

subtest 'content that was kept' => sub {
    expect ok => $b, 'put', '/state/b.lock/secret', 'text';
    my $token = json_in($b, 'show', '--json', '/state/b.lock')->{token};
    is ctl_in($b, 'break', '--yes', '/state/b.lock')->{status}, 'exit 0', 'something is kept';
    wait_for(sub { grep { $_->{path} eq 'b/b.lock' } @{ ctl_json([ 'healed', '--json', $p ]) } }, watch => "$p/b");
    is_deeply [ grep { $_->{token} == $token } @{ json_in($a, 'healed', '--json', '/state') } ], [], 'seen by its own container only';
    my $root = container(binds => { '/state' => "$p/a" });    # root of the machine, with one directory
    is ctl_in($root, 'restore', '--token', $token, '--as', 'got', '/state/b.lock')->{status}, 'exit 4', 'nor to be had elsewhere';
    is ctl_in($b, 'restore', '/state/b.lock')->{status}, 'exit 0', 'where it was';
    expect 'ok text' => $b, 'get', '/state/b.lock/secret';
    $root->kill_init;
};

# Each finding of doctor by its name.
sub doctor_in { my ($c, $dir) = @_; return map { $_->{check} => $_ } @{ json_in($c, 'doctor', '--json', $dir) } }

subtest 'doctor inside' => sub {
    my %found = doctor_in($a, '/state');
    is_deeply [ grep { $found{$_}{result} eq 'wrong' } sort keys %found ], [], 'nothing is wrong in a directory that is served';
    like $found{'pid namespace'}{found}, qr/^the daemon knows this process, as \d+$/, 'the daemon knows who asks';
    like $found{'/dev/fuse'}{found}, qr/need not/, 'and no device is needed';
    like $found{propagation}{mend}, qr/HostToContainer/, 'what to do to see later mounts';
    my %elsewhere = doctor_in($a, '/tmp');
    is $elsewhere{'/dev/fuse'}{result}, 'wrong', 'to mount here, it would be';
    is $elsewhere{'pid namespace'}{result}, 'warning', 'and the namespace would not do';
};

$_->kill_init for $a, $b;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
