# A mount ends well however it is ended: umount, busy or lazy, signals, and a daemon that is killed.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(run_quiet slurp worker_of);

need_root;
need_fuse;
need_program('fusermount3');

subtest 'unmounted while claims are held' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $owner, $other) = ($m->path, client(), client());
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $owner, 'put', "$p/x.lock/owner", 'me';
    expect ok => $owner, 'excl', "$p/y.lock";
    is $m->umount, 'exit 0', 'the daemon ends';
    is_deeply [ $other->list($m->source) ], [ 'x.lock', 'y.lock' ], 'what lives stays on the source';
    expect 'ok me' => $other, 'get', $m->source . '/x.lock/owner';

    my $again = mount_lockfs(source => $m->source);
    expect EEXIST => $other, 'mkdir', $again->path . '/x.lock';
    $owner->kill9;
    expect ENOENT => $other, 'stat', $again->path . '/x.lock/owner';
    expect ok => $other, 'mkdir', $again->path . '/x.lock';
};

for my $how ('umount', 'SIGTERM') {
    subtest "ended by $how right after a death" => sub {
        my $count = 2000;
        my $m = mount_lockfs(source => 'tmpfs');
        my ($p, $owner, $alive) = ($m->path, client(), client());
        expect ok => $owner, 'mkdir', "$p/deep.lock";
        expect ok => $owner, 'times', $count, 'mkdir', "$p/{}.lock";
        expect ok => $owner, 'mkdir', "$p/deep.lock/in.lock";
        expect ok => $owner, 'put', "$p/3.lock/owner", 'me';
        expect ok => $alive, 'mkdir', "$p/alive.lock";
        $owner->kill9;
        my $newest = $m->source . '/' . ($count - 1) . '.lock';
        ok wait_for(sub { !-e $newest }, watch => $m->source), 'its entries are being removed';
        if ($how eq 'umount') {    # the mount is in use by that
            run_quiet('umount', '-l', $p) or die "umount -l\n";
        } else {
            $m->kill('TERM');
        }
        is $m->wait_end, 'exit 0', 'the daemon ends';
        is_deeply [ grep { !/^\.lockfs/ } $alive->list($m->source) ], ['alive.lock'], 'nothing of the dead is left on the source';
        is scalar(grep { /-3\.lock$/ } $alive->list($m->source . '/.lockfs/healed')), 1, 'but content is kept';
    };
}

subtest 'in use' => sub {
    my $m = mount_lockfs();
    my ($p, $c) = ($m->path, client());
    my $fd = $c->get('open', 'rw,creat', "$p/file");
    my ($ok, $message) = $m->try_umount;
    ok !$ok, 'refused while a file is open';
    like $message, qr/busy/, 'and says why';
    expect ok => $c, 'write', $fd, 'text';
    expect ok => $c, 'close', $fd;
    expect ok => $c, 'chdir', $p;
    ok !($m->try_umount)[0], 'refused while a process is in it';
    expect ok => $c, 'chdir', '/';
    is $m->umount, 'exit 0', 'then it goes';
};

subtest 'lazily' => sub {
    my $m = mount_lockfs();
    my ($p, $c) = ($m->path, client());
    my $fd = $c->get('open', 'rw,creat', "$p/file");
    my $d  = $c->get('open', 'r,dir', $p);
    expect ok => $c, 'mkdir', "$p/x.lock";
    ok run_quiet('umount', '-l', $p), 'umount -l';
    ok !$m->is_mounted, 'nothing is seen at the mount point';
    expect ok => $c, 'write', $fd, 'text';
    expect ok => $c, 'fchdir', $d;
    expect ok => $c, 'mkdir', 'y.lock';
    expect EEXIST => client(), 'mkdir', $m->source . '/y.lock';
    my $other = mount_lockfs();
    expect ok => $c, 'chdir', '/';
    expect ok => $c, 'close', $_ for $fd, $d;
    is $m->wait_end, 'exit 0', 'the daemon ends when the last user leaves';
    expect 'ok text' => $c, 'get', $m->source . '/file';
};

subtest 'a claim of a process that dies while the mount is detached' => sub {
    my $m = mount_lockfs();
    my ($p, $c, $owner) = ($m->path, client(), client());
    expect ok => $c, 'chdir', $p;
    expect ok => $owner, 'mkdir', "$p/x.lock";
    ok run_quiet('umount', '-l', $p), 'umount -l';
    $owner->kill9;
    expect ok => $c, 'mkdir', 'x.lock';
    expect ok => $c, 'rmdir', 'x.lock';
    expect ok => $c, 'chdir', '/';
    is $m->wait_end, 'exit 0', 'ended';
};

for my $user (undef, unprivileged) {
    for my $signal (qw(TERM INT HUP)) {
        subtest "SIG$signal, " . ($user ? 'a user' : 'root') => sub {
            my $m = mount_lockfs(user => $user);
            my ($p, $c, $busy) = ($m->path, map { client(user => $user // 'root') } 1, 2);
            my $fd = $c->get('open', 'rw,creat', "$p/file");
            expect ok => $c, 'write', $fd, 'text';
            expect ok => $c, 'mkdir', "$p/x.lock";
            $busy->start('times', 100_000, 'creat', "$p/busy");
            ok wait_for(sub { -e $m->source . '/busy' }, watch => $m->source), 'under load';
            ok $m->kill($signal), 'sent';
            is $m->wait_end, 'exit 0', 'ends with 0';
            like $m->log, qr/^lockfs: \Q$p\E: ending on signal \d+\n\z/m, 'and says so';
            ok !$m->is_mounted, 'unmounted although a file was open';
            like $busy->reply, qr/^(ENOTCONN|ECONNABORTED|EACCES|ok)/, 'nobody hangs';
            like $c->do('write', $fd, 'more'), qr/^(ENOTCONN|ECONNABORTED|EIO)$/, 'an open file is lost';
            is_deeply [ grep { $_ ne 'busy' } client()->list($m->source) ], [ 'file', 'x.lock' ], 'the source is as it was';
            my $again = mount_lockfs(source => $m->source, user => $user);
            expect 'ok text' => client(user => $user // 'root'), 'get', $again->path . '/file';
        };
    }
}

subtest 'SIGTERM in the background' => sub {
    my $m = mount_lockfs(background => 1);
    ok $m->kill('TERM'), 'sent';
    is $m->wait_end, 'ended', 'it ends';
    ok !$m->is_mounted, 'unmounted';
};

subtest 'a signal that comes at once' => sub {
    for my $round (1 .. $ENV{LOCKFS_QUICK} ? 3 : 15) {
        my $m = mount_lockfs();
        $m->kill('TERM');
        my $end = $m->wait_end;
        next if $end eq 'exit 0' && !$m->is_mounted;
        fail "round $round: $end";
        last;
    }
    pass 'always ends with 0 and no mount';
};

subtest 'fusermount3 -u by the user' => sub {
    my $m = mount_lockfs(user => unprivileged);
    my $stranger = run([ 'fusermount3', '-u', $m->path ], user => 'daemon');
    isnt $stranger->{status}, 'exit 0', 'not by another user';
    ok $m->is_mounted, 'it is still there';
    is $m->umount, 'exit 0', 'by the user';
};

# Keeper and worker at once: each alone is replaced by the other.
sub kill_both {
    my ($m) = @_;
    my $keeper = $m->pid;
    my $worker = worker_of($keeper);
    $m->kill('STOP');
    CORE::kill('KILL', $worker);
    $m->kill('KILL');
}

subtest 'the daemon is killed' => sub {
    for my $user (undef, unprivileged) {
        my $m = mount_lockfs(user => $user, in_place => 1);
        my ($p, $owner, $other) = ($m->path, map { client(user => $user // 'root') } 1, 2);
        expect ok => $owner, 'mkdir', "$p/x.lock";
        my $fd = $other->get('open', 'rw,creat', "$p/file");
        kill_both($m);
        is $m->wait_end, 'signal 9', 'killed';
        expect ENOTCONN => $other, 'stat', "$p/x.lock";
        expect ENOTCONN => $other, 'list', $p;
        expect ENOTCONN => $other, 'write', $fd, 'text';
        my $r = run_lockfs([$p], user => $user);
        isnt $r->{status}, 'exit 0', 'nothing is mounted over the wreck';
        like $r->{err}, qr/^lockfs: \Q$p\E: .*not connected.*umount.*\n\z/, 'the message says what to do';
        $other->do('close', $fd);
        ok(($m->try_umount)[0], 'it can be unmounted');
        my $again = mount_lockfs(source => $p, in_place => 1, user => $user);
        expect EEXIST => $other, 'mkdir', "$p/x.lock";
        expect ok => $other, 'mkdir', "$p/y.lock";
        $other->kill9;
        expect ok => $owner, 'mkdir', "$p/y.lock";
        expect ok => $owner, 'rmdir', "$p/$_" for 'x.lock', 'y.lock';
    }
};

subtest 'again and again' => sub {
    my $dir = temp_path('again');
    mkdir $dir;
    my $c = client();
    for my $round (1 .. $ENV{LOCKFS_QUICK} ? 5 : 20) {
        my $m = mount_lockfs(source => $dir, in_place => 1);
        my $result = $c->do('mkdir', "$dir/$round.lock");
        my $end = $m->umount;
        next if $result eq 'ok' && $end eq 'exit 0';
        fail "round $round: mkdir $result, $end";
        last;
    }
    pass 'mounted and unmounted';
};

done_testing;
