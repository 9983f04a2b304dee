# Unmounted and mounted again: claims whose owner is more than the process that called.
use v5.30;
use warnings;
use POSIX ();
use Lockfs::Test;
use Lockfs::Sys qw(build_dir mounts run_quiet);

need_root;
need_fuse;

my $config = temp_path('lockfs.conf');
open my $fh, '>', $config or die;
print {$fh} map { "[rules $_]\nlock=*.$_\nowner=$_\n\n" } qw(parent session container cgroup);
close $fh;

# Before the mount: the daemon looks for the hierarchy at its start.
my ($cgroups) = map { $_->{point} } grep { $_->{type} eq 'cgroup2' } reverse mounts();
if (!$cgroups) {
    my $place = temp_path('cgroup');
    mkdir $place;
    $cgroups = $place if run_quiet('mount', '-t', 'cgroup2', 'none', $place);
}

sub mount_it { return mount_lockfs(options => "config=$config", @_) }

sub again {
    my ($m, %opt) = @_;
    is $m->umount, 'exit 0', 'unmounted';
    return mount_it(source => $m->source, %opt);
}

sub held {
    my ($m, $lock) = @_;
    my ($other, $p) = (client(), $m->path);
    expect EEXIST => $other, 'mkdir', "$p/$lock";
    expect EBUSY  => $other, 'rmdir', "$p/$lock";
}

sub gone_unseen {
    my ($m, $lock, $end) = @_;
    my $w = watcher($m->path);
    $end->();
    ok scalar($w->until('DELETE', $lock, 20)), "$lock goes with its owner, and nobody looked";
    $w->stop;
}

my %owners = (
    parent => sub {
        my ($p) = @_;
        my $parent = client();
        my $child  = $parent->fork_client;
        expect ok => $child, 'mkdir', "$p/x.parent";
        $child->kill('KILL');
        $child->wait;
        return ($parent, sub { $parent->kill9 });
    },
    session => sub {
        my ($p) = @_;
        my $leader = client();
        expect ok => $leader, 'setsid';
        my $child   = $leader->fork_client;
        my $brother = $leader->fork_client;
        expect ok => $child, 'mkdir', "$p/x.session";
        $child->kill('KILL');
        $child->wait;
        return ($brother, sub { $leader->kill9; $brother->kill('KILL'); $brother->wait_dead });
    },
    container => sub {
        my ($p) = @_;
        my $one   = client(pidns => 1);
        my $child = $one->fork_client;
        expect ok => $child, 'mkdir', "$p/x.container";
        $child->kill('KILL');
        $child->wait;
        my $second = $one->fork_client;
        return ($second, sub { $one->kill9; $second->wait_dead });
    },
);

for my $scope (sort keys %owners) {
    subtest "$scope, alive" => sub {
        my $m = mount_it();
        my ($member, $end) = $owners{$scope}->($m->path);
        $m = again($m);
        my ($p, $lock) = ($m->path, "x.$scope");
        held($m, $lock);
        expect ok => $member, 'rmdir', "$p/$lock";
        expect ok => $member, ($scope eq 'parent' ? 'sub' : ()), 'mkdir', "$p/$lock";
        $m = again($m);
        gone_unseen($m, $lock, $end);
        is $m->umount, 'exit 0', 'unmounted';
    };
    subtest "$scope, dead meanwhile" => sub {
        my $m = mount_it();
        my (undef, $end) = $owners{$scope}->($m->path);
        is $m->umount, 'exit 0', 'unmounted';
        $end->();
        $m = mount_it(source => $m->source);
        expect ok => client(), 'mkdir', $m->path . "/x.$scope";
    };
}

subtest 'who would inherit still does' => sub {
    my $m = mount_it();
    my $p = $m->path;
    my ($script, $fifo) = (temp_path('script'), temp_path('fifo'));
    POSIX::mkfifo($fifo, 0600) or die;
    open my $out, '>', $script or die;
    # The subshell takes the lock and works on after the script has ended.
    print {$out} "( mkdir $p/x.lock && echo taken; exec >&-; read line < $fifo; : ) &\nread line\nexit 0\n";
    close $out;
    my $holder = spawn([ 'sh', $script ]);
    is $holder->recv, 'taken', 'taken by a subshell';
    $m = again($m);
    $p = $m->path;
    held($m, 'x.lock');
    $holder->send('end');
    $holder->wait;
    held($m, 'x.lock');
    gone_unseen($m, 'x.lock', sub { open my $end, '>', $fifo or die });
    is $m->umount, 'exit 0', 'unmounted';
};

plan skip_all => 'needs a cgroup2 hierarchy' if !$cgroups;
my $serial = 0;

sub into { my ($group, $pid) = @_; open my $f, '>', "$group/cgroup.procs" or die "$group: $!\n"; syswrite $f, $pid or die "$group: $!\n" }

# A group below another; its taker dead, somebody else in it.
sub taken_in_group {
    my ($m) = @_;
    my $outer = "$cgroups/lockfs-remount-$$-" . ++$serial;
    my $group = "$outer/inner";
    mkdir $_ or die "$_: $!" for $outer, $group;
    my ($first, $second) = (client(), client());
    into($group, $_->pid) for $first, $second;
    expect ok => $first, 'mkdir', $m->path . '/x.cgroup';
    $first->kill9;
    return ($group, $second, sub { rmdir $_ or diag "$_: $!" for $group, $outer });
}

# May not open by handle: looks through the tree of groups.
sub without_handles {
    my $program = temp_path('lockfs-without-handles');
    open my $out, '>', $program or die;
    print {$out} "#!/bin/sh\nexec setpriv --bounding-set -dac_read_search -- " . build_dir() . "/fs/daemon/lockfs \"\$@\"\n";
    close $out;
    chmod 0755, $program;
    return $program;
}

for my $way ('by handle', 'by looking for it') {
    my %opt = $way eq 'by handle' ? () : (program => without_handles());
    subtest "cgroup $way, alive" => sub {
        my $m = mount_it(%opt);
        my ($group, $second, $remove) = taken_in_group($m);
        $m = again($m, %opt);
        held($m, 'x.cgroup');
        expect ok => $second, 'rmdir', $m->path . '/x.cgroup';
        expect ok => $second, 'mkdir', $m->path . '/x.cgroup';
        $m = again($m, %opt);
        gone_unseen($m, 'x.cgroup', sub { $second->kill9 });
        is $m->umount, 'exit 0', 'unmounted';
        $remove->();
    };
    subtest "cgroup $way, empty meanwhile" => sub {
        my $m = mount_it(%opt);
        my (undef, $second, $remove) = taken_in_group($m);
        is $m->umount, 'exit 0', 'unmounted';
        $second->kill9;
        $m = mount_it(source => $m->source, %opt);
        expect ok => client(), 'mkdir', $m->path . '/x.cgroup';
        is $m->umount, 'exit 0', 'unmounted';
        $remove->();
    };
    subtest "cgroup $way, removed meanwhile" => sub {
        my $m = mount_it(%opt);
        my (undef, $second, $remove) = taken_in_group($m);
        is $m->umount, 'exit 0', 'unmounted';
        $second->kill9;
        $remove->();
        $m = mount_it(source => $m->source, %opt);
        # That one is nowhere to be found is proof only for who may look everywhere.
        my $expected = $way eq 'by handle' ? 'ok' : 'EEXIST';
        expect $expected => client(), 'mkdir', $m->path . '/x.cgroup';
        is $m->umount, 'exit 0', 'unmounted';
    };
}
done_testing;
