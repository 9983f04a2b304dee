# owner=session, container and parent, with daemons that fork and leave, in containers of a real runtime.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;

need_crun;

my $config = temp_path('lockfs.conf');
open my $fh, '>', $config or die;
print {$fh} map { "[rules $_]\nlock=*.$_\nowner=$_\n\n" } qw(process parent session container);
close $fh;
my $m = mount_lockfs(source => 'tmpfs', options => "allow_other,config=$config");
my ($p, $other) = ($m->path, client());
chmod 0777, $p;

sub held {
    my ($lock) = @_;
    expect EEXIST => $other, 'mkdir', "$p/$lock";
    expect EBUSY  => $other, 'rmdir', "$p/$lock";
}

sub gone_unseen {
    my ($lock, $end) = @_;
    my $w = watcher($p);
    $end->();
    ok scalar($w->until('DELETE', $lock, 20)), "$lock: gone, and nobody looked";
    is $other->stat("$p/$lock"), 'ENOENT', "$lock: gone";
    $w->stop;
}

sub in_container { my (%opt) = @_; return container(binds => { '/state' => $p }, pid => 7, %opt) }

# Forks twice, the first child in a session of its own, as daemon(3) does by the book: it leads no session.
sub daemon_of {
    my ($starter) = @_;
    my $leader = $starter->fork_client(detach => 1, setsid => 1);
    my $daemon = $leader->fork_client(detach => 1);
    $leader->kill('KILL');
    $leader->wait_dead;
    return $daemon;
}

subtest 'session: a daemon whose leader has left owns what it makes' => sub {
    my $starter = client();
    my $daemon  = daemon_of($starter);
    $starter->stop;
    expect ok => $daemon, 'mkdir', "$p/x.session";
    held('x.session');
    gone_unseen('x.session', sub { $daemon->kill('KILL') });
};

subtest 'session: a daemon that leads one' => sub {
    my $starter = client();
    my $daemon  = $starter->fork_client(detach => 1, setsid => 1);
    my $child   = $daemon->fork_client;
    expect ok => $child, 'mkdir', "$p/x.session";
    $starter->stop;
    $child->kill('KILL');
    $child->wait;
    held('x.session');
    gone_unseen('x.session', sub { $daemon->kill('KILL') });
};

subtest 'session: in a container' => sub {
    for my $userns (undef, first_uid) {
        my ($one, $two) = map { in_container(userns => $userns) } 1, 2;
        my $entered = exec_client($one);
        expect ok    => $one,     'mkdir', '/state/x.session';
        expect EBUSY => $entered, 'rmdir', '/state/x.session';
        expect EBUSY => $two,     'rmdir', '/state/x.session';
        my $daemon = daemon_of($one);
        expect EBUSY => $daemon, 'rmdir', '/state/x.session';
        expect ok    => $daemon, 'mkdir', '/state/y.session';
        $one->kill('KILL');
        is $one->wait, 137 << 8, 'process 7 ends, and with it its container';
        is_deeply [ $other->list($p) ], [], 'all gone';
        $two->kill_init;
    }
};

subtest 'container: what entered shares it, and what left stays' => sub {
    for my $userns (undef, first_uid) {
        my ($one, $two) = map { in_container(userns => $userns) } 1, 2;
        my $entered = exec_client($one);
        expect ok    => $entered, 'mkdir', '/state/x.container';
        expect EBUSY => $two,     'rmdir', '/state/x.container';
        $entered->kill9;
        held('x.container');
        my $daemon = daemon_of($one);
        expect ok => $daemon, 'rmdir', '/state/x.container';
        expect ok => $daemon, 'mkdir', '/state/x.container';
        $daemon->kill('KILL');
        $daemon->wait_dead;
        held('x.container');
        gone_unseen('x.container', sub { $one->kill_init });
        expect ok => $two, 'mkdir', '/state/x.container';
        $two->kill_init;
    }
};

subtest 'container: its process 1 is replaced by another program, or by another container' => sub {
    my $one   = container(binds => { '/state' => $p });
    my $child = $one->fork_client;
    expect ok => $child, 'mkdir', '/state/x.container';
    expect ok => $one, 'exec';
    held('x.container');
    expect ok => $one, 'rmdir', '/state/x.container';
    expect ok => $child, 'mkdir', '/state/x.container';
    $one->kill_init;
    for my $turn (1, 2) {
        my $next = in_container();
        expect ok => $next, 'mkdir', '/state/x.container';
        held('x.container');
        $next->kill_init;
    }
};

subtest 'container: three pid namespaces deep, the innermost owns' => sub {
    my @deep  = map { client(pidns => $_) } 1 .. 3;
    my $inner = $deep[2]->fork_client;
    expect ok    => $inner, 'mkdir', "$p/x.container";
    expect EBUSY => $_, 'rmdir', "$p/x.container" for @deep[ 0, 1 ];
    $inner->kill('KILL');
    $inner->wait_dead;
    held('x.container');
    gone_unseen('x.container', sub { $deep[2]->kill9 });
    $_->kill9 for @deep[ 0, 1 ];
};

subtest 'parent: an orphan has none' => sub {
    my $c      = container(binds => { '/state' => $p });
    my $daemon = daemon_of($c);
    is $daemon->get('ppid'), 1, 'adopted by process 1';
    expect ok    => $daemon, 'mkdir', '/state/x.parent';
    expect EBUSY => $c, 'rmdir', '/state/x.parent';
    gone_unseen('x.parent', sub { $daemon->kill('KILL') });
    my $child = $c->fork_client;
    expect ok => $child, 'mkdir', '/state/y.parent';
    $child->kill('KILL');
    $child->wait;
    held('y.parent');
    gone_unseen('y.parent', sub { $c->kill_init });
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
