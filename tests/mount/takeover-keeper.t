# The keeper is killed, replaced by an installed program, or has to replace a worker that hangs: the mount goes on.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(build_dir slurp run_quiet worker_of);
use Fcntl qw(:flock);
use File::Copy qw(copy);

need_root;
need_fuse;


# What a client holds before, and finds again after.
sub hold {
    my ($m) = @_;
    my ($p, $owner, $other) = ($m->path, client(), client());
    my %held = (m => $m, p => $p, owner => $owner, other => $other);
    $owner->do('mkdir', "$p/$_") for 'dir', 'x.lock';
    $owner->do('put', "$p/dir/file", 'text');
    $held{file}    = $owner->get('open', 'rw,creat', "$p/open");
    $held{deleted} = $owner->get('open', 'rw,creat', "$p/deleted");
    $owner->do('write', $held{$_}, 'text') for 'file', 'deleted';
    $owner->do('unlink', "$p/deleted");
    $owner->do('flock', $held{file}, 'ex');
    $owner->do('chdir', "$p/dir");
    $held{blocked} = spawn(sub {
        $| = 1;
        open my $fh, '<', "$p/open" or die "open: $!";
        say 'waits';
        flock $fh, LOCK_EX or die "flock: $!";
        say 'has it';
    });
    $held{blocked}->recv;
    return \%held;
}

sub still_held {
    my ($h) = @_;
    my ($p, $owner, $other) = @$h{qw(p owner other)};
    expect EEXIST      => $other, 'mkdir', "$p/x.lock";
    expect EBUSY       => $other, 'rmdir', "$p/x.lock";
    expect 'ok text'   => $owner, 'pread', $h->{deleted}, 4, 0;
    expect 'ok text'   => $owner, 'pread', $h->{file}, 4, 0;
    expect 'ok text'   => $owner, 'get', 'file';
    expect 'ok'        => $owner, 'write', $h->{file}, 'more';
    is_deeply [ $other->list("$p/dir") ], ['file'], 'a directory is listed';
}

sub let_go {
    my ($h) = @_;
    my ($p, $owner, $other) = @$h{qw(p owner other)};
    $owner->do('chdir', '/');
    expect ok => $owner, 'flock', $h->{file}, 'un';
    is $h->{blocked}->recv(20), 'has it', 'who waited for a flock gets it';
    $h->{blocked}->wait;
    my $last = client();
    my $w = watcher($p);
    $owner->kill9;
    expect ok => $other, 'mkdir', "$p/x.lock";
    expect ok => $other, 'rmdir', "$p/x.lock";
    $w->stop;
    expect ok => $last, 'mkdir', "$p/prompt.lock";
    $w = watcher($p);
    $last->kill9;
    ok scalar($w->until('DELETE', 'prompt.lock', 10)), 'deaths are still noticed without a look';
    $w->stop;
}

# Asked again after each answer of the mount: whoever serves has come up by then.
sub served_until {
    my ($h, $condition) = @_;
    my $end = now() + 20;
    while (now() < $end) {
        $h->{other}->do('stat', "$h->{p}/dir");
        return 1 if $condition->();
    }
    return 0;
}

subtest 'the worker is killed' => sub {
    my $h = hold(mount_lockfs());
    for (1 .. 3) {
        my $worker = worker_of($h->{m}->pid);
        CORE::kill('KILL', $worker);
        still_held($h);
        isnt worker_of($h->{m}->pid), $worker, 'another one serves';
    }
    let_go($h);
    is $h->{m}->umount, 'exit 0', 'the keeper ends well';
};

subtest 'the keeper is killed' => sub {
    my $h      = hold(mount_lockfs());
    my $worker = worker_of($h->{m}->pid);
    $h->{m}->kill('KILL');
    is $h->{m}->wait_end, 'signal 9', 'killed';
    ok served_until($h, sub { worker_of($worker) }), 'the worker has become the keeper of another';
    still_held($h);
    my $keeper = $worker;
    CORE::kill('KILL', worker_of($keeper));
    still_held($h);
    my $next = worker_of($keeper);
    CORE::kill('KILL', $keeper);
    ok served_until($h, sub { worker_of($next) }), 'and again';
    still_held($h);
    let_go($h);
    my $pidfd = pidfd($next);
    ok(($h->{m}->try_umount)[0], 'unmounted');
    ok wait_readable($pidfd, 20), 'the last keeper ends';
};

sub pidfd { my ($pid) = @_; return Lockfs::Sys::pidfd_open($pid) }

subtest 'a worker that hangs is replaced' => sub {
    my $m = mount_lockfs(env => { LOCKFS_HANG_SECONDS => 2 });
    my ($p, $c) = ($m->path, client());
    expect ok => $c, 'mkdir', "$p/x.lock";
    my $worker = worker_of($m->pid);
    CORE::kill('STOP', $worker);
    my $begun = now();
    $c->start('stat', "$p/x.lock");
    like $c->reply(30), qr/^ok/, 'answered by another';
    cmp_ok now() - $begun, '<', 8, 'within the limit';
    isnt worker_of($m->pid), $worker, 'it was replaced';
    expect ok => $c, 'rmdir', "$p/x.lock";
    is $m->umount, 'exit 0', 'the keeper ends well';
};

# A daemon of a program of its own, which can be replaced.
sub mount_own {
    my ($name, %env) = @_;
    my $program = temp_path("lockfs-$name");
    copy(build_dir() . '/fs/daemon/lockfs', $program) or die "$program: $!";
    chmod 0755, $program;
    local $ENV{LOCKFS_BINARY} = $program;
    return ($program, mount_lockfs(env => \%env));
}

sub install {
    my ($program, $text) = @_;
    my $new = "$program.new";
    if (defined $text) { open my $fh, '>', $new or die $!; print $fh $text; close $fh }
    else { copy(build_dir() . '/fs/daemon/lockfs', $new) or die $! }
    chmod 0755, $new;
    rename $new, $program or die $!;
    return (stat $program)[1];
}

for my $version (1, 2, 3) {
    subtest "an installed program takes over the layout $version" => sub {
        my ($program, $m) = mount_own("from-$version", LOCKFS_STATE_VERSION => $version);
        my $h   = hold($m);
        my $ino = install($program);
        $m->kill('USR1');
        ok served_until($h, sub { ((stat '/proc/' . $m->pid . '/exe')[1] // 0) == $ino }), 'the new program runs';
        still_held($h);
        let_go($h);
        is $m->umount, 'exit 0', 'it ends well';
    };
}

subtest 'what the installed program cannot read is refused' => sub {
    my ($program, $m) = mount_own('refused', LOCKFS_STATE_VERSION => 99);
    my $h      = hold($m);
    my $worker = worker_of($m->pid);
    install($program);
    $m->kill('USR1');
    ok served_until($h, sub { $m->log =~ /of another version of lockfs/ }), 'it says why';
    still_held($h);
    is worker_of($m->pid), $worker, 'the worker goes on';
    let_go($h);
    is $m->umount, 'exit 0', 'ended';
};

subtest 'a program that cannot be run is refused' => sub {
    my ($program, $m) = mount_own('broken');
    my $h = hold($m);
    install($program, "no program\n");
    $m->kill('USR1');
    still_held($h);
    let_go($h);
    is $m->umount, 'exit 0', 'ended';
};

done_testing;
