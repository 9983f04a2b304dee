# What is made: its mode under the umask, its owner and group, what stands in its way.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %make = (
    mkdir   => sub { [ 'mkdir', $_[0], $_[1] ] },
    fifo    => sub { [ 'mknod', $_[0], 'fifo', $_[1] ] },
    sock    => sub { [ 'mknod', $_[0], 'sock', $_[1] ] },
    reg     => sub { [ 'mknod', $_[0], 'reg', $_[1] ] },
    creat   => sub { [ 'creat', $_[0], $_[1] ] },
    excl    => sub { [ 'excl', $_[0], $_[1] ] },
    symlink => sub { [ 'symlink', 'target', $_[0] ] },
    link    => sub { [ 'link', 'file', $_[0] ] },
);
my %type = (mkdir => 'dir', fifo => 'fifo', sock => 'sock', reg => 'file', creat => 'file', excl => 'file', symlink => 'symlink', link => 'file');
my %standing = (
    'is-dir'  => sub { [ 'mkdir', $_[0] ] },
    'is-full' => sub { [ 'mkdir', $_[0] ] },
    'is-file' => sub { [ 'creat', $_[0] ] },
    'is-fifo' => sub { [ 'mknod', $_[0], 'fifo' ] },
    'is-link' => sub { [ 'symlink', 'file', $_[0] ] },
    'is-dangling' => sub { [ 'symlink', 'missing', $_[0] ] },
);

everywhere {
    my ($w) = @_;
    my ($root, $ann) = ($w->root, $w->user(1));
    my $member = $w->user(1, $w->id(7));
    $root->get('put', 'file', 'text');
    $root->get('chown', 'file', $w->id(1), $w->id(1));
    for my $dir (qw(open shut)) { $root->get('mkdir', $dir); }
    $root->get('chmod', 'open', '0777');
    $root->get('mkdir', 'group');
    $root->get('chown', 'group', $w->id(3), $w->id(7));
    $root->get('chmod', 'group', '2777');

    # Modes and the umask.
    for my $op (sort keys %make) {
        next if $op =~ /link/;
        my $remove = $op eq 'mkdir' ? 'rmdir' : 'unlink';
        for my $case ([qw(0755 000 0755)], [qw(0777 022 0755)], [qw(0666 077 0600)], [qw(0642 027 0640)], [qw(0000 000 0000)], [qw(0151 070 0101)], [qw(0777 777 0000)]) {
            my ($asked, $mask, $got) = @$case;
            $ann->get('umask', $mask);
            try ok => $ann, @{ $make{$op}->("open/$op", $asked) };
            has $ann, "open/$op", mode => $got;
            try ok => $ann, $remove, "open/$op";
            try ENOENT => $ann, 'stat', "open/$op";
        }
        $ann->get('umask', '022');
        try ok => $root, @{ $make{$op}->("open/$op", '1755') };
        has $root, "open/$op", mode => '1755';
        try ok => $root, $remove, "open/$op";
    }

    # Owner, group, links, and the times of the directory.
    for my $op (sort keys %make) {
        my $remove = $op eq 'mkdir' ? 'rmdir' : 'unlink';
        my $path = "open/$op";
        changes 'ctime mtime' => $ann, 'open', sub { $ann->do(@{ $make{$op}->($path, '0644') }) };
        has $ann, $path, uid => $w->id(1), gid => $w->id(1), type => $type{$op};
        has $ann, $path, nlink => $op eq 'mkdir' || $op eq 'link' ? 2 : 1;
        has $ann, 'open', nlink => $op eq 'mkdir' ? 3 : 2;
        my $made = $ann->stat($path);
        if ($op ne 'link') { ok $made->{$_} >= $ann->stat('open')->{mtime} - 1e9, place_label . ": $op: $_ is of now" for qw(atime mtime ctime) }
        changes ''   => $ann, $path, sub { $ann->do(@{ $make{$op}->($path, '0644') }) } if $op ne 'creat';
        changes ''   => $ann, 'open', sub { $ann->do(@{ $make{$op}->($path, '0644') }) };
        try EEXIST   => $root, @{ $make{$op}->($path, '0644') } if $op ne 'creat';
        changes 'ctime mtime' => $ann, 'open', sub { $ann->do($remove, $path) };
        has $ann, 'open', nlink => 2;

        # In a directory of somebody else, of another group, with the set-group-id bit.
        try EACCES => $ann, @{ $make{$op}->("shut/$op", '0644') };
        try ENOENT => $ann, 'stat', "shut/$op";
        $path = "group/$op";
        try ok => $ann, @{ $make{$op}->($path, '0644') };
        if ($op ne 'link') {
            has $ann, $path, uid => $w->id(1), gid => $w->id(7);
            has $ann, $path, mode => '2644' if $op eq 'mkdir';
            has $ann, $path, mode => '0644' if $op ne 'mkdir' && $op ne 'symlink';
        }
        try ok => $ann, $remove, $path;
    }

    # Set-group-id asked for in a directory of that group: only for members when the group may execute.
    for my $op (qw(reg creat excl)) {
        try ok => $ann, @{ $make{$op}->("group/$op", '2755') };
        has $ann, "group/$op", mode => '0755';
        try ok => $ann, 'unlink', "group/$op";
        try ok => $member, @{ $make{$op}->("group/$op", '2755') };
        has $ann, "group/$op", mode => '2755';
        try ok => $ann, 'unlink', "group/$op";
    }

    # A group that may write: supplementary groups count.
    $root->get('mkdir', 'ours');
    $root->get('chown', 'ours', 0, $w->id(7));
    $root->get('chmod', 'ours', '0770');
    for my $op (sort keys %make) {
        my $remove = $op eq 'mkdir' ? 'rmdir' : 'unlink';
        try EACCES => $ann, @{ $make{$op}->("ours/$op", '0644') };
        try ok     => $member, @{ $make{$op}->("ours/$op", '0644') };
        has $root, "ours/$op", uid => $w->id(1), gid => $w->id(1);
        try ok     => $member, $remove, "ours/$op";
    }

    # What stands in the way.
    for my $there (sort keys %standing) {
        $root->get(@{ $standing{$there}->($there) });
        $root->get('creat', 'is-full/x') if $there eq 'is-full';
        my $before = $root->do('stat', $there);
        for my $op (sort keys %make) {
            next if $op eq 'creat';
            try EEXIST => $root, @{ $make{$op}->($there, '0644') };
        }
        is $root->do('stat', $there), $before, place_label . ": $there is untouched";
    }
    try EISDIR => $root, 'creat', 'is-dir';
    try ok     => $root, 'creat', 'is-dangling';
    has $root, 'missing', type => 'file';
    try EEXIST => $root, 'mkdir', '.';
    try EEXIST => $root, 'mkdir', '..';

    # Devices are root's.
    try EPERM => $ann, 'mknod', 'open/chr', 'chr';
    try EPERM => $ann, 'mkdev', 'open/blk', 'b', 1793;
    for my $case ([ c => 259 ], [ b => 1793 ], [ c => 0 ]) {
        try ok => $root, 'mkdev', "open/$case->[0]$case->[1]", @$case;
        try "ok $case->[1]" => $root, 'rdev', "open/$case->[0]$case->[1]";
    }

    # A directory that is gone takes nothing.
    my $other = $w->another;
    $other->get('mkdir', 'going');
    $other->get('chdir', 'going');
    try ok => $root, 'rmdir', 'going';
    for my $op (sort keys %make) { try ENOENT => $other, @{ $make{$op}->('x', '0644') } unless $op eq 'link' }
    try qr/nlink=0/ => $other, 'ostat', '.';
};
