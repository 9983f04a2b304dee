# Other runtimes than crun: bubblewrap, with and without a user namespace, also an ordinary user's; and podman.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;

need_bwrap;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $host) = ($m->path, client());
chmod 01777, $p;

sub among {
    my ($one, $two, $dir) = @_;
    is_deeply [ $one->get('pid'), $two->get('pid') ], [ ($one->get('pid')) x 2 ], 'both have the same number';
    expect ok     => $one, 'excl', "$dir/x.lock";
    expect EEXIST => $two, 'excl', "$dir/x.lock";
    expect EBUSY  => $two, 'unlink', "$dir/x.lock";
    expect EBUSY  => $host, 'unlink', "$p/x.lock";
    my $w = watcher($p);
    $one->kill_init;
    is $host->stat("$p/x.lock"), 'ENOENT', 'gone with its container';
    ok scalar($w->until('DELETE', 'x.lock', 10)), 'and everybody hears of it';
    $w->stop;
    expect ok => $two, 'excl', "$dir/x.lock";
    $two->kill_init;
}

my %sandboxes = (
    'bubblewrap'                    => [],
    'bubblewrap, user namespace'    => ['--unshare-user'],
    'bubblewrap, another user'      => [ '--unshare-user', '--uid', '1000', '--gid', '1000' ],
    'bubblewrap, everything new'    => [ '--unshare-all', '--new-session', '--die-with-parent' ],
);
for my $kind (sort keys %sandboxes) {
    subtest $kind => sub {
        my @both = map { sandbox(binds => { '/mnt' => $p }, args => $sandboxes{$kind}) } 1, 2;
        among(@both, '/mnt');
    };
}

subtest 'rootless: an ordinary user, its own namespaces' => sub {
    plan skip_all => 'user namespaces are for root only here'
        if run([ 'unshare', '--user', 'true' ], user => unprivileged)->{status} ne 'exit 0';
    my %opt = (binds => { '/mnt' => $p }, args => [ '--unshare-user', '--uid', '0', '--gid', '0' ], user => unprivileged);
    my ($one, $two) = (sandbox(%opt), sandbox(%opt));
    expect ok => $one, 'mkdir', '/mnt/owned';
    is $host->stat("$p/owned")->{uid}, getpwnam(unprivileged), 'what its root makes is the user\'s';
    expect ok => $one, 'rmdir', '/mnt/owned';
    among($one, $two, '/mnt');
};

subtest 'rootless: on a mount of that user' => sub {
    my $own = mount_lockfs(user => unprivileged);
    my %opt = (binds => { '/mnt' => $own->path }, args => [ '--unshare-user', '--uid', '0', '--gid', '0' ], user => unprivileged);
    my ($one, $two) = (sandbox(%opt), sandbox(%opt));
    expect ok     => $one, 'mkdir', '/mnt/x.lock';
    expect EEXIST => $two, 'mkdir', '/mnt/x.lock';
    expect EBUSY  => $two, 'rmdir', '/mnt/x.lock';
    $one->kill_init;
    expect ok => $two, 'mkdir', '/mnt/x.lock';
    $two->kill_init;
};

for my $readonly (0, 1) {
    subtest 'podman' . ($readonly ? ', read-only' : '') => sub {
        need_program('podman');
        plan skip_all => 'needs a cgroup2 hierarchy' if !unified_cgroups();
        among(map({ podman(binds => { '/state' => $p }, args => [ $readonly ? '--read-only' : () ]) } 1, 2), '/state');
    };
}

is_deeply [ $host->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
