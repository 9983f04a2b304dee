# chown: who may give what to whom, and the bits that go with it.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %make = (
    file => sub { $_[0]->get('creat', $_[1], '0644') },
    dir  => sub { $_[0]->get('mkdir', $_[1], '0755') },
    fifo => sub { $_[0]->get('mknod', $_[1], 'fifo', '0644') },
    sock => sub { $_[0]->get('mknod', $_[1], 'sock', '0644') },
    ln   => sub { $_[0]->get('symlink', 'file', $_[1]) },
);

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob) = ($w->root, $w->user(1), $w->user(2));
    my $member = $w->user(1, $w->id(7), $w->id(8));
    my ($a, $b, $g) = ($w->id(1), $w->id(2), $w->id(7));

    for my $type (sort keys %make) {
        $make{$type}->($root, $type);
        try ok => $root, 'chown', $type, 123, 456;
        has $root, $type, uid => 123, gid => 456;
        try ok => $root, 'chown', $type, $a, -1;
        has $root, $type, uid => $a, gid => 456;
        try ok => $root, 'chown', $type, -1, $a;
        has $root, $type, uid => $a, gid => $a;
        changes ctime => $root, $type, sub { $root->do('chown', $type, $a, $a) };
        changes ''    => $root, $type, sub { $bob->do('chown', $type, $b, $b) };

        try EPERM => $bob, 'chown', $type, $b, -1;
        try EPERM => $bob, 'chown', $type, -1, $b;
        try EPERM => $ann, 'chown', $type, $b, -1;
        try EPERM => $ann, 'chown', $type, -1, $g;
        try ok    => $ann, 'chown', $type, -1, $a;
        try ok    => $ann, 'chown', $type, $a, $a;
        try ok    => $member, 'chown', $type, -1, $g;
        has $root, $type, uid => $a, gid => $g;
        try ok    => $member, 'chown', $type, $a, $w->id(8);
        has $root, $type, uid => $a, gid => $w->id(8);
        try EPERM => $member, 'chown', $type, -1, $w->id(9);
        try EPERM => $member, 'chown', $type, $b, $g;
        try ok    => $root, 'chown', $type, 0, 0;
    }

    # Set-id bits go when the owner or group of a file changes; those of a directory stay.
    for my $who ([ root => $root ], [ owner => $member ]) {
        my ($name, $c) = @$who;
        $root->get('creat', "bits-$name", '0644');
        for my $case ([qw(4755 0755)], [qw(2755 0755)], [qw(6755 0755)], [qw(6777 0777)], [qw(2644 2644)], [qw(6644 2644)]) {
            my ($before, $after) = @$case;
            $root->get('chown', "bits-$name", $a, $g);
            $root->get('chmod', "bits-$name", $before);
            try ok => $c, 'chown', "bits-$name", -1, $w->id(8);
            has $root, "bits-$name", mode => $after, gid => $w->id(8);
        }
        $root->get('mkdir', "dir-$name");
        $root->get('chown', "dir-$name", $a, $g);
        $root->get('chmod', "dir-$name", '6755');
        try ok => $c, 'chown', "dir-$name", -1, $w->id(8);
        has $root, "dir-$name", mode => '6755';
    }

    # Also when neither is named.
    $root->get('creat', 'neither', '0644');
    $root->get('chmod', 'neither', '6775');
    changes ctime => $root, 'neither', sub { $root->do('chown', 'neither', -1, -1) };
    has $root, 'neither', mode => '0775';
    changes ctime => $root, 'neither', sub { $root->do('chown', 'neither', -1, -1) };
    has $root, 'neither', mode => '0775';

    # chown follows, lchown does not.
    try ok => $root, 'ochown', 'ln', 11, 12;
    has $root, 'file', uid => 11, gid => 12;
    has $root, 'ln', uid => 0, gid => 0;

    # Through a descriptor without a name.
    my $fd = $root->get('open', 'rw,creat', 'gone', '0644');
    try ok => $root, 'unlink', 'gone';
    try ok => $root, 'fchown', $fd, 21, 22;
    try qr/uid=21 gid=22/ => $root, 'fstat', $fd;
    try ok => $root, 'close', $fd;

    # All names of a file show it.
    try ok => $root, 'link', 'file', 'second';
    try ok => $root, 'chown', 'second', 31, 32;
    has $root, 'file', uid => 31, gid => 32;
};
