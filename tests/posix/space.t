# Blocks that a filesystem keeps for root are root's on the mount too.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;
need_program('mkfs.ext4');

my ($image, $source) = (temp_path('image'), temp_path('source'));
mkdir $source;

sub fill {
    my ($c, $path) = @_;
    my $fd = $c->get('open', 'w,creat', $path, '0666');
    my $reply = $c->do('times', 100_000, 'write', $fd, 'x' x 30_000);
    $c->get('close', $fd);
    return $reply =~ s/ at .*//r;
}

for my $place (undef, 0, 1) {
    my $label = !defined $place ? 'the source' : $place ? 'in place' : 'the mount';
    open my $fh, '>', $image or die "$image: $!\n";
    truncate $fh, 16 << 20;
    close $fh;
    Lockfs::Sys::run_quiet('mkfs.ext4', '-q', '-m', '40', $image) or die "mkfs.ext4 failed\n";
    Lockfs::Sys::run_quiet('mount', '-o', 'loop', $image, $source) or die "no loop devices?\n";
    chmod 0777, $source;
    my $m = defined $place ? mount_lockfs(source => $source, in_place => $place, options => 'allow_other') : undef;
    my $p = $m ? $m->path : $source;
    my ($root, $user) = (client(), client(user => unprivileged));
    is fill($user, "$p/users"), 'ENOSPC', "$label: an ordinary user fills it";
    my $size = $root->stat("$p/users")->{size};
    cmp_ok $size, '<', 12 << 20, "$label: but not all of it";
    expect ENOSPC => $user, 'fallocate', $user->get('open', 'w', "$p/users"), 0, $size, 4 << 20;
    is fill($root, "$p/roots"), 'ENOSPC', "$label: root fills the rest";
    cmp_ok $root->stat("$p/roots")->{size}, '>', 2 << 20, "$label: which was kept";
    $_->stop for $root, $user;
    is $m->umount, 'exit 0', "$label: the daemon ends well" if $m;
    Lockfs::Sys::run_quiet('umount', $source);
    unlink $image;
}
done_testing;
