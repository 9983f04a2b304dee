# A rule can widen the owner: parent, session, container, cgroup.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(mounts run_quiet);

need_root;
need_fuse;

my $config = temp_path('lockfs.conf');
open my $fh, '>', $config or die;
print {$fh} map { "[rules $_]\nlock=*.$_\nowner=$_\n\n" } qw(process parent session container cgroup);
close $fh;

# Before the mount: the daemon looks for the hierarchy at its start.
my ($cgroups) = map { $_->{point} } grep { $_->{type} eq 'cgroup2' } reverse mounts();
if (!$cgroups) {
    my $place = temp_path('cgroup');
    mkdir $place;
    $cgroups = $place if run_quiet('mount', '-t', 'cgroup2', 'none', $place);
}

my $m = mount_lockfs(source => 'tmpfs', options => "config=$config");
my ($p, $other) = ($m->path, client());

sub held { my ($lock, $why) = @_; expect EEXIST => $other, 'mkdir', "$p/$lock"; expect EBUSY => $other, 'rmdir', "$p/$lock" }

sub gone_unseen {
    my ($lock, $end) = @_;
    my $w = watcher($p);
    $end->();
    ok scalar($w->until('DELETE', $lock, 20)), 'gone, and nobody looked';
    is $other->stat("$p/$lock"), 'ENOENT', 'gone';
    $w->stop;
}

subtest 'process' => sub {
    my $parent = client();
    my $child  = $parent->fork_client;
    expect ok => $child, 'mkdir', "$p/x.process";
    held('x.process');
    gone_unseen('x.process', sub { $child->kill('KILL'); $child->wait });
};

subtest 'parent' => sub {
    my $parent = client();
    my $child  = $parent->fork_client;
    expect ok => $child, 'mkdir', "$p/x.parent";
    held('x.parent');
    $child->kill('KILL');
    $child->wait;
    held('x.parent');
    expect ok => $parent, 'rmdir', "$p/x.parent";
    expect ok => $parent, 'sub', 'mkdir', "$p/x.parent";
    held('x.parent');
    gone_unseen('x.parent', sub { $parent->kill9 });
};

subtest 'the parent of a script whose helper takes it' => sub {
    my $parent = client();
    expect 'ok 0' => $parent, 'run', 'sh', '-c', "mkdir $p/x.parent; :";
    held('x.parent');
    gone_unseen('x.parent', sub { $parent->kill9 });
};

subtest 'session' => sub {
    my $leader = client();
    expect ok => $leader, 'setsid';
    my $child   = $leader->fork_client;
    my $brother = $leader->fork_client;
    my $away    = $leader->fork_client(setsid => 1);
    expect ok => $child, 'mkdir', "$p/x.session";
    held('x.session');
    $child->kill('KILL');
    $child->wait;
    held('x.session');
    expect ok => $brother, 'rmdir', "$p/x.session";
    expect ok => $brother, 'mkdir', "$p/x.session";
    expect ok => $away,    'mkdir', "$p/y.session";
    gone_unseen('x.session', sub { $leader->kill9 });
    is ref $other->stat("$p/y.session"), 'HASH', 'what another session took stays';
    gone_unseen('y.session', sub { $away->kill('KILL'); $away->wait_dead });
    $brother->kill('KILL');
};

subtest 'session whose leader has ended: the process' => sub {
    my $leader = client();
    expect ok => $leader, 'setsid';
    my $child = $leader->fork_client;
    $leader->kill9;
    expect ok => $child, 'mkdir', "$p/x.session";
    held('x.session');
    gone_unseen('x.session', sub { $child->kill('KILL'); $child->wait_dead });
};

subtest 'container' => sub {
    my $one   = client(pidns => 1);
    my $child = $one->fork_client;
    my $inner = client(pidns => 2);
    expect ok => $child, 'mkdir', "$p/x.container";
    held('x.container');
    expect EBUSY => $inner, 'rmdir', "$p/x.container";
    $child->kill('KILL');
    $child->wait;
    held('x.container');
    my $second = $one->fork_client;
    expect ok => $second, 'rmdir', "$p/x.container";
    expect ok => $second, 'mkdir', "$p/x.container";
    expect ok => $inner,  'mkdir', "$p/y.container";
    gone_unseen('x.container', sub { $one->kill9; $second->wait_dead });
    gone_unseen('y.container', sub { $inner->kill9 });
    my $outside = client();
    expect ok => $outside, 'mkdir', "$p/x.container";
    held('x.container');
    gone_unseen('x.container', sub { $outside->kill9 });
};

sub into { my ($group, $pid) = @_; open my $f, '>', "$group/cgroup.procs" or die "$group: $!\n"; syswrite $f, $pid or die "$group: $!\n" }

subtest 'cgroup' => sub {
    my $group = ($cgroups // '') . "/lockfs-test-$$";
    plan skip_all => 'needs a cgroup2 hierarchy to make groups in' if !$cgroups || !mkdir $group;
    my $first = client();
    into($group, $first->pid);
    my $child = $first->fork_client(detach => 1);
    my $third = client();
    into($group, $third->pid);
    expect ok => $first, 'mkdir', "$p/x.cgroup";
    expect ok => $child, 'mkdir', "$p/y.cgroup";
    held('x.cgroup');
    $first->kill9;
    held('x.cgroup');
    expect ok => $third, 'rmdir', "$p/x.cgroup";
    expect ok => $third, 'mkdir', "$p/x.cgroup";
    $child->kill('KILL');
    $child->wait_dead;
    held('y.cgroup');
    gone_unseen('x.cgroup', sub { $third->kill9 });
    is $other->stat("$p/y.cgroup"), 'ENOENT', 'all of the group is gone';

    my $again = client();
    into($group, $again->pid);
    expect ok => $again, 'mkdir', "$p/x.cgroup";
    held('x.cgroup');
    gone_unseen('x.cgroup', sub { $again->kill9 });
    rmdir $group or diag "$group: $!";

    my $none = client();
    into($cgroups, $none->pid);    # the root is never empty: the process owns
    expect ok => $none, 'mkdir', "$p/x.cgroup";
    held('x.cgroup');
    gone_unseen('x.cgroup', sub { $none->kill9 });
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
