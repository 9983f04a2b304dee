# A caller outside the daemon's pid namespace cannot own: ENOLCK for locks, the log says why, and its data works.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::Sys qw(run_quiet);

need_root;
need_fuse;
need_program('unshare');

# The daemon gets a /proc of its namespace; its mount comes back to us over a directory that is shared.
my $shared = temp_path('shared');
mkdir $shared;
run_quiet('mount', '--bind', $shared, $shared) && run_quiet('mount', '--make-shared', $shared)
    or plan skip_all => 'needs the right to share a mount';
mkdir "$shared/mnt";
my $m = mount_lockfs(
    program    => '/usr/bin/unshare',
    args       => [ qw(--pid --fork --kill-child --mount --propagation unchanged sh -c),
                    'mount -t proc proc /proc && exec "$0" "$@"', Lockfs::Mount::binary() ],
    mountpoint => "$shared/mnt",
);
my ($p, $c, $d) = ($m->path, client(), client());

like $m->log, qr/pid namespace/, 'a warning at the start';

subtest 'locks are refused' => sub {
    expect ok => $c, 'put', "$p/own", 'text';
    expect ok => $c, 'mkdir', "$p/made";
    for my $act ([ 'mkdir', "$p/x.lock" ], [ 'excl', "$p/x.lock" ], [ 'symlink', 'a', "$p/x.lock" ],
        [ 'link', "$p/own", "$p/x.lock" ], [ 'rename', "$p/made", "$p/x.lock" ], [ 'mknod', "$p/x.lock", 'fifo' ],
        [ 'rename', "$p/own", "$p/x.lock", 'noreplace' ]) {
        expect ENOLCK => $c, @$act;
        is $d->stat("$p/x.lock"), 'ENOENT', 'nothing was made';
    }
    is_deeply [ $c->list($p) ], [ 'made', 'own' ], 'what was to be moved is where it was';
    like $m->log, qr/ENOLCK.*process id/, 'the log says why';
};

subtest 'data works' => sub {
    expect ok        => $c, 'mkdir', "$p/dir";
    expect ok        => $c, 'excl', "$p/dir/file";
    expect ok        => $c, 'put', "$p/dir/file", 'text';
    expect 'ok text' => $d, 'get', "$p/dir/file";
    expect ok        => $c, 'creat', "$p/plain.lock";    # no exclusive create, so data
    expect ok        => $c, 'put', "$p/plain.lock", 'text';
    expect ok        => $d, 'rename', "$p/dir/file", "$p/moved";
    expect ok        => $d, 'unlink', "$p/moved";
    expect ok        => $d, 'unlink', "$p/plain.lock";
    expect ok        => $d, 'rmdir', "$p/dir";
};

subtest 'doctor says so' => sub {
    my ($finding) = grep { $_->{check} eq 'pid namespace' } @{ ctl_json([ 'doctor', '--json', $p ]) };
    is $finding->{result}, 'wrong', 'the daemon cannot tell who asks';
    like $finding->{found}, qr/ENOLCK/, 'and what follows';
    like $finding->{mend}, qr/on the host/, 'and the mend';
};

subtest 'callers inside the namespace are owners' => sub {
    my ($pid1) = grep { slurp("/proc/$_/status") =~ /^NSpid:\s+\d+\s+1$/m }
        map { split ' ', slurp("/proc/$_/task/$_/children") } $m->pid;
    ok $pid1, 'the daemon is process 1 there' or return;
    # A client in the namespace of the daemon; its own parent (nsenter) is outside.
    my $inside = client(under => [ 'nsenter', "--pid=/proc/$pid1/ns/pid", '--' ]);
    expect ok     => $inside, 'mkdir', "$p/x.lock";
    expect EEXIST => $c, 'mkdir', "$p/x.lock";
    expect EBUSY  => $c, 'rmdir', "$p/x.lock";
    $inside->kill9;
    is $c->stat("$p/x.lock"), 'ENOENT', 'gone with its owner';
};

$_->stop for $c, $d;
is $m->umount, 'exit 0', 'the daemon ends well';
run_quiet('umount', '-l', $shared);
done_testing;
