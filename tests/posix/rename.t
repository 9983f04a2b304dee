# rename and renameat2: what replaces what, sticky directories, every flag.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %make = (
    file  => sub { $_[0]->get('put', $_[1], $_[1]) },
    fifo  => sub { $_[0]->get('mknod', $_[1], 'fifo') },
    sock  => sub { $_[0]->get('mknod', $_[1], 'sock') },
    ln    => sub { $_[0]->get('symlink', 'missing', $_[1]) },
    empty => sub { $_[0]->get('mkdir', $_[1]) },
    full  => sub { $_[0]->get('mkdir', $_[1]); $_[0]->get('put', "$_[1]/inside", 'text') },
);
my %is_dir = (empty => 1, full => 1);

sub clear {
    my ($c, $path) = @_;
    my $st = $c->stat($path);
    return unless ref $st;
    return $c->do('unlink', $path) if $st->{type} ne 'dir';
    $c->do('unlink', "$path/inside");
    $c->get('rmdir', $path);
}

sub result {
    my ($from, $to) = @_;
    return 'ok' if !$is_dir{$from} && !$is_dir{$to};
    return 'ENOTDIR' if $is_dir{$from} && !$is_dir{$to};
    return 'EISDIR'  if !$is_dir{$from};
    return $to eq 'full' ? qr/^(ENOTEMPTY|EEXIST)$/ : 'ok';
}

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob, $cid) = ($w->root, map { $w->user($_) } 1 .. 3);
    $root->get('mkdir', $_) for qw(a b);

    # Everything onto everything.
    for my $from (sort keys %make) {
        for my $to (sort keys %make) {
            $make{$from}->($root, 'a/from');
            $make{$to}->($root, 'b/to');
            my ($moving, $standing) = map { $root->stat($_) } 'a/from', 'b/to';
            my $want = result($from, $to);
            try $want => $root, 'rename', 'a/from', 'b/to';
            if ($want eq 'ok') {
                try ENOENT => $root, 'stat', 'a/from';
                has $root, 'b/to', ino => $moving->{ino}, type => $moving->{type}, nlink => $moving->{nlink};
                is_deeply [ $root->list('a') ], [], place_label . ': the old name is not listed';
                is_deeply [ $root->list('b') ], ['to'], place_label . ': the new one is';
            } else {
                has $root, 'a/from', ino => $moving->{ino};
                has $root, 'b/to', ino => $standing->{ino};
            }
            clear($root, $_) for 'a/from', 'b/to';
        }

        $make{$from}->($root, 'a/from');
        my $before = $root->stat('a/from');
        changes 'ctime mtime' => $root, 'a', sub { $root->do('rename', 'a/from', 'a/other') };
        has $root, 'a/other', map { $_ => $before->{$_} } qw(ino mode nlink uid gid size mtime);
        changes 'ctime' => $root, 'a/other', sub { $root->do('rename', 'a/other', 'b/new'); $root->do('rename', 'b/new', 'a/other') };
        changes ''   => $root, 'a', sub { $root->do('rename', 'a/other', 'a/other') };
        changes 'ctime mtime' => $root, 'b', sub { $root->do('rename', 'a/other', 'b/new') };
        try ENOENT => $root, 'rename', 'a/other', 'b/new';
        has $root, 'a', nlink => 2;
        has $root, 'b', nlink => $is_dir{$from} ? 3 : 2;
        clear($root, 'b/new');
    }

    # Into itself.
    $root->get('mkdir', 'a/sub');
    $root->get('mkdir', 'a/sub/deep');
    try EINVAL => $root, 'rename', 'a', 'a/x';
    try EINVAL => $root, 'rename', 'a', 'a/sub/x';
    try EINVAL => $root, 'rename', 'a', 'a/sub/deep';
    try qr/^(ENOTEMPTY|EEXIST)$/ => $root, 'rename', 'a/sub/deep', 'a';
    try qr/^(EINVAL|EBUSY)$/ => $root, 'rename', '.', 'x';
    try qr/^(EINVAL|EBUSY)$/ => $root, 'rename', 'a/..', 'x';
    try ok => $root, 'rename', 'a/sub/deep', 'a/sub2';
    try ok => $root, 'rmdir', 'a/sub';
    try ok => $root, 'rmdir', 'a/sub2';

    # Two names of one file: nothing happens.
    $root->get('put', 'one', 'text');
    $root->get('link', 'one', 'two');
    try ok => $root, 'rename', 'one', 'two';
    has $root, 'one', nlink => 2;
    has $root, 'two', nlink => 2;
    try ok => $root, 'unlink', 'one';

    # Replacing one of several names.
    $root->get('link', 'two', 'three');
    $root->get('put', 'new', 'newer');
    changes ctime => $root, 'two', sub { $root->do('rename', 'new', 'three') };
    has $root, 'two', nlink => 1;
    try 'ok newer' => $root, 'get', 'three';
    try 'ok text' => $root, 'get', 'two';

    # A directory with open files and a working directory in it goes on.
    my $walker = $w->another;
    $root->get('mkdir', 'a/tree');
    $root->get('put', 'a/tree/f', 'content');
    $walker->get('chdir', 'a/tree');
    my $fd = $walker->get('open', 'rw', 'f');
    try ok => $root, 'rename', 'a/tree', 'b/moved';
    try 'ok content' => $walker, 'get', 'f';
    try ok => $walker, 'put', 'g', 'beside';
    try 'ok beside' => $root, 'get', 'b/moved/g';
    try ok => $walker, 'pwrite', $fd, 'CON', 0;
    try 'ok CONtent' => $root, 'get', 'b/moved/f';
    try ok => $root, 'rename', 'b/moved/f', 'a/f';
    try qr/nlink=1/ => $walker, 'fstat', $fd;
    try ok => $walker, 'ftruncate', $fd, 3;
    try 'ok CON' => $root, 'get', 'a/f';
    try ok => $walker, 'close', $fd;
    try ok => $walker, 'chdir', '../..';

    # Permissions.
    $root->get('mkdir', 'shut');
    $root->get('mkdir', 'free');
    $root->get('chmod', 'free', '0777');
    $ann->get('put', 'free/x', 'text');
    try EACCES => $ann, 'rename', 'free/x', 'shut/x';
    $root->get('put', 'shut/y', 'text');
    try EACCES => $ann, 'rename', 'shut/y', 'free/y';
    try ok => $bob, 'rename', 'free/x', 'free/z';

    # Moving a directory elsewhere changes its "..": it must be writable.
    $root->get('mkdir', 'free2');
    $root->get('chmod', 'free2', '0777');
    $ann->get('mkdir', 'free/mine', '0755');
    try EACCES => $bob, 'rename', 'free/mine', 'free2/mine';
    try ok => $bob, 'rename', 'free/mine', 'free/still';
    try ok => $ann, 'rename', 'free/still', 'free2/mine';

    # Sticky directories: what is taken away, and what is replaced.
    for my $kind (qw(file empty)) {
        $root->get('mkdir', 'sticky');
        $root->get('chown', 'sticky', $w->id(3), $w->id(3));
        $root->get('chmod', 'sticky', '1777');
        $make{$kind}->($ann, 'sticky/ann');
        $make{$kind}->($bob, 'sticky/bob');
        try EPERM => $bob, 'rename', 'sticky/ann', 'sticky/x';
        try EPERM => $bob, 'rename', 'sticky/ann', 'free/x';
        try EPERM => $bob, 'rename', 'sticky/bob', 'sticky/ann';
        try EPERM => $bob, 'renameflags', 'sticky/bob', 'sticky/ann', 2;
        try ok    => $ann, 'rename', 'sticky/ann', 'sticky/x';
        try ok    => $cid, 'rename', 'sticky/x', 'sticky/y' if $kind eq 'file';
        try ok    => $root, 'rename', ($kind eq 'file' ? 'sticky/y' : 'sticky/x'), 'sticky/bob';
        clear($root, 'sticky/bob');
        try ok    => $root, 'rmdir', 'sticky';
    }

    # NOREPLACE.
    for my $to (sort keys %make) {
        $make{file}->($root, 'a/from');
        $make{$to}->($root, 'b/to');
        try EEXIST => $root, 'rename', 'a/from', 'b/to', 'noreplace';
        clear($root, 'b/to');
        try ok => $root, 'rename', 'a/from', 'b/to', 'noreplace';
        try ENOENT => $root, 'rename', 'a/from', 'b/to2', 'noreplace';
        clear($root, 'b/to');
    }

    # EXCHANGE.
    for my $from (sort keys %make) {
        for my $to (sort keys %make) {
            $make{$from}->($root, 'a/from');
            $make{$to}->($root, 'b/to');
            my ($x, $y) = map { $root->stat($_)->{ino} } 'a/from', 'b/to';
            try ok => $root, 'rename', 'a/from', 'b/to', 'exchange';
            has $root, 'a/from', ino => $y;
            has $root, 'b/to', ino => $x;
            clear($root, $_) for 'a/from', 'b/to';
        }
        $make{$from}->($root, 'a/from');
        try ENOENT => $root, 'rename', 'a/from', 'b/to', 'exchange';
        clear($root, 'a/from');
    }
    has $root, 'a', nlink => 2;

    # A tree exchanged with another: both are reached under their new names.
    for my $name (qw(p q)) { $root->get('mkdir', $name); $root->get('put', "$name/file", $name) }
    $fd = $root->get('open', 'r', 'p/file');
    try ok => $root, 'rename', 'p', 'q', 'exchange';
    try 'ok q' => $root, 'get', 'p/file';
    try 'ok p' => $root, 'get', 'q/file';
    try 'ok p' => $root, 'pread', $fd, 10, 0;
    try ok => $root, 'close', $fd;
    $root->get('mkdir', 'q/x');
    try EINVAL => $root, 'rename', 'q', 'q/x', 'exchange';

    # WHITEOUT leaves a device 0,0 behind.
    $make{file}->($root, 'a/from');
    try ok => $root, 'rename', 'a/from', 'b/to', 'whiteout';
    has $root, 'a/from', type => 'chr';
    try 'ok 0' => $root, 'rdev', 'a/from';
    has $root, 'b/to', type => 'file';
    try EINVAL => $root, 'renameflags', 'b/to', 'b/to2', 3;
    try EINVAL => $root, 'renameflags', 'b/to', 'b/to2', 8;
    try EINVAL => $root, 'renameflags', 'b/to', 'b/to2', 6;
};
