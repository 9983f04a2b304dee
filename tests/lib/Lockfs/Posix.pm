package Lockfs::Posix;

# What POSIX and Linux say of a filesystem, asked in the same words of a bare directory and of the mount: an
# expectation that the bare one does not meet is a wrong test.
#
#     everywhere {
#         my ($w) = @_;
#         my ($root, $ann) = ($w->root, $w->user(1));
#         try ok     => $root, 'mkdir', 'd', '0755';
#         try EACCES => $ann,  'mkdir', 'd/x';
#         has $root, 'd', mode => '0755', nlink => 2;
#         changes 'ctime', $root, 'd', sub { $root->do('chmod', 'd', '0700') };
#     };
#
# The code runs six times, in a new directory that is the working directory of all its clients: on tmpfs and ext4 as they are, on
# a mount of each elsewhere, and on a mount in place.
#
# user(N, GID...): a client with uid and gid 65500+N and these supplementary groups; one for each.

use v5.30;
use warnings;
use Exporter qw(import);
use Lockfs::Test;

our @EXPORT = qw(everywhere try has same changes place_label on_mount);

use constant FIRST_ID => 65500;

our $label = '';

sub place_label { return $label }

# Is this one of the places that lockfs serves?
sub on_mount { return $label !~ /source/ }

sub everywhere(&) {
    my ($code) = @_;
    need_root;
    need_fuse;
    for my $backing (split / /, $ENV{LOCKFS_BACKINGS} // 'tmpfs ext4') {
        my @common = (source => $backing, options => 'allow_other');
        my $elsewhere = mount_lockfs(@common);
        my $in_place  = mount_lockfs(@common, in_place => 1);
        _at("$backing source",   $elsewhere->source . '/bare', $elsewhere, $code);
        _at("$backing mount",    $elsewhere->path . '/served', $elsewhere, $code);
        _at("$backing in place", $in_place->path . '/served',  $in_place,  $code);
        for my $mount ($elsewhere, $in_place) { is $mount->umount, 'exit 0', "$backing: the daemon ends well" }
    }
    done_testing;
}

sub _at {
    my ($name, $dir, $mount, $code) = @_;
    local $label = $name;
    mkdir $dir, 0755 or die "$dir: $!\n";
    my $w = bless { dir => $dir, mount => $mount, clients => {} }, __PACKAGE__;
    $code->($w);
    $_->stop for values %{ $w->{clients} };
}

sub dir   { return $_[0]{dir} }
sub mount { return $_[0]{mount} }

# A further client of root.
sub another {
    my ($w) = @_;
    return $w->{clients}{ 'another ' . keys %{ $w->{clients} } } = client(cwd => $w->{dir});
}

sub root { my ($w) = @_; return $w->{clients}{root} //= client(cwd => $w->{dir}) }

sub user {
    my ($w, $n, @groups) = @_;
    my $id = FIRST_ID + $n;
    return $w->{clients}{"$n @groups"} //= do {
        my $client = client(cwd => $w->{dir});
        $client->get('creds', $id, $id, @groups ? join(',', @groups) : '-');
        $client;
    };
}

sub id { my ($w, $n) = @_; return FIRST_ID + $n }

# try RESULT => CLIENT, COMMAND…
sub try {
    my ($want, $client, @command) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = $client->do(@command);
    my $name = "$label: " . join(' ', map { length > 50 ? substr($_, 0, 40) . '..' . length : encode($_) } @command) . ' => ';
    return ref $want ? like($got, $want, $name . $want) : is($got, $want, $name . $want);
}

# has CLIENT, PATH, FIELD => VALUE…: an assertion for each field of lstat.
sub has {
    my ($client, $path, @fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $st = $client->stat($path);
    $st = { map { $_ => $st } @fields } unless ref $st;
    while (my ($field, $want) = splice @fields, 0, 2) {
        is($st->{$field}, $want, "$label: $path has $field $want");
    }
    return $st;
}

# same CLIENT, PATH, PATH, FIELD…: the fields agree.
sub same {
    my ($client, $one, $other, @fields) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($x, $y) = map { $client->stat($_) } $one, $other;
    for my $field (@fields) { is(ref $y && $y->{$field}, ref $x ? $x->{$field} : '?', "$label: $one and $other agree on $field") }
    return;
}

# changes 'ctime mtime', CLIENT, PATH, CODE: exactly these times move.
sub changes {
    my ($want, $client, $path, $code) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $before = $client->stat($path);
    $client->get('tick');
    my @done = $code->();
    my $after = $client->stat($path);
    my @moved = ref $before && ref $after ? grep { $before->{$_} ne $after->{$_} } qw(atime ctime mtime) : ('no stat');
    return is("@moved", $want, "$label: times of $path that move: " . ($want || 'none') . " (@done)");
}

1;
