# chmod: who may, what is kept, what is dropped.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %make = (
    file => sub { $_[0]->get('creat', $_[1], '0644') },
    dir  => sub { $_[0]->get('mkdir', $_[1], '0755') },
    fifo => sub { $_[0]->get('mknod', $_[1], 'fifo', '0644') },
    sock => sub { $_[0]->get('mknod', $_[1], 'sock', '0644') },
    chr  => sub { $_[0]->get('mknod', $_[1], 'chr', '0644') },
);

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob) = ($w->root, $w->user(1), $w->user(2));
    my $member = $w->user(1, $w->id(7));
    $root->get('mkdir', 'open');
    $root->get('chmod', 'open', '0777');

    for my $type (sort keys %make) {
        $make{$type}->($root, $type);
        for my $mode (qw(0000 0111 0222 0444 0600 0751 0777 1777 2755 4755 6777 7777)) {
            try ok => $root, 'chmod', $type, $mode;
            has $root, $type, mode => $mode;
        }
        changes ctime => $root, $type, sub { $root->do('chmod', $type, '0640') };
        changes ''    => $root, $type, sub { $bob->do('chmod', $type, '0777') };
        has $root, $type, mode => '0640';
        $root->get('chown', $type, $w->id(1), $w->id(1));
        try ok    => $ann, 'chmod', $type, '0604';
        try EPERM => $bob, 'chmod', $type, '0666';
        has $ann, $type, mode => '0604', uid => $w->id(1), gid => $w->id(1);
    }

    # The set-group-id bit of a file whose group the owner is not in is dropped, quietly.
    for my $type (qw(file dir)) {
        $root->get('chown', $type, $w->id(1), $w->id(7));
        try ok => $ann, 'chmod', $type, '2755';
        has $ann, $type, mode => '0755';
        try ok => $member, 'chmod', $type, '2755';
        has $ann, $type, mode => '2755';
        try ok => $root, 'chmod', $type, '0755';
    }
    $root->get('chown', 'file', $w->id(1), $w->id(1));
    try ok => $ann, 'chmod', 'file', '4755';
    has $ann, 'file', mode => '4755';
    try ok => $ann, 'chmod', 'file', '1644';
    has $ann, 'file', mode => '1644';

    # Through a descriptor, also of a file without a name.
    my $fd = $ann->get('open', 'rw,creat', 'open/by-fd', '0600');
    try ok => $ann, 'fchmod', $fd, '0000';
    has $ann, 'open/by-fd', mode => '0000';
    try EACCES => $ann, 'get', 'open/by-fd';
    try ok => $ann, 'pwrite', $fd, 'still', 0;
    try ok => $ann, 'unlink', 'open/by-fd';
    try ok => $ann, 'fchmod', $fd, '0751';
    try qr/mode=0751 nlink=0/ => $ann, 'fstat', $fd;
    try ok => $ann, 'close', $fd;

    # A symbolic link is followed.
    try ok => $root, 'symlink', 'file', 'ln';
    try ok => $root, 'chmod', 'ln', '0621';
    has $root, 'file', mode => '0621';
    try ENOENT => $root, 'chmod', 'dangling', '0600';

    # All names of a file show it.
    try ok => $root, 'link', 'file', 'second';
    try ok => $root, 'chmod', 'second', '0517';
    has $root, 'file', mode => '0517', nlink => 2;
};
