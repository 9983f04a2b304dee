# Read-only, by option or because the source is: data can be read, nothing can be made, nothing is claimed.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(run_quiet);

need_root;
need_fuse;

sub source {
    my ($name) = @_;
    my $dir = temp_path($name);
    my $c = client();
    mkdir $dir or die "$dir: $!\n";
    expect ok => $c, 'put', "$dir/data", 'text';
    expect ok => $c, 'mkdir', "$dir/$_" for qw(dir old.lock);
    expect ok => $c, 'put', "$dir/old.lock/owner", '1';
    return $dir;
}

sub is_read_only {
    my ($m) = @_;
    my ($p, $c, $other) = ($m->path, client(), client());
    expect 'ok text' => $c, 'get', "$p/data";
    is_deeply [ $c->list($p) ], [qw(data dir old.lock)], 'listed';
    expect 'ok 1' => $c, 'get', "$p/old.lock/owner";
    expect EROFS => $c, 'mkdir', "$p/new.lock";
    expect EROFS => $c, 'mkdir', "$p/new";
    expect EROFS => $c, 'excl', "$p/new.lock";
    expect EROFS => $c, 'creat', "$p/new";
    expect EROFS => $c, 'symlink', 'x', "$p/new.lock";
    expect EROFS => $c, 'link', "$p/data", "$p/new.lock";
    expect EROFS => $c, 'mknod', "$p/new.lock", 'fifo';
    expect EROFS => $c, 'rename', "$p/data", "$p/new.lock";
    expect EROFS => $c, 'rename', "$p/dir", "$p/new.lock";
    expect EROFS => $c, 'unlink', "$p/data";
    expect EROFS => $c, 'rmdir', "$p/old.lock";
    expect EROFS => $c, 'put', "$p/data", 'other';
    expect EROFS => $c, 'truncate', "$p/data", 0;
    expect EROFS => $c, 'chmod', "$p/data", '777';
    expect EROFS => $c, 'utimens', "$p/data", 'now', 'now';
    expect EROFS => $c, 'setxattr', "$p/data", 'user.x', 'y';
    expect EEXIST => $c, 'mkdir', "$p/old.lock";
    is $other->stat("$p/new.lock"), 'ENOENT', 'nothing is claimed';
}

subtest '-o ro' => sub {
    my $dir = source('by-option');
    my $m = mount_lockfs(source => $dir, options => 'ro');
    is_read_only($m);
    is $m->umount, 'exit 0', 'ended';
    is_deeply [ client()->list($dir) ], [qw(data dir old.lock)], 'the source is as it was';
};

subtest '-o ro in place' => sub {
    is_read_only(mount_lockfs(source => source('in-place'), in_place => 1, options => 'ro'));
};

subtest '-o ro,rw' => sub {
    my $m = mount_lockfs(options => 'ro,rw');
    expect ok => client(), 'mkdir', $m->path . '/x.lock';
};

subtest 'a source that is read-only' => sub {
    my $dir = source('by-source');
    run_quiet('mount', '--bind', $dir, $dir) && run_quiet('mount', '-o', 'remount,bind,ro', $dir) or die "mount --bind\n";
    my $m = mount_lockfs(source => $dir);
    is_read_only($m);
    is $m->umount, 'exit 0', 'ended';
    run_quiet('umount', $dir);
};

subtest 'a source that becomes read-only while claims are held' => sub {
    my $dir = temp_path('becomes');
    mkdir $dir;
    run_quiet('mount', '-t', 'tmpfs', 'lockfs-test', $dir) or die "mount -t tmpfs\n";
    my $m = mount_lockfs(source => $dir);
    my ($p, $owner, $dying, $other) = ($m->path, client(), client(), client());
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $dying, 'mkdir', "$p/dead.lock";
    run_quiet('mount', '-o', 'remount,ro', $dir) or die "mount -o remount,ro\n";
    expect EROFS  => $other, 'mkdir', "$p/new.lock";
    expect EROFS  => $owner, 'rmdir', "$p/x.lock";
    expect EEXIST => $other, 'mkdir', "$p/x.lock";
    $dying->kill9;
    is $other->stat("$p/dead.lock"), 'ENOENT', 'the entry of the dead is hidden';
    is_deeply [ $other->list($p) ], ['x.lock'], 'and not listed';
    expect EROFS  => $other, 'mkdir', "$p/dead.lock";
    run_quiet('mount', '-o', 'remount,rw', $dir) or die "mount -o remount,rw\n";
    expect ok     => $other, 'mkdir', "$p/dead.lock";
    expect ok     => $owner, 'rmdir', "$p/x.lock";
    expect ok     => $other, 'mkdir', "$p/x.lock";
};

done_testing;
