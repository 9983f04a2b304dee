# Clients killed at any moment of their requests, thousands of them: nothing stays, and the names can be taken at once.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $quick = $ENV{LOCKFS_QUICK};
my $m = mount_lockfs(source => 'tmpfs');
my ($p, $c, $d) = ($m->path, client(), client());

# Kills come so fast that most of them meet a request: the hammer's contenders do nothing else.
for my $method (qw(mkdir excl link symlink mkfifo rename)) {
    subtest "$method under a rain of kills" => sub {
        my $dir = "$p/$method";
        expect ok => $c, 'mkdir', $dir;
        my $r = run([ helper('hammer'), qw(--processes 8 --locks 2 --seconds 60 --kills-per-second 2000), '--method', $method,
            '--acquisitions', $quick ? 500 : 2000, '--kills', $quick ? 20 : 80, $dir ], timeout => 120);
        is $r->{status}, 'exit 0', $r->{out} =~ s/\n+/ | /gr;
        is_deeply [ $c->list($dir) ], [], 'nothing is left over';
        my $source = $m->source . "/$method";
        wait_for(sub { !$c->list($source) }, watch => $source, timeout => 10);    # the last ones die as the hammer ends
        is_deeply [ $c->list($source) ], [], 'nor on the source';
    };
}

# The kill is sent together with the command, so it meets the request before, in or after it.
subtest 'killed with the request on its way' => sub {
    my ($made, %wrong) = (0);
    for my $round (1 .. ($quick ? 50 : 300)) {
        my $victim = client();
        $victim->start('times', 50, 'mkdir', "$p/x{}.lock");
        wait_for(sub { ref $c->stat("$p/x0.lock") }, watch => $p, timeout => 10) or $wrong{'never began'}++;
        $victim->kill9;
        my $seen = $c->stat("$p/x0.lock");
        $wrong{"still there: $seen"}++ if $seen ne 'ENOENT';
        my @left = $d->list($p);
        $wrong{"listed: @left"}++ if grep { /lock$/ } @left;
        my $reply = $d->do('times', 50, 'mkdir', "$p/x{}.lock");
        $wrong{"taken again: $reply"}++ if $reply ne 'ok';
        $reply = $d->do('times', 50, 'rmdir', "$p/x{}.lock");
        $wrong{"released: $reply"}++ if $reply ne 'ok';
    }
    is join(', ', map { "$_ ($wrong{$_} times)" } sort keys %wrong), '', 'gone at once, and free';
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
