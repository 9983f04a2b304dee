# st_ino of a lock never comes back, where the source gives inode numbers out again; it fits a double, and d_ino, fstat and stat agree.
use v5.30;
use warnings;
use Fcntl;
use Lockfs::Test;

need_root;
need_fuse;

my $rounds = $ENV{LOCKFS_QUICK} ? 500 : 10_000;
my $m = mount_lockfs(source => 'ext4');
my ($p, $c) = ($m->path, client());
my $x = "$p/x.lock";
my ($seen, $last) = ({}, 0);

# The source does give them out again: else nothing is shown here.
mkdir $m->source . '/data';
my $first = (stat $m->source . '/data')[1];
rmdir $m->source . '/data';
mkdir $m->source . '/data';
is +(stat $m->source . '/data')[1], $first, 'ext4 uses an inode number again at once';

sub note_ino {
    my ($ino) = @_;
    return 'seen before' if $seen->{$ino}++;
    return 'too large' if $ino >= 2**53;
    return 'not growing' if $ino <= $last;
    $last = $ino;
    return 'fine';
}

# By a process that makes the calls itself: a reply of a client for each would take minutes.
for my $pair ([qw(mkdir rmdir)], [qw(excl unlink)]) {
    my $worker = spawn(sub {
        $| = 1;
        my %result;
        for (1 .. $rounds) {
            my $made = $pair->[0] eq 'mkdir' ? mkdir $x : sysopen my $fh, $x, O_WRONLY | O_CREAT | O_EXCL;
            $result{ $made ? note_ino((lstat $x)[1]) : "$!" }++;
            ($pair->[1] eq 'rmdir' ? rmdir $x : unlink $x) or $result{"@$pair: $!"}++;
        }
        say join ', ', $last, map { "$_ $result{$_}" } sort keys %result;
    });
    ($last, my $result) = split /, /, $worker->recv(120), 2;
    is $result, "fine $rounds", "@$pair";
    $worker->wait;
}

subtest 'owners that die' => sub {
    my %result;
    for my $n (1 .. 100) {
        my $o = client();
        $o->do($n % 2 ? 'mkdir' : 'excl', $x) eq 'ok' or fail 'made';
        $result{ note_ino($c->stat($x)->{ino}) }++;
        $o->kill9;
    }
    is_deeply \%result, { fine => 100 }, 'each has its own number';
};

subtest 'it agrees' => sub {
    my ($other) = client();
    for my $kind (qw(mkdir excl)) {
        expect ok => $c, $kind, $x;
        my $ino = $c->stat($x)->{ino};
        is $other->stat($x)->{ino}, $ino, "$kind: for others";
        my %dents = map { my ($name, $type, $d_ino) = /^(.*):(\d+):(\d+)$/; $name => $d_ino } $other->get('dents', $p);
        is $dents{'x.lock'}, $ino, 'd_ino';
        my $fd = $other->get('open', $kind eq 'mkdir' ? 'r,dir' : 'r', $x);
        like join(' ', $other->get('fstat', $fd)), qr/\bino=$ino\b/, 'fstat';
        expect ok => $other, 'close', $fd;
        Lockfs::Sys::run_quiet('sh', '-c', 'echo 2 > /proc/sys/vm/drop_caches');
        is $c->stat($x)->{ino}, $ino, 'also when the kernel has forgotten it';
        expect ok => $c, $kind eq 'mkdir' ? 'rmdir' : 'unlink', $x;
    }
    my $fd = $c->get('open', 'rw,creat,excl', $x);
    my ($ino) = grep { /^ino=/ } $c->get('fstat', $fd);
    is 'ino=' . $c->stat($x)->{ino}, $ino, 'the descriptor of the create';
    expect ok => $c, 'unlink', $x;
    is +(grep { /^ino=/ } $c->get('fstat', $fd))[0], $ino, 'and after the name is gone';
    expect ok => $c, 'close', $fd;
    expect ok => $c, 'excl', $x;
    isnt 'ino=' . $c->stat($x)->{ino}, $ino, 'the next lock is another';
    expect ok => $c, 'unlink', $x;
    $other->stop;
};

subtest 'members have those of the source' => sub {
    expect ok => $c, 'mkdir', $x;
    expect ok => $c, 'put', "$x/member", 'text';
    is $c->stat("$x/member")->{ino}, (stat $m->source . '/x.lock/member')[1], 'a member';
    is $c->stat("$p/data")->{ino}, $first, 'data';
    my %dents = map { /^(.*):\d+:(\d+)$/ } $c->get('dents', $x);
    is $dents{member}, $c->stat("$x/member")->{ino}, 'd_ino';
    expect ok => $c, 'unlink', "$x/member";
    expect ok => $c, 'rmdir', $x;
};

for my $n (1 .. 3) {
    expect ok => $c, 'mkdir', $x;
    is note_ino($c->stat($x)->{ino}), 'fine', "mount $n: the number goes on growing";
    expect ok => $c, 'rmdir', $x;
    my $source = $m->source;
    is $m->umount, 'exit 0', 'unmounted';
    $m = mount_lockfs(source => $source);
    $x = $m->path . '/x.lock';
}

# At once after a mount with many, whatever the clock says.
for my $n (1 .. 5) {
    my $source = $m->source;
    expect ok => $c, 'times', 200, 'mkdir', $m->path . '/{}.lock';
    my $high = $c->stat($m->path . '/199.lock')->{ino};
    expect ok => $c, 'times', 200, 'rmdir', $m->path . '/{}.lock';
    is $m->umount, 'exit 0', 'unmounted';
    $m = mount_lockfs(source => $source);
    expect ok => $c, 'mkdir', $m->path . '/x.lock';
    cmp_ok $c->stat($m->path . '/x.lock')->{ino}, '>', $high, "mount $n: larger than the last before";
    expect ok => $c, 'rmdir', $m->path . '/x.lock';
}

$c->stop;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
