# Ten thousand locks of one owner are gone at once, and others are served while the entries are being removed.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $n = $ENV{LOCKFS_QUICK} ? 3000 : 10000;

# Counts what another client gets done while the oldest entry, which is removed last, is still on the source.
sub served_meanwhile {
    my ($c, $p, $last) = @_;
    my ($done, $wrong) = (0, '');
    while (-e $last) {
        for my $act ([ 'mkdir', "$p/mine.lock" ], [ 'rmdir', "$p/mine.lock" ], [ 'put', "$p/mine", 'a' ], [ 'unlink', "$p/mine" ]) {
            my $reply = $c->do(@$act);
            $wrong ||= "@$act: $reply" if $reply ne 'ok';
            $done++;
        }
    }
    is $wrong, '', 'all that another client did went well';
    cmp_ok $done, '>=', 40, "it did $done things meanwhile";
}

sub case {
    my ($what, $pattern, $prepare) = @_;
    subtest $what => sub {
        my $m = mount_lockfs(source => 'tmpfs');
        my ($p, $s, $owner, $c, $d) = ($m->path, $m->source, client(), client(), client());
        $prepare->($owner, $p) if $prepare;
        my ($first, $middle) = map { $pattern =~ s/\{\}/$_/r } 0, int($n / 2);
        expect ok => $c, 'mkdir', "$p/other";
        is $owner->do('times', $n, 'mkdir', "$p/$pattern"), 'ok', "$n taken";
        my $w = watcher($p);    # no events before: its queue is not endless
        $owner->kill9;
        is $c->stat("$p/$middle"), 'ENOENT', 'not there';
        expect ok => $d, 'mkdir', "$p/$middle";
        is_deeply [ grep { /lock$/ } $c->list($p) ], [$middle], 'only the new one is listed';
        served_meanwhile($c, "$p/other", "$s/$first");
        ok scalar($w->until('DELETE', $first, 30)), 'watchers heard of the last one';
        $w->stop;
        expect EBUSY => $c, 'rmdir', "$p/$middle";
        is $d->do('rmdir', "$p/$middle"), 'ok', 'the next owner of one of them still had it';
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}

case("$n in one directory", 'x{}.lock');
case("$n beside one another, with others' between", 'x{}.lock', sub { $_[0]->do('times', 100, 'creat', "$_[1]/data{}") });

subtest 'one in each of a thousand directories' => sub {
    my $dirs = $n / 10;
    my $m    = mount_lockfs(source => 'tmpfs');
    my ($p, $s, $owner, $c) = ($m->path, $m->source, client(), client());
    expect ok => $c, 'times', $dirs, 'mkdir', "$p/d{}";
    is $owner->do('times', $dirs, 'mkdir', "$p/d{}/x.lock"), 'ok', "$dirs taken";
    is $owner->do('times', $dirs, 'excl',  "$p/d{}/y.lock"), 'ok', "$dirs more";
    $owner->kill9;
    my $listed = 0;
    $listed += grep { $_ ne '' } $c->list("$p/d$_") for map { $_ * 10 } 0 .. $dirs / 10 - 1;
    is $listed, 0, 'none is listed';
    is $c->do('times', $dirs, 'mkdir', "$p/d{}/x.lock"), 'ok', 'all taken by the next one, each at the first try';
    is $c->do('times', $dirs, 'rmdir', "$p/d{}/x.lock"), 'ok', 'and released';
    ok wait_for(sub { !-e "$s/d0/x.lock" && !-e "$s/d0/y.lock" }, watch => "$s/d0", timeout => 60), 'all gone from the source';
    is $c->do('times', $dirs, 'rmdir', "$p/d{}"), 'ok', 'the directories are empty';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'the owners of many locks die together' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $c) = ($m->path, client());
    my @owners = map { client() } 1 .. 30;
    for my $i (0 .. $#owners) { $owners[$i]->do('times', 50, 'mkdir', "$p/o$i-{}.lock") }
    my @before = $c->list($p);
    is scalar @before, 1500, 'all listed';
    $_->kill('KILL') for @owners;
    $_->wait         for @owners;
    is_deeply [ $c->list($p) ], [], 'none is listed';
    is $c->do('times', 50, 'mkdir', "$p/o$_-{}.lock"), 'ok', 'taken by the next one' for 0, 15, 29;
    is $m->umount, 'exit 0', 'the daemon ends well with locks held';
};

done_testing;
