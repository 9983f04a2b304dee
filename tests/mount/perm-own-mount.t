# An ordinary user's own mount: the user's alone, or with allow_other open to others, who get nothing the source would refuse.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(run_quiet);

need_root;
need_fuse;
need_program('fusermount3');

my ($uid, $gid) = Lockfs::Sys::user_ids(unprivileged);
my ($stranger_uid, $friend_gid) = (4001, $gid);

sub user { my ($uid, $gid, @groups) = @_; my $c = client(); expect ok => $c, 'creds', $uid, $gid, join(',', @groups) || '-'; return $c }

# What the user put there before, some of it not for everybody.
sub fill {
    my ($dir) = @_;
    my $owner = client(user => unprivileged);
    expect ok => $owner, 'put', "$dir/public", 'text';
    expect ok => $owner, 'put', "$dir/private", 'secret';
    expect ok => $owner, 'chmod', "$dir/private", '0600';
    expect ok => $owner, 'put', "$dir/of-group", 'text';
    expect ok => $owner, 'chmod', "$dir/of-group", '0640';
    expect ok => $owner, 'put', "$dir/writable", 'text';
    expect ok => $owner, 'chmod', "$dir/writable", '0666';
    expect ok => $owner, 'mkdir', "$dir/shut";
    expect ok => $owner, 'put', "$dir/shut/file", 'text';
    expect ok => $owner, 'chmod', "$dir/shut", '0700';
    expect ok => $owner, 'mkdir', "$dir/open";
    expect ok => $owner, 'chmod', "$dir/open", '0777';
    expect ok => $owner, 'put', "$dir/open/file", 'text';
    $owner->stop;
}

subtest 'for the user alone' => sub {
    my $m = mount_lockfs(user => unprivileged);
    my ($p, $me, $again) = ($m->path, map { client(user => unprivileged) } 1, 2);
    expect ok     => $me, 'put', "$p/data", 'text';
    expect ok     => $me, 'chmod', "$p/data", '0640';
    expect ok     => $me, 'utimens', "$p/data", 1e9, 1e9;
    expect ok     => $me, 'setxattr', "$p/data", 'user.x', 'y';
    expect ok     => $me, 'symlink', 'data', "$p/link";
    expect ok     => $me, 'link', "$p/data", "$p/hard";
    expect ok     => $me, 'mknod', "$p/fifo", 'fifo';
    expect EPERM  => $me, 'mknod', "$p/device", 'chr';
    expect EPERM  => $me, 'chown', "$p/data", 0, -1;
    expect ok     => $me, 'mkdir', "$p/x.lock";
    expect EEXIST => $again, 'mkdir', "$p/x.lock";
    expect EBUSY  => $again, 'rmdir', "$p/x.lock";
    $me->kill9;
    expect ok     => $again, 'mkdir', "$p/x.lock";
    expect ok     => $again, 'umask', '0077';
    expect ok     => $again, 'creat', "$p/masked";
    is $again->stat("$p/masked")->{mode}, '0600', 'the umask is the caller\'s';
    expect ok     => $again, 'chmod', "$p/masked", '0000';
    expect EACCES => $again, 'get', "$p/masked";
    for my $other (client(), user(4001, 4001)) {
        expect EACCES => $other, 'stat', $p;
        expect EACCES => $other, 'list', $p;
        expect EACCES => $other, 'get', "$p/data";
        expect EACCES => $other, 'mkdir', "$p/y.lock";
    }
};

subtest 'with allow_other' => sub {
    my $conf = temp_path('fuse.conf');
    open my $fh, '>', $conf or die "$conf: $!\n";
    print {$fh} "user_allow_other\n";
    close $fh;
    run_quiet('mount', '--bind', $conf, '/etc/fuse.conf') or die "mount --bind\n";
    my $m = mount_lockfs(user => unprivileged, options => 'allow_other');
    run_quiet('umount', '/etc/fuse.conf');
    fill($m->path);
    my $p = $m->path;
    my ($me, $stranger, $friend, $root) = (client(user => unprivileged), user(4001, 4001), user(4002, 4002, $gid), client());

    subtest 'another user reads what modes allow' => sub {
        expect 'ok text' => $stranger, 'get', "$p/public";
        expect EACCES    => $stranger, 'get', "$p/private";
        expect EACCES    => $stranger, 'get', "$p/of-group";
        expect EACCES    => $stranger, 'get', "$p/shut/file";
        expect EACCES    => $stranger, 'list', "$p/shut";
        expect 'ok file' => $stranger, 'list', "$p/open";
        expect 'ok text' => $friend, 'get', "$p/of-group";
        expect EACCES    => $friend, 'get', "$p/private";
    };

    subtest 'and changes nothing in the name of the daemon' => sub {
        my $no = qr/^(EPERM|EACCES)$/;
        expect $no => $stranger, 'mkdir', "$p/x.lock";
        expect $no => $stranger, 'creat', "$p/new";
        expect $no => $stranger, 'put', "$p/public", 'x';
        expect $no => $stranger, 'chmod', "$p/public", '0777';
        expect $no => $stranger, 'chown', "$p/public", 4001, 4001;
        expect $no => $stranger, 'unlink', "$p/public";
        expect $no => $stranger, 'setxattr', "$p/public", 'user.x', 'y';
        expect $no => $stranger, 'utimens', "$p/public", 1e9, 1e9;
        for my $c ($stranger, $friend) {
            expect EPERM => $c, 'put', "$p/writable", 'x';
            expect EPERM => $c, 'mkdir', "$p/open/x.lock";
            expect EPERM => $c, 'mkdir', "$p/open/dir";
            expect EPERM => $c, 'creat', "$p/open/new";
            expect EPERM => $c, 'symlink', 'x', "$p/open/new";
            expect EPERM => $c, 'mknod', "$p/open/new", 'fifo';
            expect EPERM => $c, 'link', "$p/public", "$p/open/new";
            expect EPERM => $c, 'unlink', "$p/open/file";
            expect EPERM => $c, 'rename', "$p/open/file", "$p/open/other";
        }
        is_deeply [ $me->list("$p/open") ], ['file'], 'nothing was made';
    };

    subtest 'the user' => sub {
        expect ok     => $me, 'mkdir', "$p/x.lock";
        expect EEXIST => $stranger, 'mkdir', "$p/x.lock";
        expect 'ok secret' => $me, 'get', "$p/private";
        $me->kill9;
        is $stranger->stat("$p/x.lock"), 'ENOENT', 'heals for all to see';
    };

    subtest 'root' => sub {
        expect 'ok text' => $root, 'get', "$p/public";
        expect ok => $root, 'mkdir', "$p/r.lock";
        is $root->stat("$p/r.lock")->{uid}, $uid, 'what root makes belongs to the daemon\'s user, who is who acts';
        expect ok => $root, 'rmdir', "$p/r.lock";
    };
};

subtest 'in memory' => sub {
    my $m = mount_lockfs(user => unprivileged, source => 'none');
    my ($p, $me, $again) = ($m->path, map { client(user => unprivileged) } 1, 2);
    expect ok => $me, 'mkdir', "$p/anything";
    expect EACCES => client(), 'stat', "$p/anything";
    $me->kill9;
    expect ok => $again, 'mkdir', "$p/anything";
};

subtest 'memory of root for all' => sub {
    my $m = mount_lockfs(source => 'none', options => 'allow_other');
    my ($p, $a, $b) = ($m->path, user(4001, 4001), user(4002, 4002));
    expect ok     => $a, 'mkdir', "$p/lock";
    is $b->stat("$p/lock")->{uid}, 4001, 'the caller\'s';
    expect EEXIST => $b, 'mkdir', "$p/lock";
    expect qr/^(EBUSY|EPERM)$/ => $b, 'rmdir', "$p/lock";
    expect ok     => $b, 'mkdir', "$p/other";
    $a->kill9;
    expect ok     => $b, 'mkdir', "$p/lock";
};

subtest 'hidden from others without allow_other' => sub {
    my $m = mount_lockfs();
    my $p = $m->path;
    chmod 0777, $p;
    my $other = user(4001, 4001);
    expect EACCES => $other, 'stat', "$p/x";
    expect EACCES => $other, 'list', $p;
    expect EACCES => $other, 'mkdir', "$p/x.lock";
    my $again = client();
    expect ok => $again, 'mkdir', "$p/x.lock";
};

done_testing;
