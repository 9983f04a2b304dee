# What healed entries held is kept within bounds: of time (heal-content.t) and of bytes. It is listed, given back on request,
# and then it is gone; over an unmount, too.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;

need_root;
need_fuse;

my $other = client();

# A lock with a file of so many bytes, whose owner is killed: it is kept when this returns.
sub heal {
    my ($m, $name, $bytes) = @_;
    my ($p, $owner, $w) = ($m->path, client(), watcher($m->path));
    $owner->do('mkdir', "$p/$name");
    is $owner->do('put', "$p/$name/data", 'x' x $bytes), 'ok', "$name holds $bytes bytes";
    $owner->kill9;
    ok scalar($w->until('DELETE', $name, 20)), "$name healed";
    $w->stop;
}

sub healed { my ($m) = @_; return { map { $_->{path} => $_ } @{ ctl_json([ 'healed', '--json', $m->path ]) } } }

sub kept { my ($s) = @_; return map {s/^\d+-\d+-//r} sort $other->list("$s/.lockfs/healed") }

subtest 'a bound of bytes' => sub {
    my $m = mount_lockfs(options => 'retain_max=200k');
    my $s = $m->source;
    heal($m, 'a.lock', 90_000);
    heal($m, 'b.lock', 90_000);
    is_deeply [ kept($s) ], [ 'a.lock', 'b.lock' ], 'both are kept';
    my $w = watcher("$s/.lockfs/healed");
    heal($m, 'c.lock', 90_000);
    my @gone = $w->until('DELETE', undef, 20);
    like $gone[-1]{name}, qr/-a\.lock$/, 'the oldest goes';
    is_deeply [ kept($s) ], [ 'b.lock', 'c.lock' ], 'the others stay';
    like $m->log, qr/healed entry '\d+-\d+-a\.lock' \(\d+ bytes\) is deleted before its time/, 'and the log says so';
    my $healed = healed($m);
    ok !$healed->{'a.lock'}{kept}, 'what is gone is not kept';
    ok $healed->{'c.lock'}{kept}, 'the last is';
    ok $healed->{'b.lock'}{bytes} >= 90_000, 'how large it is';
    like ctl([ 'healed', $m->path ])->{out}, qr/^b\.lock .* \d+\.\d.{1,3}KiB/m, 'for people, too';
    ctl_status 4, [ 'restore', '--as', 'back', $m->path . '/a.lock' ], qr/not kept/;

    heal($m, 'large.lock', 400_000);
    ok wait_for(sub { join(' ', kept($s)) eq 'large.lock' }, watch => "$s/.lockfs/healed", timeout => 20), 'all others go';
    $w->stop;
    like $m->log, qr/-large\.lock' takes more than retain_max by itself/, 'and the log says so';
    ctl_status 0, [ 'restore', '--as', 'back', $m->path . '/large.lock' ];
    is $other->stat($m->path . '/back/data')->{size}, 400_000, 'all of it';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'over an unmount' => sub {
    my $m = mount_lockfs(options => 'retain_max=1m');
    my $s = $m->source;
    heal($m, $_, 50_000) for 'one.lock', 'two.lock', 'three.lock';
    is $m->umount, 'exit 0', 'unmounted';
    is_deeply [ kept($s) ], [ 'one.lock', 'two.lock', 'three.lock' ], 'all are there';

    $m = mount_lockfs(source => $s);
    my $p = $m->path;
    my $two = healed($m)->{'two.lock'};
    ok $two->{kept}, 'the next mount lists them';
    expect ok => $other, 'mkdir', "$p/taken";
    ctl_status 5, [ 'restore', '--token', $two->{token}, '--as', 'taken', "$p/two.lock" ], qr/name is taken/;
    is_deeply [ $other->list("$p/taken") ], [], 'nothing is put over anything';
    ctl_status 0, [ 'restore', '--as', 'two', "$p/two.lock" ];
    is $other->stat("$p/two/data")->{size}, 50_000, 'given back';
    ctl_status 4, [ 'restore', '--as', 'again', "$p/two.lock" ], qr/not kept/;
    is_deeply [ kept($s) ], [ 'one.lock', 'three.lock' ], 'it is not kept any more';
    is $m->umount, 'exit 0', 'unmounted';

    my $w = watcher("$s/.lockfs/healed");
    $m = mount_lockfs(source => $s, options => 'retain_max=60k');
    my @gone = $w->until('DELETE', undef, 20);
    like $gone[-1]{name}, qr/-one\.lock$/, 'a smaller bound holds from the mount on';
    is_deeply [ kept($s) ], ['three.lock'], 'for the oldest';
    $w->stop;
    is $m->umount, 'exit 0', 'the daemon ends well';
};
done_testing;
