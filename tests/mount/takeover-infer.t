# The worker is killed at each marked point while it judges what was left before the mount: what is stale goes once, with its
# words kept once, and what is owned has its owner.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::CrashPoint;
use Lockfs::Ctl;
use Lockfs::LeftOver;

need_root;
need_fuse;
need_crash_points;

my ($owner, $gone, $other) = (client(), client(), client());
my $dead = $gone->pid;
$gone->kill9;

sub left {
    my $dir = temp_path('left-' . ++$main::lockfs_serial);
    mkdir $_ or die "$_: $!\n" for $dir, "$dir/d.lock";
    write_file("$dir/x.lock",     $dead);
    write_file("$dir/d.lock/pid", $dead);
    write_file("$dir/live.lock",  $owner->pid);
    symlink "1/effffffc:$dead", "$dir/unclear.lock" or die;
    return $dir;
}

# What is wrong after a death at this point, in words.
sub judge_all {
    my ($dir, $order) = @_;
    arm($order);
    my $m = mount_crashing(source => $dir, in_place => 1);
    my $p = $m->path;
    my @wrong;
    for my $name ('x.lock', 'd.lock') {
        push @wrong, "$name is there" if $other->stat("$p/$name") ne 'ENOENT';
        my $made = $other->do('mkdir', "$p/$name");
        push @wrong, "mkdir $name: $made" if $made ne 'ok';
        push @wrong, "rmdir $name" if $other->do('rmdir', "$p/$name") ne 'ok';
    }
    my $refused = $other->do('unlink', "$p/live.lock");
    push @wrong, "live.lock: $refused" if $refused ne 'EBUSY';
    my $show = eval { ctl_json([ 'show', '--json', "$p/unclear.lock" ]) };
    push @wrong, 'unclear.lock is not unowned' if !$show || $show->{state} ne 'unowned';
    my $hit = !armed();
    disarm();
    my $end = $m->umount;
    push @wrong, "ended with $end" if $end ne 'exit 0';
    my $kept = join ' ', sort map {s/.*-//r} glob "$dir/.lockfs/healed/*";
    push @wrong, "kept: $kept" if $kept ne 'd.lock x.lock';
    return ($hit, @wrong);
}

my @dirs = map { left() } 1 .. 40;
grow_old($dirs[-1]);
my (undef, @wrong) = judge_all(shift @dirs, '?');
is join(', ', @wrong), '', 'undisturbed';
my (%seen, $deaths);
for my $point (grep { !$seen{$_}++ } passes()) {
    my $dir = shift @dirs or last;
    my ($hit, @bad) = judge_all($dir, "$point 1");
    $deaths += $hit;
    is join(', ', @bad), '', "killed at $point";
}
cmp_ok $deaths, '>=', 10, "$deaths deaths";
done_testing;
