# The age of a lock: its owner and descendants see the real times, everybody else sees now, also when many ask at once.
use v5.30;
use warnings;
use Lockfs::Test;
use Fcntl ();
use Time::HiRes ();

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
my ($owner, $other, $plain) = (client(), client(), client(user => unprivileged));
my $old = 1_000_000_000 * 10**9;

sub age { my ($ns) = @_; return Time::HiRes::time() - $ns / 1e9 }

sub is_fresh {
    my ($st, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    cmp_ok abs age($st->{$_}), '<', 2, "$what: $_ is now" for qw(mtime ctime);
}

my %make = (dir => 'mkdir', file => 'excl', symlink => 'symlink', fifo => 'mknod');
my %more = (mknod => ['fifo']);

for my $kind (sort keys %make) {
    subtest $kind => sub {
        my $x = "$p/$kind.lock";
        expect ok => $owner, $make{$kind}, $kind eq 'symlink' ? ('target', $x) : ($x, @{ $more{ $make{$kind} } // [] });
        expect ok => $owner, 'utimens', $x, $old, $old;
        is $owner->stat($x)->{mtime}, $old, 'the owner sees what it set';
        is_fresh $other->stat($x), 'a stranger';
        is_fresh $plain->stat($x), 'another user';
        is $owner->stat($x)->{mtime}, $old, 'the owner still';
        my ($sub) = $owner->do('sub', 'stat', $x) =~ /mtime=(\d+)/;
        is $sub, $old, 'a child';
        ($sub) = $owner->do('subsub', 'stat', $x) =~ /mtime=(\d+)/;
        is $sub, $old, 'a grandchild';
        ($sub) = $owner->do('orphan', 'stat', $x) =~ /mtime=(\d+)/;
        isnt $sub, $old, 'an orphan is a stranger';
        is $other->stat($x)->{size}, $owner->stat($x)->{size}, 'the rest is the same';
        is +(lstat $m->source . "/$kind.lock")[9], $old / 10**9, 'on the source: the real one';
        is_fresh $other->stat($x), 'a stranger again';
        expect ok => $owner, 'rename', $x, "$p/published";
        is $other->stat("$p/published")->{mtime}, $old, 'published: the real one, for all';
        expect ok => $other, $kind eq 'dir' ? 'rmdir' : 'unlink', "$p/published";
    };
}

subtest 'the heartbeat of the owner' => sub {
    my $x = "$p/x.lock";
    expect ok => $owner, 'mkdir', $x;
    for my $n (1 .. 20) {
        my $at = $old + $n * 10**9;
        $owner->do('utimens', $x, $at, $at) eq 'ok' or fail 'utimens';
        my $seen = $owner->stat($x)->{mtime};
        is $seen, $at, "beat $n" if $seen != $at || $n == 20;
    }
    is_fresh $other->stat($x), 'a stranger';
    my $fd = $owner->get('open', 'r,dir', $x);
    like join(' ', $owner->get('fstat', $fd)), qr/\bmtime=@{[ $old + 20 * 10**9 ]}\b/, 'fstat by the owner';
    expect ok => $owner, 'close', $fd;
    $fd = $other->get('open', 'r,dir', $x);
    my ($seen) = join(' ', $other->get('fstat', $fd)) =~ /mtime=(\d+)/;
    cmp_ok abs age($seen), '<', 2, 'fstat by a stranger: now';
    expect ok => $other, 'close', $fd;
    my $r = run([ 'find', $p, '-maxdepth', '1', '-name', 'x.lock', '-mmin', '+1' ]);
    is $r->{out}, '', 'find -mmin does not think it stale';
    $r = run([ 'stat', '-c', '%Y', $x ]);
    cmp_ok abs(time - $r->{out}), '<', 3, 'stat';
    expect ok => $owner, 'rmdir', $x;
};

subtest 'members show their own times' => sub {
    my $x = "$p/x.lock";
    expect ok => $owner, 'mkdir', $x;
    expect ok => $owner, 'put', "$x/member", 'text';
    expect ok => $owner, 'utimens', "$x/member", $old, $old;
    is $_->stat("$x/member")->{mtime}, $old, 'real' for $owner, $other;
    expect ok => $owner, 'unlink', "$x/member";
    expect ok => $owner, 'rmdir', $x;
};

subtest 'nothing sticks after a release or a death' => sub {
    my $x = "$p/x.lock";
    my $dying = client();
    for my $end ('release', 'death') {
        my $o = $end eq 'death' ? $dying : $owner;
        expect ok => $o, 'excl', $x;
        expect ok => $o, 'utimens', $x, $old, $old;
        is_fresh $other->stat($x), 'a stranger';
        $end eq 'death' ? $o->kill9 : expect ok => $o, 'unlink', $x;
        expect ok => $other, 'creat', $x;    # data, the same name
        expect ok => $other, 'utimens', $x, $old, $old;
        is $_->stat($x)->{mtime}, $old, 'data shows what was set' for $other, $owner, $plain;
        expect ok => $other, 'unlink', $x;
        expect ok => $other, 'excl', $x;    # the next lock, of somebody else
        expect ok => $other, 'utimens', $x, $old, $old;
        is $other->stat($x)->{mtime}, $old, 'its owner';
        is_fresh $owner->stat($x), 'who had it before is a stranger';
        expect ok => $other, 'unlink', $x;
    }
};

# Strangers and the owner's family ask at the same time; each gets the answer that is for it.
subtest 'many at once' => sub {
    my $x = "$p/x.lock";
    my ($askers, $each) = (8, $ENV{LOCKFS_QUICK} ? 500 : 12_200);
    my $ask = sub {
        my ($want) = @_;
        return sub {
            $| = 1;
            say 'ready';
            defined readline STDIN or return;
            my $wrong = 0;
            for (1 .. $each) {
                my $mtime = (lstat $x)[9] // 0;
                $wrong++ if $want eq 'real' ? $mtime != $old / 10**9 : abs(time - $mtime) > 30;
            }
            say $wrong;
        };
    };
    for my $kind (qw(mkdir excl)) {
        # The owner is a process of the test's own making, so that its forks can ask as its family.
        my $keeper = spawn(sub {
            $| = 1;
            if ($kind eq 'mkdir') { mkdir $x or die $! } else { sysopen my $fh, $x, Fcntl::O_CREAT() | Fcntl::O_EXCL() | Fcntl::O_WRONLY() or die $! }
            utime $old / 10**9, $old / 10**9, $x or die $!;
            my @children = map { spawn($ask->('real')) } 1 .. $askers / 2;
            $_->recv for @children;
            say 'made';
            readline STDIN;
            $_->send('go') for @children;
            my $sum = 0;
            $sum += $_->recv(120) for @children;
            $_->wait for @children;
            say $sum;
            readline STDIN;
            $kind eq 'mkdir' ? rmdir $x : unlink $x;
        });
        is $keeper->recv(20), 'made', "$kind: held";
        my @strangers = map { spawn($ask->('now')) } 1 .. $askers / 2;
        $_->recv for @strangers;
        $_->send('go') for $keeper, @strangers;
        my $wrong = 0;
        $wrong += $_->recv(120) for @strangers;
        is $wrong, 0, 'wrong answers to strangers, of ' . $each * $askers / 2;
        is $keeper->recv(120), 0, 'wrong answers to the family, of ' . $each * $askers / 2;
        $keeper->send('release');
        $_->wait for @strangers, $keeper;
        is $other->stat($x), 'ENOENT', 'released';
    }
};

subtest 'mtime=real' => sub {
    my $real = mount_lockfs(source => 'tmpfs', options => 'mtime=real');
    my $x = $real->path . '/x.lock';
    for my $kind (qw(mkdir excl)) {
        expect ok => $owner, $kind, $x;
        expect ok => $owner, 'utimens', $x, $old, $old;
        is $_->stat($x)->{mtime}, $old, 'all see the real one' for $owner, $other;
        my $remove = $kind eq 'mkdir' ? 'rmdir' : 'unlink';
        expect EBUSY => $other, $remove, $x;
        expect ok => $owner, $remove, $x;
    }
    is $real->umount, 'exit 0', 'unmounted';
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
$_->stop for $owner, $other, $plain;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
