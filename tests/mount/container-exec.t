# Whoever enters a container from outside, as `docker exec` does, is not of the family of those inside; nor are
# the orphans they leave, which process 1 adopts.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;
use Lockfs::Ctl;

need_crun;
need_program('nsenter');

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $host) = ($m->path, client());

sub owner_of { return ctl_json([ 'show', '--json', "$p/$_[0]" ])->{owner} }

for my $userns (undef, first_uid) {
    chmod 0777, $p;
    subtest 'exec into a container' . ($userns ? ' in a user namespace' : '') => sub {
        my $c = container(binds => { '/state' => $p }, userns => $userns);
        my $e = exec_client($c);
        is $e->get('ppid'), 0, 'its parent is outside';
        expect ok => $e, 'mkdir', '/state/e.lock';
        is owner_of('e.lock')->{pid}, $e->pid, 'who entered owns';
        expect EBUSY => $c, 'rmdir', '/state/e.lock';
        expect ok    => $c, 'mkdir', '/state/c.lock';
        expect EBUSY => $e, 'rmdir', '/state/c.lock';
        expect EBUSY => $e, 'orphan', 'rmdir', '/state/c.lock';
        my $away = $e->fork_client(detach => 1, setsid => 1);
        is $away->get('ppid'), 1, 'a daemon left behind is adopted by process 1';
        expect EBUSY => $away, 'rmdir', '/state/c.lock';
        expect ok    => $e, 'sub', 'rmdir', '/state/e.lock';
        expect ok    => $e, 'mkdir', '/state/e.lock';
        expect EBUSY => $away, 'rmdir', '/state/e.lock';
        expect ok    => $away, 'mkdir', '/state/a.lock';
        $e->kill9;
        is $host->stat("$p/e.lock"), 'ENOENT', 'gone with who entered';
        is ref $host->stat("$p/a.lock"), 'HASH', 'the daemon holds its own';
        expect ok => $c, 'sub', 'rmdir', '/state/c.lock';
        expect ok => $c, 'mkdir', '/state/c.lock';
        expect ok => $c, 'orphan', 'rmdir', '/state/c.lock';
        $c->kill_init;
        is_deeply [ $host->list($p) ], [], 'all of the container is gone';
    };
}

subtest 'what a helper makes belongs to the runtime that waits for it' => sub {
    my $c  = container(binds => { '/state' => $p });
    my $in = script_in($c, 'mkdir /state/s.lock && echo held && read line && rmdir /state/s.lock && echo released');
    is $in->recv, 'held', 'a script';
    is owner_of('s.lock')->{comm}, 'busybox', 'that entered owns what its helper made';
    expect EBUSY => $c, 'rmdir', '/state/s.lock';
    $in->send('');
    is $in->recv, 'released', 'and its helper releases it';
    $in->wait;
    is run([ exec_argv($c), 'mkdir', '/state/h.lock' ])->{status}, 'exit 0', 'mkdir alone';
    is $host->stat("$p/h.lock"), 'ENOENT', 'its lock goes with the runtime that ran it';
    $c->kill_init;
};

sub exec_argv { my ($c) = @_; return (Lockfs::Container::runtime(), 'exec', $c->{name}) }

sub script_in {
    my ($c, $text) = @_;
    return spawn([ exec_argv($c), '/usr/bin/busybox', 'sh', '-c', "$text; exit" ], stderr => temp_path('stderr'));
}

subtest 'three pid namespaces deep' => sub {
    for my $depth (1 .. 3) {
        my $one     = client(pidns => $depth);
        my $entered = client(under => [ 'setsid', '-w', 'nsenter', '--pid=/proc/' . $one->get('pid') . '/ns/pid', '--' ]);
        is $entered->get('ppid'), 0, "$depth deep: entered";
        expect ok    => $one, 'mkdir', "$p/x.lock";
        expect EBUSY => $entered, 'rmdir', "$p/x.lock";
        expect EBUSY => $entered, 'orphan', 'rmdir', "$p/x.lock";
        my $child = $one->fork_client;
        expect ok    => $child, 'mkdir', "$p/y.lock";
        expect EBUSY => $one, 'rmdir', "$p/y.lock";
        expect EBUSY => $entered, 'orphan', 'rmdir', "$p/y.lock";
        expect ok    => $child, 'orphan', 'rmdir', "$p/x.lock";
        expect ok    => $one, 'subsub', 'mkdir', "$p/x.lock";
        $one->kill9;
        is_deeply [ $host->list($p) ], [], 'all gone';
        $entered->wait_dead;
    }
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
