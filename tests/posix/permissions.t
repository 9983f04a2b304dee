# Who may read, write, search: every mode, for owner, group, supplementary group and others.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

everywhere {
    my ($w) = @_;
    my $root = $w->root;
    my %who = (
        owner  => [ $w->user(1), 6 ],
        group  => [ $w->user(2, $w->id(7)), 3 ],
        primary => [ $w->user(7), 3 ],
        other  => [ $w->user(3), 0 ],
        stranger => [ $w->user(3, $w->id(8), $w->id(9)), 0 ],
    );

    # Files.
    $root->get('put', 'f', 'text');
    $root->get('chown', 'f', $w->id(1), $w->id(7));
    for my $bits (0 .. 7) {
        for my $class (sort keys %who) {
            my ($c, $shift) = @{ $who{$class} };
            # Only the class's own bits count: the others are the opposite.
            my $mode = ($bits << $shift) | ((~$bits & 7) << ($shift == 6 ? 3 : 6)) | ((~$bits & 7) << ($shift == 0 ? 3 : 0));
            $root->get('chmod', 'f', sprintf '%04o', $mode);
            my ($r, $wr, $x) = ($bits & 4, $bits & 2, $bits & 1);
            try $r  ? 'ok text' : 'EACCES' => $c, 'get', 'f';
            try $r  ? 'ok' : 'EACCES' => $c, 'access', 'f', 'r';
            try $wr ? 'ok' : 'EACCES' => $c, 'access', 'f', 'w';
            try $x  ? 'ok' : 'EACCES' => $c, 'access', 'f', 'x';
            try $r && $wr ? 'ok' : 'EACCES' => $c, 'access', 'f', 'rw';
            try $wr ? 'ok' : 'EACCES' => $c, 'put', 'f', 'text';
            try $wr ? 'ok' : 'EACCES' => $c, 'truncate', 'f', 4;
            my $reply = $c->do('open', 'rw', 'f');
            like $reply, $r && $wr ? qr/^ok / : qr/^EACCES/, place_label . sprintf(': %s opens %04o rw', $class, $mode);
            $c->get('close', $1) if $reply =~ /^ok (\d+)/;
        }
    }
    $root->get('chmod', 'f', '0000');
    try 'ok text' => $root, 'get', 'f';
    try ok => $root, 'access', 'f', 'rw';
    try EACCES => $root, 'access', 'f', 'x';
    $root->get('chmod', 'f', '0100');
    try ok => $root, 'access', 'f', 'x';

    # Directories.
    $root->get('mkdir', 'd');
    $root->get('put', 'd/f', 'text');
    $root->get('chmod', 'd/f', '0666');
    $root->get('mkdir', 'd/sub');
    $root->get('chmod', 'd/sub', '0777');
    $root->get('chown', 'd', $w->id(1), $w->id(7));
    for my $bits (0 .. 7) {
        for my $class (sort keys %who) {
            my ($c, $shift) = @{ $who{$class} };
            my $mode = ($bits << $shift) | ((~$bits & 7) << ($shift == 6 ? 3 : 6)) | ((~$bits & 7) << ($shift == 0 ? 3 : 0));
            $root->get('chmod', 'd', sprintf '%04o', $mode);
            my ($r, $wr, $x) = ($bits & 4, $bits & 2, $bits & 1);
            my $change = $wr && $x ? 'ok' : 'EACCES';
            try $r ? 'ok f sub' : 'EACCES' => $c, 'list', 'd';
            try $x ? 'ok text' : 'EACCES' => $c, 'get', 'd/f';
            try $x ? qr/^ok / : 'EACCES' => $c, 'stat', 'd/f';
            try $x ? 'ENOENT' : 'EACCES' => $c, 'stat', 'd/missing';
            try $x ? 'ok' : 'EACCES' => $c, 'access', 'd/sub', 'x';
            try $change => $c, 'creat', 'd/new';
            try $change => $c, 'link', 'd/new', 'd/link' if $change eq 'ok';
            try $change => $c, 'unlink', 'd/link' if $change eq 'ok';
            try $change => $c, 'rename', 'd/new', 'd/newer' if $change eq 'ok';
            try $change => $c, 'unlink', 'd/newer' if $change eq 'ok';
            try $x ? 'ENOENT' : 'EACCES' => $c, 'unlink', 'd/missing';
            try $change => $c, 'mkdir', 'd/dir';
            try $change eq 'ok' ? 'ok' : $x ? 'ENOENT' : 'EACCES' => $c, 'rmdir', 'd/dir';
            try $change => $c, 'symlink', 'x', 'd/ln';
            try $change => $c, 'unlink', 'd/ln' if $change eq 'ok';
            try $change => $c, 'mknod', 'd/fifo', 'fifo';
            try $change => $c, 'unlink', 'd/fifo' if $change eq 'ok';
        }
    }

    # Real ids for access(2), effective ones for everything else.
    $root->get('chmod', 'd', '0755');
    $root->get('chown', 'f', 0, 0);
    $root->get('chmod', 'f', '0600');
    my $mixed = $w->another;
    try ok => $mixed, 'resuid', $w->id(1), 0, 0;
    try 'ok text' => $mixed, 'get', 'f';
    try EACCES => $mixed, 'raccess', 'f', 'r';
    try ok => $mixed, 'access', 'f', 'r';
    try ok => $mixed, 'resuid', 0, $w->id(1), 0;
    try EACCES => $mixed, 'get', 'f';
    try ok => $mixed, 'raccess', 'f', 'r';
    try EACCES => $mixed, 'access', 'f', 'r';

    # A descriptor keeps the right it was opened with.
    $root->get('chmod', 'f', '0666');
    my $ann = $w->user(1);
    my $fd = $ann->get('open', 'rw', 'f');
    $root->get('chmod', 'f', '0600');
    try EACCES => $ann, 'get', 'f';
    try 'ok text' => $ann, 'pread', $fd, 4, 0;
    try ok => $ann, 'pwrite', $fd, 'more', 4;
    try ok => $ann, 'ftruncate', $fd, 2;
    try EPERM => $ann, 'fchmod', $fd, '0666';
    try ok => $ann, 'close', $fd;

    # So does a working directory.
    $root->get('mkdir', 'inner');
    $root->get('mkdir', 'inner/most');
    $root->get('chmod', 'inner/most', '0777');
    $ann->get('chdir', 'inner/most');
    $root->get('chmod', 'inner', '0700');
    try ok => $ann, 'put', 'x', 'inside';
    try 'ok inside' => $ann, 'get', 'x';
    try ok => $ann, 'link', 'x', 'y';
    try ok => $ann, 'chmod', 'x', '0600';
    try ok => $ann, 'unlink', 'y';
    try EACCES => $ann, 'list', '..';

    # Running what may not be read.
    $root->do('run', 'cp', '/bin/true', $w->dir . '/prog');
    $root->get('chmod', 'prog', '0711');
    my $bob = $w->user(2);
    try EACCES => $bob, 'get', 'prog';
    try 'ok 0' => $bob, 'tryexec', 'prog';
    $root->get('chmod', 'prog', '0744');
    try EACCES => $bob, 'tryexec', 'prog';
    $root->get('chmod', 'prog', '0644');
    try EACCES => $root, 'tryexec', 'prog';

    # O_NOATIME is the owner's.
    $root->get('chmod', 'prog', '0666');
    try EPERM => $bob, 'open', 'r,noatime', 'prog';
    $root->get('chown', 'prog', $w->id(2), -1);
    try qr/^ok / => $bob, 'open', 'r,noatime', 'prog';
};
