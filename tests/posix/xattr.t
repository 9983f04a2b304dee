# Extended attributes: user, trusted, security; sizes, flags, who may.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob) = ($w->root, $w->user(1), $w->user(2));
    $root->get('put', 'file', 'text');
    $root->get('mkdir', 'dir');
    $root->get('symlink', 'file', 'ln');
    $root->get('mknod', 'fifo', 'fifo', '0666');
    $root->get('chown', $_, $w->id(1), $w->id(1)) for qw(file dir fifo);

    for my $path (qw(file dir)) {
        try ENODATA => $ann, 'getxattr', $path, 'user.a';
        try ok => $ann, 'setxattr', $path, 'user.a', 'value';
        try 'ok value' => $ann, 'getxattr', $path, 'user.a';
        try 'ok 5' => $ann, 'xattrsize', $path, 'user.a';
        try 'ok user.a' => $ann, 'listxattr', $path;
        try 'ok 7' => $ann, 'xattrsize', $path;
        try ERANGE => $ann, 'xattrprobe', $path, 4, 'user.a';
        try ok => $ann, 'xattrprobe', $path, 5, 'user.a';
        try ERANGE => $ann, 'xattrprobe', $path, 6;
        try ok => $ann, 'xattrprobe', $path, 7;
        try EEXIST => $ann, 'setxattr', $path, 'user.a', 'x', 'create';
        try ok => $ann, 'setxattr', $path, 'user.a', '', 'replace';
        try 'ok 0' => $ann, 'xattrsize', $path, 'user.a';
        try 'ok %' => $ann, 'getxattr', $path, 'user.a';
        try ENODATA => $ann, 'setxattr', $path, 'user.b', 'x', 'replace';
        try ok => $ann, 'setxattr', $path, 'user.b', 'x', 'create';
        is_deeply [ sort($ann->get('listxattr', $path)) ], [qw(user.a user.b)], place_label . ": $path lists both";
        try ok => $ann, 'removexattr', $path, 'user.a';
        try ENODATA => $ann, 'removexattr', $path, 'user.a';
        try ok => $ann, 'removexattr', $path, 'user.b';
        try ok => $ann, 'setxattrbig', $path, 'user.big', 2000;
        try 'ok 2000' => $ann, 'xattrsize', $path, 'user.big';
        try qr/^(E2BIG|ENOSPC)$/ => $ann, 'setxattrbig', $path, 'user.huge', 65537;
        try 'ok user.big' => $ann, 'listxattr', $path;
        try ERANGE => $ann, 'setxattr', $path, 'user.' . 'n' x 251, 'x';
        try ok => $ann, 'setxattr', $path, 'user.' . 'n' x 250, 'x';
        try 'ok x' => $ann, 'getxattr', $path, 'user.' . 'n' x 250;
        try ok => $ann, 'removexattr', $path, 'user.' . 'n' x 250;
        try ok => $ann, 'removexattr', $path, 'user.big';

        # Who may.
        try ok => $root, 'setxattr', $path, 'user.a', 'v';
        try $path eq 'file' ? 'ok v' : 'ok v' => $bob, 'getxattr', $path, 'user.a';
        try EACCES => $bob, 'setxattr', $path, 'user.a', 'w';
        try EACCES => $bob, 'removexattr', $path, 'user.a';
        $root->get('chmod', $path, '0700');
        try EACCES => $bob, 'getxattr', $path, 'user.a';
        try 'ok user.a' => $bob, 'listxattr', $path;
        $root->get('chmod', $path, '0755');
        try ok => $root, 'removexattr', $path, 'user.a';

        # trusted is root's, and only root sees that it is there.
        try EPERM => $ann, 'setxattr', $path, 'trusted.t', 'v';
        try ok => $root, 'setxattr', $path, 'trusted.t', 'v';
        try 'ok v' => $root, 'getxattr', $path, 'trusted.t';
        try ENODATA => $ann, 'getxattr', $path, 'trusted.t';
        try 'ok trusted.t' => $root, 'listxattr', $path;
        try ok => $ann, 'listxattr', $path;
        try 'ok 0' => $ann, 'xattrsize', $path;
        try ok => $ann, 'setxattr', $path, 'user.u', 'v';
        try 'ok user.u' => $ann, 'listxattr', $path;
        try 'ok 7' => $ann, 'xattrsize', $path;
        try ok => $ann, 'removexattr', $path, 'user.u';
        try EPERM => $ann, 'removexattr', $path, 'trusted.t';
        try ok => $root, 'removexattr', $path, 'trusted.t';

        try EOPNOTSUPP => $root, 'setxattr', $path, 'nonsense', 'v';
        try EOPNOTSUPP => $root, 'getxattr', $path, 'nonsense.a';
    }

    # Kinds of file that have no user attributes, but others.
    for my $path (qw(ln fifo)) {
        try EPERM => $root, 'setxattr', $path, 'user.a', 'v';
        try qr/^(ENODATA|EPERM)$/ => $root, 'getxattr', $path, 'user.a';
        try ok => $root, 'setxattr', $path, 'trusted.a', $path;
        try "ok $path" => $root, 'getxattr', $path, 'trusted.a';
        try 'ok trusted.a' => $root, 'listxattr', $path;
        try ok => $root, 'removexattr', $path, 'trusted.a';
    }
    try ENODATA => $root, 'getxattr', 'file', 'trusted.a';

    # They go with the file, under all its names and without any.
    $ann->get('setxattr', 'file', 'user.with', 'it');
    $root->get('link', 'file', 'dir/other');
    try 'ok it' => $ann, 'getxattr', 'dir/other', 'user.with';
    $root->get('rename', 'file', 'dir/moved');
    try 'ok it' => $ann, 'getxattr', 'dir/moved', 'user.with';

    # What is lockfs' own cannot be set.
    if (on_mount) {
        try EPERM => $root, 'setxattr', 'dir/moved', 'user.lockfs.owner', '1';
        try EPERM => $root, 'removexattr', 'dir/moved', 'user.lockfs.owner';
        try 'ok user.with' => $root, 'listxattr', 'dir/moved';
    }
};
