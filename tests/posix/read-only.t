# With -o ro nothing changes, and everything can be read.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

for my $backing (qw(tmpfs ext4)) {
    for my $place (0, 1) {
        my $base = mount_lockfs(source => $backing, in_place => 1);
        my $s = $base->path;
        my $c = client();
        $c->get('put', "$s/f", 'text');
        $c->get('mkdir', "$s/d");
        $c->get('symlink', 'f', "$s/ln");
        $c->get('mkdir', "$s/x.lock");
        $c->get('rmdir', "$s/x.lock");
        my $source = $base->source;
        is $base->umount, 'exit 0', "$backing: made";
        my $m = mount_lockfs(source => $source, options => 'ro,allow_other', in_place => $place);
        my $p = $m->path;
        my $label = $backing . ($place ? ' in place' : '');
        expect 'ok text' => $c, 'get', "$p/f";
        expect 'ok d f ln' => $c, 'list', $p;
        expect 'ok f' => $c, 'readlink', "$p/ln";
        my $before = $c->do('stat', "$p/f");
        for my $command (
            [ 'put', "$p/f", 'x' ], [ 'creat', "$p/new" ], [ 'excl', "$p/new" ], [ 'mkdir', "$p/new" ], [ 'mkdir', "$p/x.lock" ],
            [ 'excl', "$p/y.lock" ], [ 'symlink', 'x', "$p/new" ], [ 'link', "$p/f", "$p/new" ], [ 'mknod', "$p/new", 'fifo' ],
            [ 'unlink', "$p/f" ], [ 'rmdir', "$p/d" ], [ 'rename', "$p/f", "$p/g" ], [ 'chmod', "$p/f", '0600' ],
            [ 'chown', "$p/f", 1, 1 ], [ 'utimens', "$p/f", 1, 2 ], [ 'truncate', "$p/f", 0 ], [ 'open', 'rw', "$p/f" ],
            [ 'open', 'rw,tmpfile', $p ], [ 'setxattr', "$p/f", 'user.x', 'v' ], [ 'removexattr', "$p/f", 'user.x' ], [ 'access', "$p/f", 'w' ],
        ) {
            expect EROFS => $c, @$command;
        }
        is $c->do('stat', "$p/f"), $before, "$label: the file is as it was";
        expect 'ok d f ln' => $c, 'list', $p;
        is $m->umount, 'exit 0', "$label: the daemon ends well";
        $c->stop;
    }
}
done_testing;
