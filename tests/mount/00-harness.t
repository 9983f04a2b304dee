# The tools the other tests stand on do what their manual says. Needs no lockfs.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;

my $d = temp_path('plain');
mkdir $d;

subtest 'a client and its children' => sub {
    my $c     = client();
    my $child = $c->fork_client;
    my $lost  = $child->fork_client(detach => 1);
    is $child->get('ppid'), $c->pid, 'a child';
    isnt $lost->get('ppid'), $child->pid, 'an orphan has another parent';
    $child->kill_zombie;
    like slurp('/proc/' . $child->pid . '/stat'), qr/\) Z/, 'killed and not reaped is a zombie';
    is $child->wait, 9, 'its parent reaps it';
    expect ok => $c, 'exec';
    is $c->get('pid'), $c->pid, 'exec keeps the pid';
    expect ok => $c, 'leader-exit';
    like slurp('/proc/' . $c->pid . '/stat'), qr/\) Z/, 'the leader is gone';
    expect ok => $c, 'mkdir', "$d/by-a-thread";
    is $c->kill9, 9, 'killed';
    is $c->do('pid'), 'GONE', 'and gone';
};

subtest 'names of any bytes' => sub {
    my $c    = client();
    my $name = "a b\n%41\xff.lock";
    expect ok => $c, 'mkdir', "$d/$name";
    ok scalar(grep { $_ eq $name } $c->list($d)), 'listed as made';
    expect EEXIST => $c, 'mkdir', "$d/$name";
    expect ok => $c, 'subsub', 'rmdir', "$d/$name";
    is $c->stat("$d/$name"), 'ENOENT', 'stat of nothing';
    is $c->stat($d)->{type}, 'dir', 'stat of a directory';
    expect ok => $c, qw(times 3 mkdir), "$d/n{}";
    expect 'EEXIST at 0' => $c, qw(times 3 mkdir), "$d/n{}";
};

subtest 'pids' => sub {
    my $deep = client(pidns => 2);
    is $deep->get('ppid'), 0, 'process 1 of its namespace';
    is $deep->get('pid'), $deep->pid, 'known by the pid of this one';
    is $deep->kill9, 9, 'ends as it was killed';
    my $c   = client();
    my $pid = $c->pid;
    $c->kill9;
    reuse_pid($pid, sub { my ($again) = @_; is $again->get('pid'), $pid, 'the same pid again' });
};

subtest 'users' => sub {
    my $c = client(user => unprivileged);
    expect EACCES => $c, 'mkdir', "$d/not-allowed";
    is slurp('/proc/' . $c->pid . '/status') =~ /^Uid:\s+(\d+)/m ? $1 : '', getpwnam(unprivileged), 'its uid';
};

subtest 'io_uring' => sub {
    my $c = client();
    expect qr/^(ok|ENOSYS|EPERM)$/ => $c, 'uring-mkdir', "$d/ring-$_", $_ for qw(plain async sqpoll);
};

subtest 'watching' => sub {
    my $c = client();
    expect ok => $c, 'mkdir', "$d/w.lock";
    my $w = watcher($d, "$d/w.lock");
    expect ok => $c, 'rmdir', "$d/w.lock";
    my @events = $w->until('DELETE', 'w.lock');
    ok scalar(grep { $_->{mask} eq 'DELETE_SELF' && $_->{path} eq "$d/w.lock" } @events), 'the lock itself';
    is $events[-1]{isdir}, 1, 'of a directory';
    $w->stop;
    $c->start('mkdir', "$d/later");
    ok wait_for(sub { -d "$d/later" }, watch => $d), 'waited for';
};

subtest 'the hammer finds two owners where there is no lock, and none where there is' => sub {
    my @hammer = (helper('hammer'), '--kills-per-second', 0, '--acquisitions', 2000, '--processes', 4);
    for my $method (qw(mkdir excl link symlink rename)) {
        my $r = run([ @hammer, '--method', $method, $d ]);
        is $r->{status}, 'exit 0', "$method: $r->{out}";
    }
    my $r = run([ @hammer, '--method', 'nothing', $d ]);
    is $r->{status}, 'exit 1', 'no lock';
    like $r->{out}, qr/^VIOLATION/m, 'two owners seen';
};

done_testing;
