# A broken lock is no longer held: it counts for no bound, however often locks are broken.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m   = mount_lockfs(source => 'tmpfs', in_place => 1, options => 'max_locks_per_uid=3');
my $p   = $m->path;
my $ctl = Lockfs::Sys::build_dir() . '/cli/lockfs-ctl';
my $c   = client();

for my $round (1 .. 6) {
    subtest "round $round" => sub {
        my $w = watcher($p);
        expect ok => $c, 'mkdir', "$p/x.lock";
        is run([ $ctl, 'break', '--yes', "$p/x.lock" ])->{status}, 'exit 0', 'broken';
        ok scalar($w->until('DELETE', 'x.lock', 10)), 'and gone';
        $w->stop;
    };
}
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
