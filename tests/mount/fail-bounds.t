# Past max_locks and max_locks_per_uid an exclusive create fails with ENOLCK, and nothing else changes.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my %make = (
    mkdir   => sub { $_[0]->do('mkdir',   $_[1]) },
    excl    => sub { $_[0]->do('excl',    $_[1]) },
    link    => sub { $_[0]->do('link',    "$_[2]/data", $_[1]) },
    symlink => sub { $_[0]->do('symlink', 'text', $_[1]) },
    mknod   => sub { $_[0]->do('mknod',   $_[1], 'fifo') },
    rename  => sub { $_[0]->do('mkdir', "$_[2]/tmp"); my $r = $_[0]->do('rename', "$_[2]/tmp", $_[1]); $_[0]->do('rmdir', "$_[2]/tmp"); $r },
);

subtest 'max_locks' => sub {
    my $m = mount_lockfs(options => 'max_locks=5');
    my ($p, $a, $b) = ($m->path, client(), client());
    expect ok => $a, 'put', "$p/data", 'text';
    expect ok => $a, 'times', 3, 'mkdir', "$p/a{}.lock";
    expect ok => $b, 'times', 2, 'excl', "$p/b{}.lock";
    for my $how (sort keys %make) {
        is $make{$how}->($a, "$p/$how.lock", $p), 'ENOLCK', "no more by $how";
        is $b->stat("$p/$how.lock"), 'ENOENT', 'and nothing was made';
    }
    expect EEXIST => $b, 'mkdir', "$p/a1.lock";
    expect EBUSY  => $b, 'rmdir', "$p/a1.lock";
    expect ok     => $a, 'put', "$p/other", 'data';
    expect ok     => $a, 'creat', "$p/plain.lock";
    like $m->log, qr/^lockfs: .*\(ENOLCK\): 5 locks are held, which is max_locks; .*max_locks=\n/m, 'the log says why';

    for my $how (sort keys %make) {
        expect ok => $b, 'unlink', "$p/b0.lock";
        is $make{$how}->($b, "$p/$how.lock", $p), 'ok', "room for one by $how";
        expect ok => $b, $how =~ /mkdir|rename/ ? 'rmdir' : 'unlink', "$p/$how.lock";
        expect ok => $b, 'excl', "$p/b0.lock";
        expect ENOLCK => $b, 'excl', "$p/more.lock";
    }
    $a->kill9;
    expect ok     => $b, 'times', 3, 'mkdir', "$p/c{}.lock";
    expect ENOLCK => $b, 'mkdir', "$p/c3.lock";
    expect ok     => $b, 'rename', "$p/b0.lock", "$p/published";
    expect ok     => $b, 'mkdir', "$p/c3.lock";
};

subtest 'max_locks_per_uid' => sub {
    my $m = mount_lockfs(options => 'allow_other,max_locks=10,max_locks_per_uid=3');
    chmod 0777, $m->path;
    my ($p, $a, $b, $root) = ($m->path, client(user => unprivileged), client(user => unprivileged), client());
    expect ok     => $a, 'times', 2, 'mkdir', "$p/a{}.lock";
    expect ok     => $b, 'mkdir', "$p/b.lock";
    expect ENOLCK => $_, 'mkdir', "$p/more.lock" for $a, $b;
    like $m->log, qr/^lockfs: .*\(ENOLCK\): uid \d+ holds 3 locks, which is max_locks_per_uid; .*max_locks_per_uid=\n/m, 'the log says why';
    expect ok     => $root, 'times', 3, 'mkdir', "$p/root{}.lock";
    expect ENOLCK => $root, 'mkdir', "$p/more.lock";
    $b->kill9;
    expect ok     => $a, 'mkdir', "$p/more.lock";
    expect ENOLCK => $a, 'mkdir', "$p/still-more.lock";
    expect ok     => $a, 'rmdir', "$p/more.lock";
    expect ok     => $a, 'mkdir', "$p/again.lock";
};

subtest 'dead claims that nobody has looked at do not count' => sub {
    my $m = mount_lockfs(options => 'max_locks=100', source => 'tmpfs');
    for my $round (1 .. $ENV{LOCKFS_QUICK} ? 3 : 20) {
        my $owner = client();
        my $reply = $owner->do('times', 100, 'mkdir', $m->path . "/$round-{}.lock");
        $owner->kill9;
        next if $reply eq 'ok';
        fail "round $round: $reply";
        last;
    }
    pass 'every next one had all the room';
};

subtest 'a storm of refusals does not flood the log' => sub {
    my $m = mount_lockfs(options => 'max_locks=1');
    my $c = client();
    expect ok => $c, 'mkdir', $m->path . '/x.lock';
    for (1 .. 500) { $c->do('mkdir', $m->path . '/y.lock') eq 'ENOLCK' or die "not refused\n" }
    my @lines = split /\n/, $m->log;
    cmp_ok scalar(@lines), '>=', 1, 'it is told';
    cmp_ok scalar(@lines), '<=', 50, 'not every time';
};

done_testing;
