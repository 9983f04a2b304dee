# Paths that cannot be walked, or are too long, for every operation that takes one.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

# What is asked with a path whose last component does not have to be there.
my %making = (
    mkdir   => sub { [ 'mkdir',   $_[0] ] },
    fifo    => sub { [ 'mknod',   $_[0], 'fifo' ] },
    socket  => sub { [ 'mknod',   $_[0], 'sock' ] },
    regular => sub { [ 'mknod',   $_[0], 'reg' ] },
    creat   => sub { [ 'creat',   $_[0] ] },
    excl    => sub { [ 'excl',    $_[0] ] },
    symlink => sub { [ 'symlink', 'target', $_[0] ] },
    link    => sub { [ 'link',    'file', $_[0] ] },
    to      => sub { [ 'rename',  'moving', $_[0] ] },
);
my %using = (
    stat     => sub { [ 'stat',     $_[0] ] },
    open     => sub { [ 'get',      $_[0] ] },
    chmod    => sub { [ 'chmod',    $_[0], '0600' ] },
    chown    => sub { [ 'chown',    $_[0], -1, -1 ] },
    truncate => sub { [ 'truncate', $_[0], 0 ] },
    unlink   => sub { [ 'unlink',   $_[0] ] },
    rmdir    => sub { [ 'rmdir',    $_[0] ] },
    utimens  => sub { [ 'utimens',  $_[0], 'now', 'now' ] },
    readlink => sub { [ 'readlink', $_[0] ] },
    access   => sub { [ 'access',   $_[0], 'f' ] },
    from     => sub { [ 'rename',   $_[0], 'elsewhere' ] },
    linked   => sub { [ 'link',     $_[0], 'elsewhere' ] },
    list     => sub { [ 'list',     $_[0] ] },
    chdir    => sub { [ 'chdir',    $_[0] ] },
    statfs   => sub { [ 'statfs',   $_[0] ] },
    getxattr => sub { [ 'getxattr', $_[0], 'user.x' ] },
    setxattr => sub { [ 'setxattr', $_[0], 'user.x', 'v' ] },
);
my %all = (%making, %using);

# A path of exactly this many bytes to "file", through components that are there.
sub long_path {
    my ($last, $length) = @_;
    my $room = $length - length $last;
    my $path = 'd/../' x int($room / 5);
    return $path . ('/' x ($room - length $path)) . $last if $path;
}

everywhere {
    my ($w) = @_;
    my ($root, $ann) = ($w->root, $w->user(1));
    $root->get('put', 'file', 'text');
    $root->get('put', 'moving', 'text');
    $root->get('mkdir', 'd');
    $root->get('mkdir', 'closed', '0700');
    $root->get('put', 'closed/x', 'text');
    $root->get('symlink', 'loop-b', 'loop-a');
    $root->get('symlink', 'loop-a', 'loop-b');
    my ($longest, $too_long) = ('n' x 255, 'n' x 256);

    for my $op (sort keys %all) {
        my $command = $all{$op};
        try ENOTDIR      => $root, @{ $command->('file/x') };
        try ENOTDIR      => $root, @{ $command->('file/x/y') };
        try ENOENT       => $root, @{ $command->('missing/x') };
        try ENOENT       => $root, @{ $command->('') };
        try ENAMETOOLONG => $root, @{ $command->($too_long) };
        try ENAMETOOLONG => $root, @{ $command->("d/$too_long") };
        try ENAMETOOLONG => $root, @{ $command->("$too_long/x") };
        try ENAMETOOLONG => $root, @{ $command->('n' x 1500) };
        try ENAMETOOLONG => $root, @{ $command->(long_path('x', 4096)) };
        try ELOOP        => $root, @{ $command->('loop-a/x') };
        try EACCES       => $ann,  @{ $command->('closed/x') };
        try EACCES       => $ann,  @{ $command->('closed/missing') };
    }
    for my $op (sort keys %using) {
        try ENOENT => $root, @{ $using{$op}->('missing') };
        try ENOENT => $root, @{ $using{$op}->($longest) };
    }
    for my $op (qw(open chdir list statfs)) { try ELOOP => $root, @{ $all{$op}->('loop-a') } }
    try ENOENT => $root, 'symlink', '', 'empty';
    try EEXIST => $root, 'mkdir', 'file/';
    try ENOTDIR => $root, 'get', 'file/';
    try EISDIR => $root, 'open', 'w,creat', 'new/', '0644';

    # The longest name works for everything.
    for my $op (qw(mkdir fifo socket regular creat excl symlink link)) {
        try ok => $root, @{ $making{$op}->($longest) };
        is_deeply [ grep { length == 255 } $root->list('.') ], [$longest], place_label . ": $op: listed under its long name";
        try ok => $root, ($op eq 'mkdir' ? 'rmdir' : 'unlink'), $longest;
        try ENOENT => $root, 'stat', $longest;
    }
    try ok => $root, 'rename', 'moving', $longest;
    try ok => $root, 'rename', $longest, 'moving';

    # The longest path, too.
    my $path = long_path('file', 4095);
    try qr/^ok /  => $root, 'stat', $path;
    try 'ok text' => $root, 'get', $path;
    $path = long_path('made', 4095);
    try ok => $root, 'mkdir', $path;
    try ok => $root, 'rmdir', $path;

    # A tree deeper than any path: reached by walking. Nothing is built of whole paths.
    my ($depth, $part) = (40, 'p' x 200);
    for (1 .. $depth) { $root->get('mkdir', $part); $root->get('chdir', $part) }
    try ok        => $root, 'put', 'deep', 'down here';
    try 'ok down%20here' => $root, 'get', 'deep';
    try ok        => $root, 'rename', 'deep', 'deeper';
    try ok        => $root, 'link', 'deeper', 'also';
    has $root, 'also', nlink => 2;
    try ok        => $root, 'unlink', 'also';
    try ok        => $root, 'unlink', 'deeper';
    for (1 .. $depth) { $root->get('chdir', '..'); $root->get('rmdir', $part) }
    try qr/^ok / => $root, 'stat', 'file';

    # Symbolic links: how many are followed, and how long their text may be.
    $root->get('symlink', 'file', 'l0');
    $root->get('symlink', 'l' . ($_ - 1), "l$_") for 1 .. 41;
    try 'ok text' => $root, 'get', 'l39';
    try ELOOP     => $root, 'get', 'l40';
    for my $length (1, 255, 256, 1024, 4094, 4095) {
        my $target = 't' x $length;
        try ok => $root, 'symlink', $target, "s$length";
        try "ok $target" => $root, 'readlink', "s$length";
        has $root, "s$length", size => $length, type => 'symlink';
    }
    try ENAMETOOLONG => $root, 'symlink', 't' x 4096, 'too-long';
    try EINVAL => $root, 'readlink', 'file';
    try EINVAL => $root, 'readlink', 'd';
};
