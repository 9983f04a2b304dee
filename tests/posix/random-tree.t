# Random operations on a tree of the mount and on one of the bare source: every answer, and in the end both trees, must
# be the same. LOCKFS_SEED repeats a run.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $seed  = $ENV{LOCKFS_SEED} // $$ * 1000 + time % 1000;
my $count = $ENV{LOCKFS_QUICK} ? 1000 : 8000;
my @USERS = ([ 0, 0, '-' ], [ 65501, 65501, '-' ], [ 65502, 65502, '65507' ]);
my @NAMES = qw(a b c d e);

sub pick { return $_[ rand @_ ] }

sub path { return join '/', map { pick(@NAMES) } 0 .. rand 3 }

sub mode { return sprintf '%04o', pick(0777, 0755, 0700, 0644, 0666, 0600, 01777, 02775, 04755, 0444, rand 07777) }

# Descriptors are numbers that both processes count alike.
my %MAKE = (
    mkdir    => sub { (path(), mode()) },
    creat    => sub { (path(), mode()) },
    excl     => sub { (path(), mode()) },
    mknod    => sub { (path(), pick(qw(sock reg)), mode()) },
    symlink  => sub { (pick(path(), path(), '../' . path(), 'missing'), path()) },
    link     => sub { (path(), path()) },
    linkfollow => sub { (path(), path()) },
    unlink   => sub { path() },
    rmdir    => sub { path() },
    rename   => sub { (path(), path(), pick('', '', 'noreplace', 'exchange')) },
    chmod    => sub { (path(), mode()) },
    chown    => sub { my @ids = (pick(-1, 0, 65501, 65502), pick(0, 65501, 65507)); (path(), rand 2 < 1 ? @ids : ($ids[1], $ids[0])) },
    utimens  => sub { (path(), pick('now', 'omit', int rand 2e9), pick('now', 'omit', int rand 2e9)) },
    truncate => sub { (path(), int rand 20000) },
    put      => sub { (path(), 'x' x rand 300) },
    get      => sub { path() },
    stat     => sub { path() },
    ostat    => sub { path() },
    list     => sub { path() },
    readlink => sub { path() },
    access   => sub { (path(), pick(qw(r w x rw f))) },
    setxattr => sub { (path(), 'user.' . pick(@NAMES), pick(@NAMES)) },
    getxattr => sub { (path(), 'user.' . pick(@NAMES)) },
    removexattr => sub { (path(), 'user.' . pick(@NAMES)) },
    setacl   => sub { (path(), pick(qw(access default)), 'u::' . pick(6, 7) . ',u:65501:' . pick(0, 4, 7) . ',g::' . pick(0, 5) . ',m::' . pick(0, 5, 7) . ',o::' . pick(0, 5)) },
    getacl   => sub { (path(), pick(qw(access default))) },
    open     => sub { (pick('r', 'rw', 'rw,creat', 'w,trunc', 'w,append', 'rw,creat,excl', 'r,dir', 'rw,tmpfile'), path(), mode()) },
    pwrite   => sub { (3 + int rand 8, 'y' x rand 100, int rand 5000) },
    pread    => sub { (3 + int rand 8, int rand 200, int rand 5000) },
    fchmod   => sub { (3 + int rand 8, mode()) },
    fstat    => sub { 3 + int rand 8 },
    ftruncate => sub { (3 + int rand 8, int rand 9000) },
    linkfd   => sub { (3 + int rand 8, path()) },
    close    => sub { 3 + int rand 8 },
    umask    => sub { pick(qw(000 022 077 027)) },
);

# What is each filesystem's own business.
sub plain {
    my ($reply) = @_;
    $reply =~ s/ (?:ino|dev|blocks|atime|mtime|ctime)=\S+//g;
    $reply =~ s/(type=dir .*?)size=\d+/$1size=_/;
    return $reply;
}

sub describe {
    my ($c, $top) = @_;
    my @lines;
    my @todo = ($top);
    while (defined(my $path = shift @todo)) {
        my $st = plain($c->do('stat', $path));
        my @names = $st =~ /type=dir/ ? $c->list($path) : ();
        push @lines, $path =~ s/^\Q$top\E//r . " $st " . join ' ', sort split / /, $c->do('listxattr', $path);
        push @lines, $c->do('get', $path)      if $st =~ /type=file/;
        push @lines, $c->do('readlink', $path) if $st =~ /type=symlink/;
        push @lines, map { $c->do('getacl', $path, $_) } qw(access default) if $st =~ /type=dir/;
        push @todo, map { "$path/$_" } @names;
    }
    return \@lines;
}

sub compare {
    my ($backing, $in_place, $seed) = @_;
    srand $seed;
    my $label = "$backing" . ($in_place ? ' in place' : '') . ", LOCKFS_SEED=$seed";
    my $m = mount_lockfs(source => $backing, options => 'allow_other', in_place => $in_place);
    my $bare = $in_place ? mount_bare($backing) : $m->source;
    my %top = (mount => $m->path . '/served', source => "$bare/bare");
    mkdir $_ or die "$_: $!\n" for values %top;
    chmod 0777, $_ for values %top;
    my @pairs = map {
        my $user = $_;
        +{ map { my $c = client(cwd => $top{$_}); $c->get('creds', @$user); ($_ => $c) } keys %top }
    } @USERS;
    my @done;
    my $recent = $ENV{LOCKFS_HISTORY} // 25;
    for my $i (1 .. $count) {
        my $op = pick(sort keys %MAKE);
        my @command = ($op, $MAKE{$op}->());
        my $who = int rand @pairs;
        my %got = map { ($_ => plain($pairs[$who]{$_}->do(@command))) } qw(source mount);
        push @done, "user $who: @command => $got{source}";
        shift @done if @done > $recent;
        next if $got{source} eq $got{mount};
        fail "$label: the same answers";
        diag join "\n", @done, "mount: $got{mount}, at operation $i";
        return;
    }
    pass "$label: $count answers are the same";
    my $root = client();
    my ($source, $mount) = map { describe($root, $top{$_}) } qw(source mount);
    is_deeply $mount, $source, "$label: so are the trees (" . @$source . ' lines)';
    for my $pair (@pairs) { $_->stop for values %$pair }
    $root->stop;
    is $m->umount, 'exit 0', "$label: the daemon ends well";
}

# A filesystem of the kind, not served: the source of a mount that is.
sub mount_bare {
    my ($backing) = @_;
    my $m = mount_lockfs(source => $backing);
    my $source = $m->source;
    $m->umount;
    return $source;
}

for my $backing (qw(tmpfs ext4)) {
    compare($backing, $_, $seed + $_) for 0, 1;
}
done_testing;
