# Times: set, kept, and moved by exactly what moves them.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob) = ($w->root, $w->user(1), $w->user(2));
    my %make = (
        file => sub { $root->get('put', $_[0], 'text') },
        dir  => sub { $root->get('mkdir', $_[0]) },
        fifo => sub { $root->get('mknod', $_[0], 'fifo') },
        ln   => sub { $root->get('symlink', 'file', $_[0]) },
    );
    for my $type (sort keys %make) {
        $make{$type}->($type);
        for my $pair ([ 1, 2 ], [ 0, 0 ], [ 1_000_000_000_123_456_789, 987_654_321_000_000_001 ], [ 2_000_000_000_000_000_000, 1 ], [ 4_000_000_000_999_999_999, 4_000_000_000_999_999_998 ]) {
            try ok => $root, 'utimens', $type, @$pair;
            has $root, $type, atime => $pair->[0], mtime => $pair->[1];
        }
        try ok => $root, 'utimens', $type, 'omit', 77;
        has $root, $type, atime => 4_000_000_000_999_999_999, mtime => 77;
        try ok => $root, 'utimens', $type, 88, 'omit';
        has $root, $type, atime => 88, mtime => 77;
        changes '' => $root, $type, sub { $root->do('utimens', $type, 'omit', 'omit') };
        changes 'ctime mtime' => $root, $type, sub { $root->do('utimens', $type, 'omit', 'now') };
        changes 'atime ctime' => $root, $type, sub { $root->do('utimens', $type, 'now', 'omit') };
        changes 'atime ctime mtime' => $root, $type, sub { $root->do('utimens', $type, 'now', 'now') };
        my $st = $root->stat($type);
        ok abs($st->{mtime} / 1e9 - time) < 60, place_label . ": $type: now is now";
    }

    # Who may: the owner anything, who may write only "now" for both.
    $root->get('chown', 'file', $w->id(1), $w->id(1));
    for my $mode (qw(0644 0666)) {
        $root->get('chmod', 'file', $mode);
        try ok => $ann, 'utimens', 'file', 1, 2;
        try ok => $ann, 'utimens', 'file', 'now', 'omit';
        try $mode eq '0666' ? 'ok' : 'EACCES' => $bob, 'utimens', 'file', 'now', 'now';
        try EPERM => $bob, 'utimens', 'file', 1, 2;
        try EPERM => $bob, 'utimens', 'file', 'now', 'omit';
        try EPERM => $bob, 'utimens', 'file', 'omit', 'now';
        try EPERM => $bob, 'utimens', 'file', 'omit', 5;
        try ok    => $bob, 'utimens', 'file', 'omit', 'omit';
    }

    # Content.
    changes 'ctime mtime' => $root, 'file', sub { $root->do('truncate', 'file', 10) };
    has $root, 'file', size => 10;
    changes 'ctime mtime' => $root, 'file', sub { $root->do('truncate', 'file', 3) };
    changes 'ctime mtime' => $root, 'file', sub { $root->do('put', 'file', 'other') };
    my $fd = $root->get('open', 'rw', 'file');
    changes ''            => $root, 'file', sub { $root->get('close', $root->get('open', 'rw', 'file')) };
    changes 'ctime mtime' => $root, 'file', sub { $root->do('write', $fd, 'x') };
    changes 'ctime mtime' => $root, 'file', sub { $root->do('pwrite', $fd, 'xyz', 100) };
    changes 'ctime mtime' => $root, 'file', sub { $root->do('ftruncate', $fd, 50) };
    changes 'ctime mtime' => $root, 'file', sub { $root->do('ftruncate', $fd, 50) };
    changes 'atime ctime mtime' => $root, 'file', sub { $root->do('mmapwrite', $fd, 0, 'map') };
    changes ''            => $root, 'file', sub { $root->do('fsync', $fd) };
    changes 'atime ctime mtime' => $root, 'file', sub { $root->do('ftouch', $fd) };
    changes 'ctime'       => $root, 'file', sub { $root->do('fchmod', $fd, '0640') };
    changes 'ctime'       => $root, 'file', sub { $root->do('setxattr', 'file', 'user.x', 'v') };
    changes 'ctime'       => $root, 'file', sub { $root->do('removexattr', 'file', 'user.x') };
    changes ''            => $root, 'file', sub { $root->do('removexattr', 'file', 'user.x') };
    try ok => $root, 'close', $fd;

    # Reading a file that was written since it was last read.
    $root->get('put', 'fresh', 'text');
    $root->get('utimens', 'fresh', 1_000_000_000, 'omit');
    my $reader = $w->another;
    changes 'atime' => $root, 'fresh', sub { $reader->do('get', 'fresh') };
    changes ''      => $root, 'fresh', sub { $reader->do('get', 'fresh') };
    $root->get('utimens', 'dir', 1_000_000_000, 'omit');
    changes 'atime' => $root, 'dir', sub { $reader->do('list', 'dir') };
    $fd = $root->get('open', 'r,noatime', 'fresh');
    $root->get('utimens', 'fresh', 1_000_000_000, 'omit');
    changes '' => $root, 'fresh', sub { $root->do('pread', $fd, 4, 0) };
    try ok => $root, 'close', $fd;

    # What is made is of now, and its directory too.
    my $made = $root->stat('fresh');
    $root->get('tick');
    $root->get('put', 'dir/new', 'x');
    my ($file, $dir) = ($root->stat('dir/new'), $root->stat('dir'));
    ok $file->{mtime} > $made->{mtime}, place_label . ': a new file is younger';
    ok $dir->{mtime} > $made->{mtime}, place_label . ': so is its directory';
    changes '' => $root, 'dir', sub { $root->do('put', 'dir/new', 'inside') };
    changes '' => $root, 'dir', sub { $root->do('chmod', 'dir/new', '0600') };
    changes 'ctime mtime' => $root, 'dir', sub { $root->do('rename', 'dir/new', 'dir/newer') };
};
