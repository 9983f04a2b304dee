# Hard links: all names are one file, whichever is looked at, opened, changed or taken away.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my @FIELDS = qw(ino type mode uid gid size nlink atime mtime ctime blocks);

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob) = ($w->root, $w->user(1), $w->user(2));
    $root->get('mkdir', $_) for qw(d e);

    for my $type (qw(file fifo sock chr)) {
        $type eq 'file' ? $root->get('put', 'one', 'text') : $root->get('mknod', 'one', $type, '0644');
        has $root, 'one', nlink => 1;
        changes 'ctime' => $root, 'one', sub { $root->do('link', 'one', 'd/two') };
        same $root, 'one', 'd/two', @FIELDS;
        changes 'ctime mtime' => $root, 'e', sub { $root->do('link', 'd/two', 'e/three') };
        same $root, 'one', 'e/three', @FIELDS;
        has $root, 'd/two', nlink => 3;
        for my $change ([qw(chmod d/two 0751)], [qw(chown e/three 5 6)], [qw(utimens one 1000000007 2000000009)], [qw(chmod one 0604)]) {
            try ok => $root, @$change;
            same $root, 'one', $_, @FIELDS for 'd/two', 'e/three';
        }
        if ($type eq 'file') {
            try ok => $root, 'put', 'd/two', 'longer text';
            same $root, 'one', $_, @FIELDS for 'd/two', 'e/three';
            try 'ok longer%20text' => $root, 'get', 'e/three';
            try ok => $root, 'truncate', 'e/three', 4;
            same $root, 'one', $_, @FIELDS for 'd/two', 'e/three';
            try 'ok long' => $root, 'get', 'one';
        }
        try ok => $root, 'unlink', 'one';
        has $root, 'd/two', nlink => 2;
        same $root, 'd/two', 'e/three', @FIELDS;
        try ok => $root, 'rename', 'd/two', 'd/other';
        same $root, 'd/other', 'e/three', @FIELDS;
        try ok => $root, 'unlink', 'd/other';
        has $root, 'e/three', nlink => 1;
        try ok => $root, 'unlink', 'e/three';
    }

    # A descriptor of one name, while names come and go.
    $root->get('put', 'd/x', 'content');
    my $fd = $root->get('open', 'rw', 'd/x');
    $root->get('link', 'd/x', 'e/x');
    try ok => $root, 'unlink', 'd/x';
    try qr/nlink=1/ => $root, 'fstat', $fd;
    try ok => $root, 'pwrite', $fd, 'C', 0;
    try 'ok Content' => $root, 'get', 'e/x';
    try ok => $root, 'link', 'e/x', 'd/y';
    try qr/nlink=2/ => $root, 'fstat', $fd;
    try ok => $root, 'unlink', 'e/x';
    try ok => $root, 'unlink', 'd/y';
    try qr/nlink=0/ => $root, 'fstat', $fd;
    try ENOENT => $root, 'linkfd', $fd, 'd/back';
    try ok => $root, 'close', $fd;

    # The second name was the one last used, and it goes: the first still leads there.
    for my $round (1 .. 3) {
        $root->get('put', 'd/first', "round $round");
        $root->get('link', 'd/first', 'e/second');
        try "ok round%20$round" => $root, 'get', 'e/second';
        try ok => $root, 'unlink', 'e/second';
        try "ok round%20$round" => $root, 'get', 'd/first';
        try ok => $root, 'chmod', 'd/first', '0640';
        try ok => $root, 'utimens', 'd/first', 'now', 'now';
        try ok => $root, 'setxattr', 'd/first', 'user.x', 'v';
        has $root, 'd/first', nlink => 1, mode => '0640';
        try ok => $root, 'unlink', 'd/first';
    }

    # A name in a directory that the caller may not enter says nothing about the other name.
    $root->get('mkdir', 'private', '0700');
    $root->get('put', 'private/x', 'shared');
    $root->get('chmod', 'private/x', '0666');
    $root->get('link', 'private/x', 'public');
    $root->get('stat', 'private/x');
    try 'ok shared' => $ann, 'get', 'public';
    try EACCES => $ann, 'get', 'private/x';
    $root->get('stat', 'private/x');
    try ok => $ann, 'setxattr', 'public', 'user.by', 'ann';
    $root->get('stat', 'private/x');
    try 'ok ann' => $ann, 'getxattr', 'public', 'user.by';
    $root->get('stat', 'private/x');
    try 'ok user.by' => $ann, 'listxattr', 'public';
    $root->get('chown', 'private/x', $w->id(1), $w->id(1));
    $root->get('mkdir', 'mine');
    $root->get('chown', 'mine', $w->id(1), $w->id(1));
    $root->get('stat', 'private/x');
    try ok => $ann, 'link', 'public', 'mine/again';
    has $ann, 'public', nlink => 3;
    $fd = $ann->get('open', 'rw', 'public');
    $root->get('unlink', 'public');
    $root->get('unlink', 'mine/again');
    try ok => $ann, 'pwrite', $fd, 'still', 0;
    try ok => $ann, 'fchmod', $fd, '0600';
    try ok => $ann, 'ftouch', $fd;
    try ok => $ann, 'ftruncate', $fd, 5;
    try qr/nlink=1 .*size=5/ => $ann, 'fstat', $fd;
    try ok => $ann, 'close', $fd;

    # What may be linked, and by whom.
    try EPERM => $root, 'link', 'd', 'd2';
    $root->get('symlink', 'private/x', 'ln');
    try ok => $root, 'link', 'ln', 'ln2';
    has $root, 'ln2', type => 'symlink', nlink => 2;
    try ok => $root, 'linkfollow', 'ln', 'followed';
    has $root, 'followed', type => 'file', nlink => 2;
    try qr/^(EACCES|EPERM)$/ => $ann, 'link', 'ln', 'ln3';

    # Many names.
    try ok => $root, 'put', 'many', 'text';
    try ok => $root, 'times', 500, 'link', 'many', 'd/many-{}';
    has $root, 'many', nlink => 501;
    has $root, 'd/many-499', nlink => 501;
    try ok => $root, 'times', 500, 'unlink', 'd/many-{}';
    has $root, 'many', nlink => 1;
    try 'ok text' => $root, 'get', 'many';
};
