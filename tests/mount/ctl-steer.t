# Changing what is held, and hearing of it: wait, run, break, transfer, watch, healed, restore, metrics.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
chmod 0777, $p;
my $other = client();

# A program with its output to be read line by line.
sub start { my (@args) = @_; return spawn([ ctl_program(), @args ]) }

# The next event of this kind about a path.
sub event {
    my ($stream, $want, $path) = @_;
    while (defined(my $line = $stream->recv(20))) {
        my $event = from_json($line);
        return $event if $event->{event} eq $want && $event->{path} eq $path;
    }
    return {};
}

# Events from now on: the descriptor is open before this returns.
sub watching {
    my ($dir) = @_;
    my $watch = start('watch', '--json', $dir);
    my $c = client();
    my $probe = "$dir/probe-" . $watch->pid . '.lock';
    my $seen = 0;
    until ($seen) {
        $c->do('mkdir', $probe);
        $c->do('rmdir', $probe);
        $seen = eval { defined $watch->recv(0.2) };
    }
    $c->do('mkdir', "$dir/begin.lock");
    $c->do('rmdir', "$dir/begin.lock");
    my $line = '';
    $line = $watch->recv(20) // die 'no events' until $line =~ /"released".*begin\.lock/;
    return $watch;
}

subtest 'watch' => sub {
    my ($a, $b) = (watching($p), watching($p));
    my $holder = client();
    expect ok     => $holder, 'mkdir', "$p/x.lock";
    expect EEXIST => $other,  'mkdir', "$p/x.lock";
    for my $watch ($a, $b) {
        my $acquired = event($watch, 'acquired', 'x.lock');
        is $acquired->{path}, 'x.lock', 'acquired';
        is $acquired->{owner}{pid}, $holder->pid, 'by whom';
        is event($watch, 'contended', 'x.lock')->{waiter}{pid}, $other->pid, 'contended';
    }
    expect EBUSY => $other, 'rmdir', "$p/x.lock";
    is event($a, 'refused', 'x.lock')->{by}{pid}, $other->pid, 'refused';
    $holder->kill('TERM');
    $holder->wait;
    my $healed = event($a, 'healed', 'x.lock');
    is_deeply [ @$healed{qw(reason signal)} ], [ 'signalled', 15 ], 'healed, and the signal';
    $_->kill('TERM') for $a, $b;
    $_->wait for $a, $b;
};

subtest 'a slow reader' => sub {
    open my $events, '<', "$p/.lockfs/events" or die $!;
    for (1 .. 2100) { $other->do('mkdir', "$p/s.lock"); $other->do('rmdir', "$p/s.lock") }
    my ($text, $last) = ('', '');
    while ($text !~ /"lost"/) { sysread($events, $last, 65536) or last; $text .= $last }
    like $text, qr/\{"event":"lost","count":\d+\}/, 'is told that it lost some';
};

subtest 'wait' => sub {
    my $holder = client();
    ctl_status 0, [ 'wait', "$p/w.lock" ];
    expect ok => $holder, 'mkdir', "$p/w.lock";
    ctl_status 5, [ 'wait', '--timeout', '50ms', "$p/w.lock" ], qr/timed out/;
    ctl_status 2, [ 'wait', '--timeout', 'soon', "$p/w.lock" ], qr/span of time/;
    ctl_status 3, [ 'wait', '/w.lock' ];
    for my $end (qw(rmdir kill)) {
        my $wait = start('wait', "$p/w.lock");
        expect ok => $holder, 'rmdir', "$p/w.lock" if $end eq 'rmdir';
        $holder->kill9 if $end eq 'kill';
        is $wait->wait(20), 0, "returns after $end";
        if ($end eq 'rmdir') { expect ok => $holder, 'mkdir', "$p/w.lock" }
    }
};

subtest 'run' => sub {
    my $r = ctl_status 7, [ 'run', "$p/r.lock", '--', 'sh', '-c', "cat '$p/.lockfs/locks'; exit 7" ];
    is from_json($r->{out})->{path}, 'r.lock', 'held while it runs';
    expect ENOENT => $other, 'rmdir', "$p/r.lock";
    expect ok     => $other, 'mkdir', "$p/r.lock";
    ctl_status 5,  [ 'run', '-t', '0', "$p/r.lock", '--', 'true' ], qr/held by someone else/;
    ctl_status 99, [ 'run', '-t', '0', '-E', '99', "$p/r.lock", '--', 'true' ];
    my $wait = start('run', "$p/r.lock", '--', 'true');
    expect ok => $other, 'rmdir', "$p/r.lock";
    is $wait->wait(20), 0, 'waits for its turn';
    ctl_status 1,   [ 'run', "$p/plain", '--', 'true' ], qr/no lock here/;
    ctl_status 127, [ 'run', "$p/r.lock", '--', '/nonexistent' ], qr/cannot be run/;
    ctl_status 2,   [ 'run', "$p/r.lock" ], qr/expected/;
};

subtest 'break' => sub {
    my $holder = client();
    expect ok => $holder, 'mkdir', "$p/b.lock";
    expect ok => $holder, 'put', "$p/b.lock/content", 'text';
    ctl_status 2, [ 'break', "$p/b.lock" ], qr/--yes/;
    ctl_status 4, [ 'break', '--yes', "$p/none.lock" ];
    ctl_status 6, [ 'break', '--yes', "$p/b.lock" ], qr/not permitted/, user => unprivileged;
    is((control($p, 'break b.lock 1'))[0], 'Stale file handle', 'not if it is another claim');
    my $w = watcher($p);
    ctl_status 0, [ 'break', '--yes', "$p/b.lock" ], qr/is held by process ${\ $holder->pid} \(client\)/;
    ok scalar($w->until('DELETE', 'b.lock', 10)), 'watchers hear of it';
    $w->stop;
    expect ok => $other, 'mkdir', "$p/b.lock";
    expect EBUSY => $holder, 'rmdir', "$p/b.lock";
    like $m->log, qr/break path="b\.lock" token=\d+ pid=${\ $holder->pid} .*by_uid=0/, 'the log says who did it';
    expect ok => $other, 'rmdir', "$p/b.lock";
    ctl_status 0, [ 'restore', "$p/b.lock" ];
    expect 'ok text' => $other, 'get', "$p/b.lock/content";
    run([ 'rm', '-r', "$p/b.lock" ], timeout => 10);

    expect ok => $holder, 'mkdir', "$p/k.lock";
    ctl_status 0, [ 'break', '--yes', '--kill', "$p/k.lock" ];
    is $holder->wait, 9, 'its owner is dead';
    expect ENOENT => $other, 'rmdir', "$p/k.lock";

    my $user = client(user => unprivileged);
    expect ok => $user, 'mkdir', "$p/u.lock";
    ctl_status 0, [ 'break', '--yes', "$p/u.lock" ], undef, user => unprivileged;
};

subtest 'transfer' => sub {
    my ($from, $to) = (client(), client());
    expect ok => $from, 'mkdir', "$p/t.lock";
    my $before = ctl_json([ 'show', '--json', "$p/t.lock" ]);
    ctl_status 0, [ 'transfer', "$p/t.lock", $to->pid ];
    my $after = ctl_json([ 'show', '--json', "$p/t.lock" ]);
    is $after->{owner}{pid}, $to->pid, 'the new owner';
    ok $after->{token} > $before->{token}, 'with a new token';
    expect EBUSY => $from, 'rmdir', "$p/t.lock";
    $from->kill9;
    $from->wait;
    is $other->stat("$p/t.lock") ne 'ENOENT', 1, 'outlives the old owner';
    my $dead = $from->pid;
    ctl_status 1, [ 'transfer', "$p/t.lock", $dead ], qr/no living process/;
    ctl_status 2, [ 'transfer', "$p/t.lock", 'x' ], qr/process id/;
    ctl_status 6, [ 'transfer', "$p/t.lock", $$ ], qr/not permitted/, user => unprivileged;
    $to->kill9;
    $to->wait;
    expect ok => $other, 'mkdir', "$p/t.lock";
    expect ok => $other, 'rmdir', "$p/t.lock";
};

subtest 'healed and restore' => sub {
    my $holder = client();
    expect ok => $holder, 'mkdir', "$p/h.lock";
    expect ok => $holder, 'put', "$p/h.lock/work", 'precious';
    $holder->kill9;
    $holder->wait;
    expect ENOENT => $other, 'get', "$p/h.lock/work";
    my ($heal) = grep { $_->{path} eq 'h.lock' } @{ ctl_json([ 'healed', '--json', $p ]) };
    ($heal) = wait_for(sub { ($heal) = grep { $_->{path} eq 'h.lock' } @{ ctl_json([ 'healed', '--json', $p ]) } }, watch => $p) if !$heal;
    ($heal) = grep { $_->{path} eq 'h.lock' } @{ ctl_json([ 'healed', '--json', $p ]) };
    is_deeply [ @$heal{qw(reason signal)} ], [ 'signalled', 9 ], 'names the signal';
    ok $heal->{kept}, 'its content is kept';
    like ctl([ 'healed', $p ])->{out}, qr/^h\.lock .*signal 9 \(Killed\)/m, 'in words';
    expect ok => $other, 'mkdir', "$p/h.lock";
    ctl_status 5, [ 'restore', "$p/h.lock" ], qr/--as/;
    ctl_status 6, [ 'restore', "$p/h.lock" ], qr/not permitted/, user => unprivileged;
    ctl_status 0, [ 'restore', '--as', 'rescued', "$p/h.lock" ];
    expect 'ok precious' => $other, 'get', "$p/rescued/work";
    ctl_status 4, [ 'restore', "$p/h.lock" ], qr/not kept/;
};

subtest 'stats and metrics' => sub {
    my $stats = ctl_json([ 'stats', '--json', $p ]);
    ok $stats->{acquired} > 0 && $stats->{healed}{signalled} > 0 && $stats->{healed}{broken} == 2, 'counted';
    ok $stats->{requests}{mkdir}{count} > 0, 'requests, too';
    my $metrics = ctl([ 'metrics', $p ])->{out};
    like $metrics, qr/^lockfs_heals_total\{reason="signalled"\} [1-9]/m, 'by reason';
    like $metrics, qr/^lockfs_heals_by_signal_total\{signal="KILL"\} [1-9]/m, 'and by signal';
    like $metrics, qr/^lockfs_heals_by_signal_total\{signal="TERM"\} [1-9]/m, 'each';
    ok $stats->{healed_by_signal}{KILL} > 0, 'the same in stats';
    my $file = temp_path('metrics');
    open my $out, '>', $file or die $!;
    print $out $metrics;
    close $out;
    SKIP: {
        skip 'needs the program promtool', 1 if !grep { -x "$_/promtool" } split /:/, $ENV{PATH};
        my $r = run([ 'sh', '-c', 'promtool check metrics <"$1"', 'sh', $file ], timeout => 60);
        is $r->{status}, 'exit 0', 'promtool finds nothing wrong' or diag $r->{out}, $r->{err};
    }
};

subtest 'the log' => sub {
    my $fields = qr/path="[^"]*" token=\d+ pid=\d+ comm="[^"]*" uid=\d+ by=\d+ by_uid=\d+ reason=\S+$/m;
    like $m->log, qr/heal $fields/,   'heals';
    like $m->log, qr/refuse $fields/, 'refusals';
    like $m->log, qr/transfer $fields/, 'transfers';
};

subtest 'a mount of an ordinary user' => sub {
    my $u = mount_lockfs(user => unprivileged);
    my $dir = $u->path;
    my $holder = client(user => unprivileged);
    expect ok => $holder, 'mkdir', "$dir/x.lock";
    my $claim = ctl_json([ 'show', '--json', "$dir/x.lock" ], user => unprivileged);
    is $claim->{owner}{pid}, $holder->pid, 'show';
    $holder->kill9;
    $holder->wait;
    ctl_status 0, [ 'wait', "$dir/x.lock" ], undef, user => unprivileged;
    is ctl_json([ 'stats', '--json', $dir ], user => unprivileged)->{acquired}, 1, 'stats';
    ctl_status 0, [ 'run', "$dir/x.lock", '--', 'true' ], undef, user => unprivileged;
};

subtest 'presets, doctor, help' => sub {
    like ctl(['presets'])->{out}, qr/^git +Git repositories/m, 'presets are found beside the program';
    is scalar(grep { $_->{name} eq 'git' } @{ ctl_json([ 'presets', '--json' ]) }), 1, 'in JSON';
    my $own = temp_path("presets");
    mkdir $own;
    open my $fh, '>', "$own/git.preset" or die $!;
    print $fh "[preset]\ndescription=ours\n[rules git]\nlock=x\n";
    close $fh;
    my ($git) = grep { $_->{name} eq 'git' } @{ ctl_json([ 'presets', '--json' ], env => { LOCKFS_PRESETS => $own }) };
    is_deeply [ @$git{qw(description file)} ], [ 'ours', "$own/git.preset" ], 'those of LOCKFS_PRESETS come first';
    my $doctor = ctl_json([ 'doctor', '--json', $p ]);
    is_deeply [ grep { $_->{result} ne 'ok' && !$_->{mend} } @$doctor ], [], 'each finding has its mend';
    for my $name (qw(list show explain wait run break transfer watch top healed restore stats metrics graph presets suggest doctor)) {
        my $r = ctl([ $name, '--help' ]);
        ok $r->{status} eq 'exit 0' && $r->{out} =~ /^Usage:\s+lockfs-ctl $name/m, "$name --help";
    }
    ctl_status 2, ['nonsense'], qr/no such subcommand/;
    ctl_status 2, ['top'], qr/terminal/;
};

done_testing;
