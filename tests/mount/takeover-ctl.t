# What lockfs-ctl and readers of .lockfs see of a worker's death: the files stay open, events go on, commands that wait go
# on waiting, what was healed and counted is still known.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::Sys qw(slurp worker_of);
use Errno qw(ESTALE);

need_root;
need_fuse;


# The worker is dead when this returns, and another one has answered.
sub kill_worker {
    my ($m, $signal) = @_;
    my $worker = worker_of($m->pid);
    CORE::kill($signal // 'KILL', $worker);
    wait_dead($worker, 20);
    -e $m->path;
    stat $m->path . '/.lockfs/stats';
}

sub event {
    my ($stream, $want, $path) = @_;
    while (defined(my $line = $stream->recv(20))) {
        my $event = from_json($line);
        return $event if $event->{event} eq $want && ($event->{path} // '') eq ($path // '');
    }
    return {};
}

# Reads events from now on: until this one is seen, locks come and go.
sub listening {
    my ($stream, $p) = @_;
    my $c = client();
    for (1 .. 1000) {
        $c->do('mkdir', "$p/probe.lock");
        $c->do('rmdir', "$p/probe.lock");
        last if eval { defined $stream->recv(0.2) };
    }
    $c->do('mkdir', "$p/begin.lock");
    $c->do('rmdir', "$p/begin.lock");
    event($stream, 'released', 'begin.lock');
    return $stream;
}

sub read_some { my ($fh, $n) = @_; my $read = sysread($fh, my $text, $n); return defined $read ? $text : $! == ESTALE ? 'ESTALE' : "$!" }

sub metric { my ($p, $line) = @_; my ($n) = slurp("$p/.lockfs/metrics") =~ /^\Q$line\E (\d+)$/m; return $n }

for my $without ('', 'resend') {
    subtest 'readers' . ($without && ", without $without") => sub {
        my $m = mount_lockfs(source => 'tmpfs', env => { LOCKFS_WITHOUT => $without || undef });
        my ($p, $owner, $other) = ($m->path, client(), client());
        my $polls  = listening(spawn([ ctl_program(), 'watch', '--json', $p ]), $p);
        my $blocks = listening(spawn([ 'cat', "$p/.lockfs/events" ]), $p);
        $owner->do('mkdir', "$p/x.lock");
        my $seq = 0;
        for my $stream ($polls, $blocks) { $seq = event($stream, 'acquired', 'x.lock')->{seq} }

        my %open = map { my $fh; open $fh, '+<', "$p/.lockfs/control"; $_ => $fh } qw(asked unread late);
        open $open{$_}, '<', "$p/.lockfs/locks" for qw(whole half fresh);
        my $whole = read_some($open{whole}, 1 << 16);
        read_some($open{half}, 10);
        syswrite $open{$_}, 'show x.lock' for 'asked', 'unread';
        read_some($open{asked}, 1 << 16);
        my $waits = spawn([ ctl_program(), 'wait', "$p/x.lock" ]);
        my $runs  = spawn([ ctl_program(), 'run',  "$p/x.lock", '--', 'echo', 'ran' ]);
        event($polls, 'contended', 'x.lock');    # by lockfs-ctl run
        kill_worker($m) for 1 .. 2;

        for my $stream ($polls, $blocks) {
            my $event = event($stream, 'taken_over');
            is $event->{reason}, 'signalled', 'readers of events hear of the takeover';
            is $event->{signal}, 9, 'and of what';
            is $event->{claims}, 1, 'and of the claims';
            cmp_ok $event->{seq}, '>', $seq, 'numbers of events go on';
        }
        like $m->log, qr/^lockfs: \d+ requests were resent by the kernel/m, 'requests that were resent are logged' if !$without;
        is read_some($open{whole}, 1 << 16), '', 'a text read to its end is at its end';
        is read_some($open{half}, 1 << 16), 'ESTALE', 'one that was read in part cannot go on';
        like read_some($open{fresh}, 1 << 16), qr/"path":"x.lock"/, 'one that was not read is made anew';
        is read_some($open{asked}, 1 << 16), '', 'an answer that was read is over';
        is read_some($open{unread}, 1 << 16), 'ESTALE', 'one that was not is lost';
        syswrite $open{late}, 'show x.lock';
        like read_some($open{late}, 1 << 16), qr/"path":"x.lock"/, 'control takes commands';

        expect ok => $owner, 'rmdir', "$p/x.lock";
        is $waits->wait, 0, 'wait returns when the lock is gone';
        is $runs->recv(20), 'ran', 'run gets the lock';
        $runs->wait;
        is event($_, 'acquired', 'x.lock')->{event}, 'acquired', 'events go on' for $polls, $blocks;
        $_->kill('TERM'), $_->wait for $polls, $blocks;
        close $_ for values %open;
        is $m->umount, 'exit 0', 'the keeper ends well';
    };
}

subtest 'what is known' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'retain=1h', env => { LOCKFS_HANG_SECONDS => 1 });
    my ($p, $holder, $waiter, $victim) = ($m->path, client(), client(), client());
    $victim->do('mkdir', "$p/v.lock");
    $victim->do('put', "$p/v.lock/id", 'me');
    my $w = watcher($p);
    $victim->kill9;
    $w->until('DELETE', 'v.lock', 20);
    $w->stop;
    $holder->do('mkdir', "$p/h.lock");
    $waiter->do('mkdir', "$p/h.lock") for 1 .. 3;
    my $before = ctl_json([ 'stats', '--json', $p ]);
    my $lookups = metric($p, 'lockfs_request_duration_seconds_count{op="lookup"}');
    kill_worker($m) for 1 .. 3;
    my $after = ctl_json([ 'stats', '--json', $p ]);
    is $after->{$_}, $before->{$_}, "$_ as before" for qw(held acquired released contended refused);
    is_deeply $after->{healed}, $before->{healed}, 'heals as before';
    is_deeply $after->{takeovers}, { signalled => 3, hung => 0, replaced => 0, exited => 0 }, 'takeovers are counted';
    is metric($p, 'lockfs_takeovers_total{reason="signalled"}'), 3, 'and in the metrics';
    cmp_ok metric($p, 'lockfs_request_duration_seconds_count{op="lookup"}'), '>=', $lookups, 'histograms go on';
    my ($claim) = @{ ctl_json([ 'list', '--json', $p ]) };
    is $claim->{waiters}[0]{pid}, $waiter->pid, 'who waits is still known';
    my ($healed) = @{ ctl_json([ 'healed', '--json', $p ]) };
    is "$healed->{path} $healed->{signal}", 'v.lock 9', 'and what was healed, and why';
    is ctl([ 'restore', "$p/v.lock" ])->{status}, 'exit 0', 'content is given back';
    expect 'ok me' => $holder, 'get', "$p/v.lock/id";
    like $m->log, qr/another worker took over \(the last died of signal 9\): [\d.]+ ms, 1 claims and \d+ open files carried over, \d+ requests run again/,
        'the log tells of each';
    kill_worker($m, 'ABRT');
    like $m->log, qr/the last died of signal 6/, 'and of what the last one died';
    CORE::kill('STOP', worker_of($m->pid));
    expect EEXIST => $waiter, 'mkdir', "$p/h.lock";
    is ctl_json([ 'stats', '--json', $p ])->{takeovers}{hung}, 1, 'one that hangs is counted as such';
    is $m->umount, 'exit 0', 'the keeper ends well';
};
subtest 'a look at many claims leaves the journal alone' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $c) = ($m->path, client());
    is $c->do('times', 5000, 'mkdir', "$p/{}.lock"), 'ok', 'held';
    my ($state) = glob "$ENV{LOCKFS_STATE_DIR}/*";
    my $room = sub { return (stat $state)[12] };
    slurp("$p/.lockfs/stats");
    my $before = $room->();
    is scalar(() = slurp("$p/.lockfs/locks") =~ /\n/g), 5000, 'seen';
    is $room->(), $before, 'the state is as large as before';
    is $m->umount, 'exit 0', 'the keeper ends well';
};

subtest 'what is kept is deleted in its time' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'retain=1s');
    my ($p, $s, $c) = ($m->path, $m->source, client());
    mkdir "$s/other-fs";
    run([ 'mount', '-t', 'tmpfs', 'other', "$s/other-fs" ]);
    my $victim = client();
    for my $lock ('x.lock', 'other-fs/y.lock') {
        $victim->do('mkdir', "$p/$lock");
        $victim->do('put', "$p/$lock/id", 'me');
    }
    $victim->kill9;
    expect ok => $c, 'mkdir', "$p/$_" for 'x.lock', 'other-fs/y.lock';
    kill_worker($m) for 1 .. 2;
    my ($here, $there) = ("$s/.lockfs/healed", "$s/other-fs");
    my $gone = sub { join(' ', $c->list($here), $c->list($there)) eq 'y.lock' };
    ok wait_for($gone, watch => [ $here, $there ]), 'wherever it was kept';
    expect ok => $c, 'rmdir', "$p/$_" for 'x.lock', 'other-fs/y.lock';
    is $m->umount, 'exit 0', 'the keeper ends well';
    run([ 'umount', "$s/other-fs" ]);
};
done_testing;
