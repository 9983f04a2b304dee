# After a thousand takeovers keeper, worker and state take as much memory and as many descriptors as after ten.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(slurp worker_of);

need_root;
need_fuse;

my $many = $ENV{LOCKFS_QUICK} ? 150 : 1000;

# Both may differ by so much: what an allocator or a page cache has at the moment.
my %slack = (descriptors => 2, 'keeper kB' => 256, 'worker kB' => 512, 'state kB' => 512);

# A sanitizer keeps what was freed.
if (slurp(Lockfs::Mount::binary()) =~ /__[at]san_init/) { delete @slack{ 'keeper kB', 'worker kB' } }

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $owner, $other) = ($m->path, client(), client());
my $keeper = $m->pid;

sub worker { return worker_of($keeper) }

sub anonymous_kb { my ($pid) = @_; return slurp("/proc/$pid/status") =~ /^RssAnon:\s*(\d+)/m ? $1 : 0 }

sub state_kb {
    my ($dev, $ino) = stat $m->source;
    return (stat sprintf "$ENV{LOCKFS_STATE_DIR}/%x-%x", $dev, $ino)[12] / 2;
}

sub figures {
    my $worker = worker();
    my @fds    = glob "/proc/$keeper/fd/*";
    return (descriptors => scalar @fds, 'keeper kB' => anonymous_kb($keeper), 'worker kB' => anonymous_kb($worker), 'state kB' => state_kb());
}

# Each worker serves something before it is killed.
sub take_over {
    my ($times) = @_;
    for my $n (1 .. $times) {
        my $worker = worker();
        CORE::kill('KILL', $worker);
        my $got = join ' ', $other->do('mkdir', "$p/held.lock"), $other->do('put', "$p/file", $n), $other->do('mkdir', "$p/x.lock"), $other->do('rmdir', "$p/x.lock");
        return "at $n: $got" if $got ne 'EEXIST ok ok ok';
        return "at $n: the same worker" if worker() == $worker;
    }
    return '';
}

expect ok => $owner, 'mkdir', "$p/held.lock";
expect ok => $owner, 'put', "$p/held.lock/text", 'me';
my $fd = $owner->get('open', 'rw', "$p/held.lock/text");
is take_over(10), '', 'ten takeovers';
my %before = figures();
is take_over($many), '', "$many takeovers";
my %after = figures();
for my $what (sort keys %slack) {
    cmp_ok $after{$what}, '<=', $before{$what} + $slack{$what}, "$what: $before{$what} after 10, $after{$what} after " . ($many + 10);
}
expect 'ok me'  => $owner, 'read', $fd, 9;
expect ok      => $owner, 'close', $fd;
expect EBUSY   => $other, 'rmdir', "$p/held.lock";
is $m->umount, 'exit 0', 'the keeper ends well';
done_testing;
