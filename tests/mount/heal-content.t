# What a dead owner's lock held is kept aside on the source for the time of retain=, and shown to nobody.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $members = $ENV{LOCKFS_QUICK} ? 2000 : 10000;
my $c       = client();

# The name of what was kept ends with that of the lock.
sub kept { my ($s, $name) = @_; return grep { /-\Q$name\E$/ } $c->list("$s/.lockfs/healed") }

subtest "a directory of $members members" => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $s, $owner) = ($m->path, $m->source, client());
    expect ok => $owner, 'mkdir', "$p/big.lock";
    is $owner->do('times', $members, 'put', "$p/big.lock/m{}", 'text'), 'ok', 'filled';
    my $w = watcher($p);
    $owner->kill9;
    is $c->stat("$p/big.lock"), 'ENOENT', 'gone at once';
    is $c->stat("$p/big.lock/m17"), 'ENOENT', 'and its members';
    expect ok => $c, 'mkdir', "$p/big.lock";
    is_deeply [ $c->list("$p/big.lock") ], [], 'the next one begins empty';
    expect ok => $c, 'rmdir', "$p/big.lock";
    $w->stop;
    my @kept = kept($s, 'big.lock');
    is scalar @kept, 1, 'kept on the source';
    is scalar(my @all = $c->list("$s/.lockfs/healed/$kept[0]")), $members, 'with all its members';
    expect 'ok text' => $c, 'get', "$s/.lockfs/healed/$kept[0]/m17";
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'what is kept, and what not' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $s, $owner) = ($m->path, $m->source, client());
    my $name = "odd\nname\xff.lock";
    expect ok => $owner, 'excl', "$p/file.lock";
    expect ok => $owner, 'put', "$p/file.lock", 'text';
    expect ok => $owner, 'excl', "$p/empty-file.lock";
    expect ok => $owner, 'mkdir', "$p/empty.lock";
    expect ok => $owner, 'symlink', 'somewhere', "$p/symlink.lock";
    expect ok => $owner, 'mkdir', "$p/$name";
    expect ok => $owner, 'put', "$p/$name/deep", 'text';
    expect ok => $c, 'put', "$p/own", 'text';
    expect ok => $owner, 'link', "$p/own", "$p/link.lock";
    expect ok => $c, 'mkdir', "$p/dir";
    expect ok => $owner, 'mkdir', "$p/dir/long-" . ('n' x 240) . '.lock';
    expect ok => $owner, 'put', "$p/dir/long-" . ('n' x 240) . '.lock/a', 'text';
    my $w = watcher($p);
    $owner->kill9;
    ok scalar($w->until('DELETE', 'file.lock', 20)), 'the first of them is the last to be removed';
    $w->stop;
    is_deeply [ $c->list($p) ], [ 'dir', 'own' ], 'nothing of it is listed';
    is_deeply [ $c->list("$p/dir") ], [], 'nor below';
    is $c->stat("$p/.lockfs/healed/$_"), 'ENOTDIR', 'nor reached by name' for kept($s, 'file.lock');
    my @kept = $c->list("$s/.lockfs/healed");
    is scalar @kept, 3, 'three things were kept' or diag "@kept";
    expect 'ok text' => $c, 'get', "$s/.lockfs/healed/" . (kept($s, 'file.lock'))[0];
    expect 'ok text' => $c, 'get', "$s/.lockfs/healed/" . (kept($s, $name))[0] . '/deep';
    expect 'ok text' => $c, 'get', "$p/own";
    is $c->stat("$p/own")->{nlink}, 1, 'the file that was linked has its one name';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

sub with_content { my ($owner, $p) = @_; $owner->do('mkdir', "$p/x.lock"); return $owner->do('put', "$p/x.lock/a", 'text') }

for my $retain ('1s', '0s') {
    subtest "retain=$retain" => sub {
        my $s = temp_path("source-$retain");
        mkdir $_, 0700 for $s, "$s/.lockfs", "$s/.lockfs/healed";
        my $m = mount_lockfs(source => $s, options => "retain=$retain");
        my ($p, $owner) = ($m->path, client());
        is with_content($owner, $p), 'ok', 'taken';
        my $w = watcher("$s/.lockfs/healed");
        $owner->kill9;
        my @moved = $w->until('MOVED_TO', undef, 20);
        like $moved[-1]{name} // '', qr/-x\.lock$/, 'kept';
        ok scalar($w->until('DELETE', $moved[-1]{name}, 20)), 'and deleted when its time was over';
        $w->stop;
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}

subtest 'what was kept at an unmount is deleted after the next mount' => sub {
    my $s = temp_path('again');
    mkdir $s;
    my $m     = mount_lockfs(source => $s);
    my $owner = client();
    is with_content($owner, $m->path), 'ok', 'taken';
    my $w = watcher($m->path);
    $owner->kill9;
    ok scalar($w->until('DELETE', 'x.lock', 20)), 'removed';
    $w->stop;
    is $m->umount, 'exit 0', 'the daemon ends well';
    is scalar(kept($s, 'x.lock')), 1, 'still kept';

    $w = watcher("$s/.lockfs/healed");
    $m = mount_lockfs(source => $s, options => 'retain=1s');
    is_deeply [ $c->list($m->path) ], [], 'not shown';
    my @gone = $w->until('DELETE', undef, 20);
    like $gone[-1]{name} // '', qr/-x\.lock$/, 'deleted when its time was over';
    $w->stop;
    is $m->umount, 'exit 0', 'the daemon ends well';
    is_deeply [ $c->list($s) ], [], 'and nothing of lockfs is left on the source';
};

done_testing;
