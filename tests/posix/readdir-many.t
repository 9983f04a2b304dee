# A directory of 100,000 entries is listed whole while others come and go.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $n = $ENV{LOCKFS_QUICK} ? 10_000 : 100_000;

sub read_all {
    my ($c, $fd) = @_;
    my ($position, %seen) = (0);
    while (1) {
        my @batch = map { [ split /:/ ] } $c->get('dents-at', $fd, $position, 65536);
        return \%seen if !@batch;
        $seen{ $_->[0] }++ for @batch;
        $position = $batch[-1][1];
    }
}

for my $backing (qw(tmpfs ext4)) {
    subtest $backing => sub {
        my $m = mount_lockfs(source => $backing, size => '2g', in_place => 1, options => 'allow_other');
        my ($p, $c, $fickle) = ($m->path, client(), client());
        $c->get('mkdir', "$p/d");
        expect ok => $c, 'times', $n, 'mknod', "$p/d/stays-{}", 'reg';
        my $fd = $c->get('open', 'r,dir', "$p/d");
        for my $turn (1 .. 3) {
            $fickle->start('times', 4000, $turn == 1 ? 'creat' : $turn == 2 ? 'rename' : 'unlink', "$p/d/" . ($turn == 3 ? 'other' : 'goes') . '-{}', $turn == 2 ? "$p/d/other-{}" : ());
            my $seen = read_all($c, $fd);
            is $fickle->reply(100), 'ok', 'others came or went meanwhile';
            is scalar(grep { ($seen->{"stays-$_"} // 0) != 1 } 0 .. $n - 1), 0, "turn $turn: all that stayed, once each";
            is scalar(grep { $_ > 1 } values %$seen), 0, "turn $turn: nothing twice";
        }
        is scalar($c->list("$p/d")), $n, 'and in the end what stayed is there';
        is run([ 'find', "$p/d", '-type', 'f', '-delete' ], timeout => 150)->{status}, 'exit 0', 'all are deleted while being listed';
        expect ok => $c, 'close', $fd;
        expect ok => $c, 'rmdir', "$p/d";
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}
done_testing;
