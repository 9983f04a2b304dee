# Sixteen processes fight for locks and are killed at random: never two owners, nothing left over, with every primitive.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $quick = $ENV{LOCKFS_QUICK};
my $m = mount_lockfs(source => 'tmpfs');
my ($p, $c) = ($m->path, client());
my $killed = 0;

sub hammer {
    my ($what, $dirs, @options) = @_;
    subtest $what => sub {
        my @dirs = map { "$p/$_" } @$dirs;
        $c->do('mkdir', $_) for @dirs;
        my $r = run([ helper('hammer'), '--seconds', 60, @options, @dirs ], timeout => 120);
        is $r->{status}, 'exit 0', $r->{out} =~ s/\n+/ | /gr;
        unlike $r->{out}, qr/VIOLATION|LEFT OVER/, 'one owner at a time, nothing left over';
        is $r->{err}, '', 'no errors';
        $killed += $1 if $r->{out} =~ /(\d+) kills/;
        for my $dir (@dirs) {
            is_deeply [ $c->list($dir) ], [], 'an empty directory';
            expect ok => $c, 'rmdir', $dir;
        }
    };
}

my $n = $quick ? 600 : 4000;
for my $method (qw(mkdir excl link symlink mkfifo rename)) {
    hammer("$method, one directory", ['one'], '--method', $method, '--acquisitions', $n, '--kills-per-second', 100);
    hammer("$method, one name", ['name'], '--method', $method, '--locks', 1, '--acquisitions', $n / 8, '--kills-per-second', 100);
    hammer("$method, many directories", [ map { "dir-$_" } 1 .. 8 ],
        '--method', $method, '--acquisitions', 2 * $n, '--kills-per-second', 200);
}

cmp_ok $killed, '>=', $quick ? 20 : 100, "$killed were killed, and all that were left at the end of each";
subtest 'the source holds nothing that the mount does not show' => sub {
    is_deeply [ $c->list($m->source) ], [], 'empty, too';
};
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
