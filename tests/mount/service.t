# Under a service manager: what it is told, and keeper and worker killed together, whose mount goes on.
use v5.30;
use warnings;
use Fcntl qw(:flock);
use IO::Select;
use POSIX ();
use Lockfs::Test;
use Lockfs::CrashPoint;
use Lockfs::Sys qw(build_dir pidfd_open run_quiet slurp wait_mount wait_readable worker_of);

need_root;
need_fuse;

my $daemon = build_dir() . '/fs/daemon/lockfs';
my $serial = 0;

# A service: { p, source, m (the manager), log }.
sub service {
    my (%opt) = @_;
    my $base = temp_path('service-' . ++$serial);
    mkdir $_ or die "$_: $!" for $base, "$base/source", "$base/mnt";
    if (defined $opt{user}) { chown Lockfs::Sys::user_ids($opt{user}), $_ or die "$_: $!" for $base, "$base/source", "$base/mnt" }
    my $s = manage("$base/x", $opt{source} // "$base/source", "$base/mnt", %opt);
    start($s);
    return $s;
}

sub manage {
    my ($base, $source, $p, %opt) = @_;
    my %s = (p => $p, source => $source, log => "$base.log");
    $s{m} = spawn([ helper('manager'), "$base.socket", $opt{watchdog} // 0, $opt{daemon} // $daemon, '-f', $source, $p ],
        stderr => $s{log}, env => $opt{env}, user => $opt{user}, cwd => '/');
    return \%s;
}

# Lines of the manager up to one that matches, which is returned; undef when none comes in time.
sub heard {
    my ($s, $pattern, $timeout) = @_;
    my @lines;
    while (defined(my $line = eval { $s->{m}->recv($timeout // 30) })) {
        push @lines, $line;
        $s->{before} = \@lines;
        return $line if $line =~ $pattern;
    }
    diag "not heard: $pattern; but: @lines\n" . slurp($s->{log}) if !$timeout;
    return undef;
}

sub start {
    my ($s) = @_;
    $s->{m}->send('start');
    ($s->{keeper}) = heard($s, qr/^pid/) =~ /(\d+)/;
    ok heard($s, qr/^message READY=1\|STATUS=Serving \Q$s->{p}\E$/), 'ready';
}

sub stop {
    my ($s) = @_;
    $s->{m}->send('stop');
    ok heard($s, qr/^message STOPPING=1$/), 'it says that it stops';
    my @lines = @{ $s->{before} };    # the connection may be lost before that is read
    is heard($s, qr/^(exit|signal)/), 'exit 0', 'and ends well';
    is scalar(grep { /^(drop|lost)/ } @lines, @{ $s->{before} }), 3, 'nothing is kept';
    ok !mount_at($s->{p}), 'unmounted';
    $s->{m}->close_pipes;
    $s->{m}->wait;
}


# Neither can come up for the other.
sub kill_both {
    my ($s) = @_;
    CORE::kill('STOP', $s->{keeper});
    my $worker = worker_of($s->{keeper});
    CORE::kill('KILL', $worker) if $worker;
    CORE::kill('KILL', $s->{keeper});
    is heard($s, qr/^(exit|signal)/), 'signal 9', 'both killed';
}

subtest 'what the manager is told' => sub {
    my $s = service();
    is_deeply [ map { /^store (.*)/ ? $1 : () } @{ $s->{before} } ], [qw(lockfs-connection lockfs-state lockfs-source)], 'it keeps three descriptors';
    my $c = client();
    expect ok => $c, 'mkdir', "$s->{p}/x.lock";
    CORE::kill('KILL', worker_of($s->{keeper}));
    expect EEXIST => $c, 'mkdir', "$s->{p}/x.lock";
    ok heard($s, qr/^message STATUS=Serving \Q$s->{p}\E, by worker 2: the last died of signal 9$/), 'another worker';
    expect ok => $c, 'rmdir', "$s->{p}/x.lock";
    stop($s);
};

subtest 'in the background nothing is said to a manager that somebody else has' => sub {
    my $base = temp_path('background');
    mkdir $_ or die for $base, "$base/source", "$base/mnt";
    my $manager = spawn([ helper('manager'), "$base/socket", 0, $daemon, "$base/source", "$base/mnt" ]);
    $manager->send('start');
    my @lines;
    push @lines, $manager->recv until @lines && $lines[-1] =~ /^(exit|signal)/;
    is_deeply [ map { s/\d+/N/r } @lines ], [ 'pid N', 'exit N' ], 'it goes to the background, and that is all';
    my $c = client();
    expect ok => $c, 'mkdir', "$base/mnt/x.lock";
    expect ok => $c, 'rmdir', "$base/mnt/x.lock";
    my ($pid) = map { m{/(\d+)/} } grep { slurp($_) =~ m{\0\Q$base/source\E\0} && slurp($_) !~ /manager/ } glob '/proc/[0-9]*/cmdline';
    my $pidfd = pidfd_open($pid);
    ok run_quiet('umount', "$base/mnt"), 'unmounted';
    ok wait_readable($pidfd, 20), 'it ends';
    $manager->close_pipes;
};

subtest 'unmounted by hand' => sub {
    my $s = service();
    ok run_quiet('umount', $s->{p}), 'unmounted';
    is heard($s, qr/^(exit|signal)/), 'exit 0', 'it ends well';
    is scalar(grep { /^(drop|lost)/ } @{ $s->{before} }), 3, 'nothing is kept';
    $s->{m}->close_pipes;
};

subtest 'the worker takes the place of the keeper' => sub {
    my $s = service(watchdog => 400_000);
    my $c = client();
    expect ok => $c, 'mkdir', "$s->{p}/x.lock";
    my $worker = worker_of($s->{keeper});
    CORE::kill('KILL', $s->{keeper});
    is heard($s, qr/^(exit|signal)/), 'signal 9', 'killed';
    ok heard($s, qr/^message MAINPID=$worker$/), 'the manager is told of the new main process';
    ok heard($s, qr/^message WATCHDOG=1/), 'which gives signs of life';
    expect EEXIST => $c, 'mkdir', "$s->{p}/x.lock";
    my $pidfd = pidfd_open($worker);
    $s->{m}->send('stop');
    ok heard($s, qr/^message STOPPING=1$/), 'it is the one that is stopped';
    ok wait_readable($pidfd, 20), 'it ends';
    $s->{m}->close_pipes;
};

subtest 'signs of life' => sub {
    my $s = service(watchdog => 400_000, env => { LOCKFS_HANG_SECONDS => 1000 });
    my $c = client();
    ok heard($s, qr/^message WATCHDOG=1$/), 'idle' for 1 .. 3;
    expect ok => $c, 'mkdir', "$s->{p}/x";
    ok heard($s, qr/^message WATCHDOG=1$/), 'and after work';
    my $worker = worker_of($s->{keeper});
    CORE::kill('STOP', $worker);
    $c->start('mkdir', "$s->{p}/y");
    my $in_a_row = 0;
    $in_a_row++ while $in_a_row < 10 && defined heard($s, qr/^message WATCHDOG=1$/, 1.5);
    cmp_ok $in_a_row, '<', 10, 'none while a worker hangs over a request';
    CORE::kill('CONT', $worker);
    is $c->reply, 'ok', 'it goes on';
    ok heard($s, qr/^message WATCHDOG=1$/), 'and they come again';
    stop($s);
};

# What clients hold before, and find again after.
sub hold {
    my ($s, %opt) = @_;
    my ($p, $owner, $victim, $other) = ($s->{p}, map { client(%opt) } 1 .. 3);
    my %h = (%$s, owner => $owner, other => $other, victim => $victim);
    expect ok => $owner, 'mkdir', "$p/$_" for 'dir', 'x.lock';
    expect ok => $owner, 'put', "$p/dir/file", 'text';
    expect ok => $victim, 'mkdir', "$p/victim.lock";
    expect ok => $victim, 'put', "$p/victim.lock/owner", 'me';
    $h{file}    = $owner->get('open', 'rw,creat', "$p/open");
    $h{append}  = $owner->get('open', 'w,creat,append', "$p/log");
    $h{moved}   = $owner->get('open', 'rw,creat', "$p/from");
    $h{deleted} = $owner->get('open', 'rw,creat', "$p/deleted");
    expect ok => $owner, 'write', $h{$_}, 'text' for qw(file append moved deleted);
    expect ok => $owner, 'rename', "$p/from", "$p/dir/to";
    expect ok => $owner, 'unlink', "$p/deleted";
    expect ok => $owner, 'flock', $h{file}, 'ex';
    expect ok => $owner, 'chdir', "$p/dir";
    return \%h;
}

sub still_held {
    my ($h) = @_;
    my ($p, $owner, $other) = @$h{qw(p owner other)};
    expect EEXIST    => $other, 'mkdir', "$p/x.lock";
    expect EBUSY     => $other, 'rmdir', "$p/x.lock";
    expect 'ok text' => $owner, 'pread', $h->{$_}, 4, 0 for qw(file moved);
    expect 'ok text' => $owner, 'get', 'file';
    expect ok        => $owner, 'write', $h->{append}, 'more';
    is_deeply [ sort $other->list("$p/dir") ], [ 'file', 'to' ], 'a directory is listed';
}

for my $source ('a directory', 'none', 'an ordinary user') {
    subtest "killed together, $source" => sub {
        my $user = $source =~ /user/ ? unprivileged() : undef;
        my $s = service(user => $user, $source eq 'none' ? (source => 'none') : ());
        my $h = hold($s, user => $user);
        my ($p, $owner, $other) = @$h{qw(p owner other)};
        kill_both($s);
        $other->start('stat', "$p/dir/file");
        $h->{victim}->kill9;
        start($s);
        like $other->reply, qr/^ok/, 'who asked meanwhile is answered';
        still_held($h);
        expect ENOENT => $other, 'stat', "$p/victim.lock";
        expect ESTALE => $owner, 'pread', $h->{deleted}, 4, 0;
        like slurp($s->{log}), qr/open file of thread \d+ is lost.*: it had been removed/, 'the log says so';
        expect ok => $owner, 'close', $h->{deleted};
        kill_both($s);
        start($s);
        still_held($h);
        expect 'ok textmoremore' => $owner, 'get', "$p/log";
        CORE::kill('KILL', worker_of($s->{keeper}));
        still_held($h);
        my $waits = spawn(sub {
            $| = 1;
            Lockfs::Sys::become($user) if defined $user;
            open my $fh, '<', "$p/open" or die "open: $!";
            say 'waits';
            flock $fh, LOCK_EX or die "flock: $!";
            say 'has it';
        });
        $waits->recv;
        kill_both($s);
        start($s);
        expect ok => $owner, 'flock', $h->{file}, 'un';
        is $waits->recv(20), 'has it', 'who waited for a flock gets it';
        $waits->wait;
        expect ok => $owner, 'chdir', '/';
        my $w = defined $user ? undef : watcher($p);    # root does not get into a user's mount
        $owner->kill9;
        if ($w) {
            ok scalar($w->until('DELETE', 'x.lock', 20)), 'a death is noticed without a look';
            $w->stop;
        }
        expect ok => $other, 'mkdir', "$p/x.lock";
        expect ok => $other, 'rmdir', "$p/x.lock";
        stop($s);
    };
}

subtest 'an owner and its heir' => sub {
    my $s = service();
    my ($p, $other) = ($s->{p}, client());
    my ($script, $fifo) = (temp_path('script'), temp_path('fifo'));
    POSIX::mkfifo($fifo, 0600) or die;
    open my $out, '>', $script or die;
    print {$out} "( mkdir $p/x.lock && echo taken; exec >&-; read line < $fifo; : ) &\nread line\nexit 0\n";
    close $out;
    my $holder = spawn([ 'sh', $script ]);
    is $holder->recv, 'taken', 'taken by a subshell';
    kill_both($s);
    $holder->send('end');
    $holder->wait;
    start($s);
    expect EEXIST => $other, 'mkdir', "$p/x.lock";
    expect EBUSY  => $other, 'rmdir', "$p/x.lock";
    my $w = watcher($p);
    { open my $end, '>', $fifo or die }
    ok scalar($w->until('DELETE', 'x.lock', 20)), 'it goes with the heir';
    $w->stop;
    stop($s);
};

# Each call is interrupted at each point that it passes, and both processes are killed there.
my %calls = (
    mkdir  => [ [],                           [qw(mkdir x.lock)],          [qw(rmdir x.lock)] ],
    create => [ [],                           [qw(excl f.lock 0)],         [qw(unlink f.lock)] ],
    unlink => [ [qw(excl f.lock)],            [qw(unlink f.lock)],         [] ],
    rename => [ [qw(excl i.lock)],            [qw(rename i.lock index)],   [qw(unlink index)] ],
    move   => [ [qw(mkdir from)],             [qw(rename from to)],        [qw(rmdir to)] ],
    append => [ [qw(put log old)],            [ qw(run sh -c), 'printf new >> %p/log' ], [qw(holds log oldnew)] ],
    write  => [ [],                           [qw(put w text)],            [qw(unlink w)] ],
);

# With its paths in the mount.
sub placed {
    my ($p, $command, @args) = @_;
    return ($command, map { s/%p/$p/r } @args) if $command eq 'run';
    $args[$_] = "$p/$args[$_]" for 0 .. ($command eq 'rename' ? 1 : 0);
    return ($command, @args);
}

sub act {
    my ($c, $p, @call) = @_;
    return () if !@call;
    my ($command, @args) = placed($p, @call);
    if ($command eq 'holds') {
        my $got = slurp($args[0]);
        return unlink($args[0]) && $got eq $args[1] ? () : "$args[0] holds '$got'";
    }
    my $got = $c->do($command, @args);
    return $got =~ /^ok/ ? () : "@args: $got";
}

# Has the worker been killed, and not just answered?
sub ended_in {
    my ($worker, $client) = @_;
    my $both = IO::Select->new($worker, $client->{from});
    return 1 if grep { $_ == $worker } $both->can_read(20);
    return wait_readable($worker, 1);
}

subtest 'killed together in the middle of a call' => sub {
    need_crash_points;
    my $file = temp_path('crash-point');
    my $s = service(daemon => crash_daemon(), env => { LOCKFS_CRASH_POINT => $file });
    my ($p, $c) = ($s->{p}, client());
    my ($kills, @wrong) = (0);
    for my $name (sort keys %calls) {
        my ($before, $call, $after) = @{ $calls{$name} };
        my ($command, @args) = placed($p, @$call);
        # Once before, so that what is remembered from call to call is.
        push @wrong, act($c, $p, @$before), $c->do($command, @args) =~ /^ok/ ? () : $name, act($c, $p, @$after);
        push @wrong, act($c, $p, @$before);
        { open my $fh, '>', $file or die; print {$fh} '?' }
        unlink "$file.passed";
        push @wrong, $c->do($command, @args) =~ /^ok/ ? () : $name;
        unlink $file;
        push @wrong, act($c, $p, @$after);
        my %seen;
        my @passed = grep { !$seen{$_}++ } split /\n/, slurp("$file.passed");
        @passed = grep { !(++$seen{every} % 4) } @passed if $ENV{LOCKFS_QUICK};
        for my $point (@passed) {
            push @wrong, act($c, $p, @$before);
            my $worker = pidfd_open(worker_of($s->{keeper}));
            CORE::kill('STOP', $s->{keeper});
            { open my $fh, '>', $file or die; print {$fh} $point }
            $c->start($command, @args);
            if (!ended_in($worker, $c)) {    # some depend on what the kernel forgets when
                unlink $file;
                CORE::kill('CONT', $s->{keeper});
                push @wrong, "$point of $name: " . $c->{buffer} if $c->reply !~ /^ok/;
                push @wrong, act($c, $p, @$after);
                next;
            }
            CORE::kill('KILL', $s->{keeper});
            heard($s, qr/^signal 9/);
            $s->{m}->send('start');
            ($s->{keeper}) = heard($s, qr/^pid/) =~ /(\d+)/;
            my $got = $c->reply(30);
            push @wrong, "$name killed at $point: $got" if $got !~ /^ok/;
            push @wrong, map { "$name killed at $point: $_" } act($c, $p, @$after);
            $kills++;
        }
    }
    is join("\n", @wrong), '', "$kills deaths, each as if nothing had happened";
    is_deeply [ $c->list($p) ], [], 'nothing is left over';
    stop($s);
};

subtest 'and again while it takes up what was kept' => sub {
    need_crash_points;
    my $file = temp_path('crash-point-2');
    my $s = service(daemon => crash_daemon(), env => { LOCKFS_CRASH_POINT => $file });
    my $h = hold($s);
    my $c = client();
    for my $point (qw(recovery-ending recovered takeover-fed takeover-finished)) {
        my $worker = pidfd_open(worker_of($s->{keeper}));
        CORE::kill('STOP', $s->{keeper});
        { open my $fh, '>', $file or die; print {$fh} 'act-executed' }
        $c->start('mkdir', "$s->{p}/$point.lock");
        ok wait_readable($worker, 20), "killed in the middle of a call, and at $point";
        { open my $fh, '>', $file or die; print {$fh} $point }
        kill_both($s);
        start($s);
        is $c->reply(30), 'ok', 'the call is done';
        ok wait_for(sub { !-e $file }, watch => $file =~ s{/[^/]+$}{}r, timeout => 20), 'the point was passed';    # after the answer, perhaps
        expect EEXIST => $h->{other}, 'mkdir', "$s->{p}/$point.lock";
        expect EBUSY  => $h->{other}, 'rmdir', "$s->{p}/$point.lock";
        expect ok     => $c, 'rmdir', "$s->{p}/$point.lock";
        still_held($h);
    }
    expect ok => $h->{owner}, 'chdir', '/';
    stop($s);
};

subtest 'an old worker that still runs is ended first' => sub {
    my $s = service();
    my ($p, $c) = ($s->{p}, client());
    expect ok => $c, 'mkdir', "$p/x.lock";
    my $worker = worker_of($s->{keeper});
    my $pidfd  = pidfd_open($worker);
    CORE::kill('STOP', $worker);    # so that it cannot take the keeper's place
    CORE::kill('KILL', $s->{keeper});
    is heard($s, qr/^(exit|signal)/), 'signal 9', 'killed';
    start($s);
    ok wait_readable($pidfd, 1), 'it has ended';
    expect EEXIST => $c, 'mkdir', "$p/x.lock";
    expect ok => $c, 'rmdir', "$p/x.lock";
    stop($s);
};

subtest 'unmounted meanwhile: mounted anew' => sub {
    my $s = service();
    my ($p, $c, $other) = ($s->{p}, client(), client());
    expect ok => $c, 'mkdir', "$p/x.lock";
    kill_both($s);
    run_quiet('umount', '-l', $p) or die;
    start($s);
    expect EEXIST => $other, 'mkdir', "$p/x.lock";
    expect EBUSY  => $other, 'rmdir', "$p/x.lock";
    expect ok => $c, 'rmdir', "$p/x.lock";
    stop($s);
};

subtest 'a state that cannot be read: mounted anew' => sub {
    my $s = service();
    my ($p, $c) = ($s->{p}, client());
    expect ok => $c, 'mkdir', "$p/x.lock";
    kill_both($s);
    my ($dev, $ino) = stat $s->{source};
    my $file = sprintf "$ENV{LOCKFS_STATE_DIR}/%x-%x", $dev, $ino;
    open my $fh, '+<', $file or die "$file: $!";
    sysseek $fh, 3 * 2**30 + 8, 0 or die;
    syswrite $fh, pack 'L', 77 or die;
    start($s);
    like slurp($s->{log}), qr/of another version of lockfs/, 'it says why';
    expect EEXIST => client(), 'mkdir', "$p/x.lock";
    stop($s);
};

subtest 'nothing was kept: the broken mount is taken away' => sub {
    my $s = service();
    my ($p, $c, $other) = ($s->{p}, client(), client());
    expect ok => $c, 'mkdir', "$p/x.lock";
    kill_both($s);
    $s->{m}->close_pipes;
    $s->{m}->wait;
    expect ENOTCONN => $other, 'stat', "$p/x.lock";
    my $again = manage("$s->{p}-2", $s->{source}, $p);
    start($again);
    like slurp($again->{log}), qr/nobody serves the lockfs that is mounted here/, 'the log says so';
    expect EBUSY => $other, 'rmdir', "$p/x.lock";
    expect ok => $c, 'rmdir', "$p/x.lock";
    stop($again);
};

done_testing;
