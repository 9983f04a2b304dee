# Unmounted and mounted again: claims go on for owners that still live, and only for those.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(slurp worker_of);

need_root;
need_fuse;

sub state_files { return glob "$ENV{LOCKFS_STATE_DIR}/*" }

# Locks of two owners, one of them below directories, and the mount ended.
sub leave {
    my ($how) = @_;
    my ($m, $owner, $other) = (mount_lockfs(), client(), client());
    my $p = $m->path;
    $owner->do('mkdir', "$p/$_") for 'a', 'a/b', 'a/b/x.lock';
    $owner->do('put',  "$p/a/b/x.lock/owner", 'me');
    $owner->do('excl', "$p/f.lock");
    $other->do('mkdir', "$p/other.lock");
    my %left = (source => $m->source, owner => $owner, other => $other, map { $_ => $owner->stat("$p/$_") } 'a/b/x.lock', 'f.lock');
    $left{token} = token($m, 'f.lock');
    if ($how eq 'killed') {
        my $keeper = $m->pid;
        my $worker = worker_of($keeper);
        $m->kill('STOP');
        CORE::kill('KILL', $worker);
        $m->kill('KILL');
        is $m->wait_end, 'signal 9', 'killed';
        ok(($m->try_umount)[0], 'unmounted');
    }
    else { is $m->umount, 'exit 0', 'unmounted' }
    return %left;
}

# The number that a lock shows is made of its token.
sub token { my ($m, $name) = @_; my $c = client(); return $c->stat($m->path . "/$name")->{ino} }

for my $how ('unmounted', 'killed') {
    subtest "$how, owners alive" => sub {
        my %left = leave($how);
        my $m    = mount_lockfs(source => $left{source});
        my ($p, $owner, $other) = ($m->path, @left{qw(owner other)});
        expect EEXIST => $other, 'mkdir', "$p/a/b/x.lock";
        like $m->log, qr/of the locks of the last mount 3 are held on, 0 had an owner/, 'the log says so';
        expect EBUSY => $other, 'rmdir',  "$p/a/b/x.lock";
        expect EBUSY => $other, 'unlink', "$p/a/b/x.lock/owner";
        expect EBUSY => $other, 'unlink', "$p/f.lock";
        expect EBUSY => $owner, 'rmdir',  "$p/other.lock";
        is $owner->stat("$p/f.lock")->{ino}, $left{'f.lock'}{ino}, 'the same number as before';
        my $w = watcher("$p");
        $other->kill9;
        ok scalar($w->until('DELETE', 'other.lock', 10)), 'a death is noticed';
        $w->stop;
        my $third = client();
        expect ok => $third, 'mkdir', "$p/other.lock";
        cmp_ok $third->stat("$p/other.lock")->{ino}, '>', $left{token}, 'tokens go on growing';
        expect ok => $owner, 'unlink', "$p/f.lock";
        $owner->kill9;
        expect ENOENT => $third, 'stat', "$p/a/b/x.lock";
        expect ok => $third, 'rmdir', "$p/other.lock";
        is $m->umount, 'exit 0', 'unmounted';
        my ($dev, $ino) = stat $left{source};
        ok !-e sprintf("$ENV{LOCKFS_STATE_DIR}/%x-%x", $dev, $ino), 'no claim, no file';
    };

    subtest "$how, an owner dead meanwhile" => sub {
        my %left = leave($how);
        $left{owner}->kill9;
        my $m = mount_lockfs(source => $left{source});
        my ($p, $other) = ($m->path, $left{other});
        expect ENOENT => $other, 'stat',  "$p/a/b/x.lock";
        expect ok     => $other, 'excl',  "$p/f.lock";
        expect EEXIST => client(), 'mkdir', "$p/other.lock";
        is $m->umount, 'exit 0', 'unmounted';
    };
}

subtest 'changed behind the mount' => sub {
    my %left = leave('unmounted');
    my ($s, $third) = ($left{source}, client());
    expect ok => $third, 'unlink', "$s/f.lock";
    expect ok => $third, 'mkdir',  "$s/f.lock";
    expect ok => $third, 'rename', "$s/a", "$s/moved";
    my $m = mount_lockfs(source => $s);
    my $p = $m->path;
    $left{owner}->kill9;
    expect 'ok me' => $third, 'get', "$p/moved/b/x.lock/owner";
    is ref $third->stat("$p/f.lock"), 'HASH', 'not what was claimed: it stays';
    is $m->umount, 'exit 0', 'unmounted';
};

# Where the header lies in the file, and in it magic, version, sizes, boot id.
sub patch {
    my ($offset, $bytes) = @_;
    for my $file (state_files()) {
        open my $fh, '+<', $file or die "$file: $!";
        sysseek $fh, 3 * 2**30 + $offset, 0 or die;
        syswrite($fh, $bytes) == length $bytes or die;
    }
}

subtest 'after another boot every owner is dead' => sub {
    my %left = leave('unmounted');
    patch(16, '00000000-0000-0000-0000-000000000000');
    my $m = mount_lockfs(source => $left{source});
    my ($p, $third) = ($m->path, client());
    expect ENOENT => $third, 'stat',  "$p/a/b/x.lock";
    expect ok     => $third, 'mkdir', "$p/other.lock";
    is $m->umount, 'exit 0', 'unmounted';
};

# Behind magic, version, sizes, boot id, three descriptors, two flags, the device and four paths.
my $pid_ns_at = 80 + 4 * 4096;

subtest 'pids of another pid namespace prove nothing' => sub {
    my %left = leave('unmounted');
    my ($file) = state_files();
    open my $fh, '<', $file or die;
    sysseek $fh, 3 * 2**30 + $pid_ns_at, 0 or die;
    sysread $fh, my $bytes, 8;
    is unpack('Q', $bytes), (stat '/proc/self/ns/pid')[1], 'the file says of which they are';
    patch($pid_ns_at, pack 'Q', 12345);
    $left{owner}->kill9;
    my $m = mount_lockfs(source => $left{source});
    my ($p, $third) = ($m->path, client());
    expect EEXIST => $third, 'mkdir', "$p/a/b/x.lock";
    expect EEXIST => $third, 'mkdir', "$p/other.lock";
    like $m->log, qr/of the locks of the last mount 0 are held on, 0 had an owner that is gone, 3 are not taken up/, 'the log says so';
    is $m->umount, 'exit 0', 'unmounted';
};

my %damage = (
    'not ours'         => [ 0,             'something else' ],
    'of a newer layout' => [ 8,            pack 'L', 77 ],
    'of other records' => [ 12,            pack 'L', 77 ],
    'torn'              => undef,
);
for my $what (sort keys %damage) {
    subtest "a file that is $what is refused" => sub {
        my %left = leave('unmounted');
        if ($what eq 'torn') {
            for my $file (state_files()) { truncate $file, 2**31 or die }
        }
        else { patch(@{ $damage{$what} }) }
        my $m = mount_lockfs(source => $left{source});
        my ($p, $third) = ($m->path, client());
        expect EEXIST => $third, 'mkdir', "$p/other.lock";
        like $m->log, qr/an earlier mount left is (not taken up|damaged)/, 'with a message';
        $left{owner}->kill9;
        is ref $third->stat("$p/f.lock"), 'HASH', 'nothing is healed on a guess';
        expect ok => $third, 'mkdir', "$p/new.lock";
        is $m->umount, 'exit 0', 'unmounted';
    };
}
done_testing;
