# unlink and rmdir: who may, what stays reachable, what happens to the times and the counts.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %make = (
    file => sub { $_[0]->get('put', $_[1], 'text') },
    fifo => sub { $_[0]->get('mknod', $_[1], 'fifo') },
    sock => sub { $_[0]->get('mknod', $_[1], 'sock') },
    chr  => sub { $_[0]->get('mknod', $_[1], 'chr') },
    ln   => sub { $_[0]->get('symlink', 'missing', $_[1]) },
);

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob, $cid) = ($w->root, map { $w->user($_) } 1 .. 3);
    $root->get('mkdir', 'd');
    for my $type (sort keys %make) {
        my $path = "d/$type";
        $make{$type}->($root, $path);
        try ENOTDIR => $root, 'rmdir', $path;
        try EACCES  => $ann, 'unlink', $path;
        changes 'ctime mtime' => $root, 'd', sub { $root->do('unlink', $path) };
        try ENOENT => $root, 'unlink', $path;
        try ENOENT => $root, 'stat', $path;
        $make{$type}->($root, $path);
        if ($type ne 'ln') {
            try ok => $root, 'link', $path, "$path-2";
            has $root, "$path-2", nlink => 2;
            changes ctime => $root, "$path-2", sub { $root->do('unlink', $path) };
            has $root, "$path-2", nlink => 1;
            try ok => $root, 'rename', "$path-2", $path;
        }
        try ok => $root, 'unlink', $path;
    }
    try EISDIR => $root, 'unlink', 'd';
    try EISDIR => $root, 'unlink', '.';

    # Directories.
    for my $inside (sort keys %make, 'dir') {
        $root->get('mkdir', 'full');
        $inside eq 'dir' ? $root->get('mkdir', 'full/x') : $make{$inside}->($root, 'full/x');
        changes '' => $root, 'full', sub { $root->do('rmdir', 'full') };
        try qr/^(ENOTEMPTY|EEXIST)$/ => $root, 'rmdir', 'full';
        try ok => $root, ($inside eq 'dir' ? 'rmdir' : 'unlink'), 'full/x';
        try ok => $root, 'rmdir', 'full';
        try ENOENT => $root, 'rmdir', 'full';
    }
    try EINVAL => $root, 'rmdir', 'd/.';
    try qr/^(ENOTEMPTY|EEXIST)$/ => $root, 'rmdir', 'd/..';
    has $root, 'd', nlink => 2;
    changes 'ctime mtime' => $root, 'd', sub { $root->do('mkdir', 'd/sub') };
    has $root, 'd', nlink => 3;
    changes 'ctime mtime' => $root, 'd', sub { $root->do('rmdir', 'd/sub') };
    has $root, 'd', nlink => 2;

    # An open file without a name: everything still works, and nothing hides in the directory.
    my $fd = $root->get('open', 'rw,creat', 'd/open', '0644');
    try ok => $root, 'write', $fd, 'before';
    try ok => $root, 'unlink', 'd/open';
    is_deeply [ $root->list('d') ], [], place_label . ': nothing is left in the directory';
    try qr/nlink=0 .*size=6/ => $root, 'fstat', $fd;
    try 'ok before' => $root, 'pread', $fd, 100, 0;
    try ok => $root, 'pwrite', $fd, ' and after', 6;
    try ok => $root, 'ftruncate', $fd, 1000;
    try qr/size=1000/ => $root, 'fstat', $fd;
    try ok => $root, 'fchmod', $fd, '0600';
    try ok => $root, 'ftouch', $fd;
    try ok => $root, 'mmapwrite', $fd, 0, 'BEFORE';
    try 'ok BEFORE%20and%20after' => $root, 'pread', $fd, 16, 0;
    try ok => $root, 'fsync', $fd;
    try ok => $root, 'put', 'd/open', 'another';
    try 'ok BEFORE' => $root, 'pread', $fd, 6, 0;
    try 'ok another' => $root, 'get', 'd/open';
    try ok => $root, 'close', $fd;

    # The same when it was replaced.
    $fd = $root->get('open', 'rw', 'd/open');
    $root->get('put', 'd/new', 'newer');
    try ok => $root, 'rename', 'd/new', 'd/open';
    try qr/nlink=0/ => $root, 'fstat', $fd;
    try 'ok another' => $root, 'pread', $fd, 100, 0;
    try ok => $root, 'close', $fd;
    try 'ok newer' => $root, 'get', 'd/open';
    try ok => $root, 'unlink', 'd/open';

    # An open directory, and a working directory, that was removed.
    $root->get('mkdir', 'd/gone');
    $fd = $root->get('open', 'r,dir', 'd/gone');
    try ok => $root, 'rmdir', 'd/gone';
    try qr/nlink=0/ => $root, 'fstat', $fd;
    try qr/^(ok|ENOENT)$/ => $root, 'dents-at', $fd, 0, 4096;
    try ok => $root, 'close', $fd;

    # Sticky directories.
    for my $mode (qw(1777 0777)) {
        $root->get('mkdir', "tmp-$mode");
        $root->get('chmod', "tmp-$mode", $mode);
        $root->get('chown', "tmp-$mode", $w->id(3), $w->id(3));
        my $want = $mode eq '1777' ? 'EPERM' : 'ok';
        for my $type (sort keys %make) {
            my $path = "tmp-$mode/$type";
            $make{$type}->($type eq 'chr' ? $root : $ann, $path);
            $root->get('chown', $path, $w->id(1), $w->id(1));
            try $want => $bob, 'unlink', $path;
            $make{$type}->($root, $path) if $want eq 'ok';
            $root->get('chown', $path, $w->id(1), $w->id(1));
            try ok => $ann, 'unlink', $path;
            $make{$type}->($root, $path);
            try ok => $cid, 'unlink', $path;    # the directory is his
        }
        $ann->get('mkdir', "tmp-$mode/dir");
        try $want => $bob, 'rmdir', "tmp-$mode/dir";
        $ann->do('mkdir', "tmp-$mode/dir");
        try ok => $ann, 'rmdir', "tmp-$mode/dir";
        $ann->get('mkdir', "tmp-$mode/dir");
        try ok => $cid, 'rmdir', "tmp-$mode/dir";
    }
};
