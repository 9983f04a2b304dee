# A program takes over tables whose records were smaller in the version that wrote them.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(build_dir slurp);
use File::Copy qw(copy);

need_root;
need_fuse;

my $daemon = build_dir() . '/fs/daemon/lockfs';
my $points = grep { /LOCKFS_CRASH_POINT/ } split /\n/, run([ 'strings', $daemon ])->{out};
my $handles_moved = 1 << 1;

# A daemon of a program of its own, which can be replaced, and that writes the layout of an earlier version.
sub mount_old {
    my ($version, %env) = @_;
    my $program = temp_path("lockfs-$version");
    if (!-e $program) {
        copy($daemon, $program) or die "$program: $!";
        chmod 0755, $program;
    }
    return ($program, mount_lockfs(program => $program, source => 'tmpfs', env => { LOCKFS_STATE_VERSION => $version, %env }));
}

sub install {
    my ($program) = @_;
    copy($daemon, "$program.new") or die $!;
    chmod 0755, "$program.new";
    rename "$program.new", $program or die $!;
    return (stat $program)[1];
}

# Tables with more than one piece of memory, gaps in between, files with and without a name.
sub fill {
    my ($m) = @_;
    my ($p, $owner) = ($m->path, client());
    my $n = $ENV{LOCKFS_QUICK} ? 700 : 2000;
    my %held = (p => $p, owner => $owner, other => client(), n => $n);
    expect ok => $owner, 'mkdir', "$p/d";
    my @wrong = grep { $_ ne 'ok' } map { $owner->do('mkdir', "$p/d/$_.lock") } 1 .. $n;
    push @wrong, grep { $_ ne 'ok' } map { $owner->do('rmdir', "$p/d/$_.lock") } grep { $_ % 3 == 0 } 1 .. $n;
    is "@wrong", '', "$n locks made, every third released";
    for my $i (1 .. 12) {
        $held{fds}{$i} = $owner->get('open', 'rw,creat', "$p/file$i");
        $owner->do('write', $held{fds}{$i}, "text$i");
    }
    $owner->do('close', delete $held{fds}{$_}) for 2, 5;
    $owner->do('unlink', "$p/file$_") for 3, 4;
    $held{append} = $owner->get('open', 'w,creat,append', "$p/log");
    return \%held;
}

sub still {
    my ($h) = @_;
    my ($p, $owner, $other) = @$h{qw(p owner other)};
    my @wrong = grep { $_ ne 'EBUSY' } map { $other->do('rmdir', "$p/d/$_.lock") } grep { $_ % 3 } 1 .. $h->{n};
    is_deeply [ @wrong[ 0 .. ($#wrong > 2 ? 2 : $#wrong) ] ], [], 'every lock has its owner';
    expect "ok text$_" => $owner, 'pread', $h->{fds}{$_}, length "text$_", 0 for sort keys %{ $h->{fds} };
    expect ok => $owner, 'write', $h->{append}, 'x';
    expect ok => $other, 'mkdir', "$p/d/3.lock";
    expect ok => $other, 'rmdir', "$p/d/3.lock";
    my $fd = $owner->get('open', 'rw,creat', "$p/new");
    expect ok => $owner, 'write', $fd, 'new';
    expect ok => $owner, 'close', $fd;
}

sub replaced {
    my ($m, $h, $ino) = @_;
    my $end = now() + 20;
    while (now() < $end) {
        $h->{other}->do('stat', "$h->{p}/d");
        return 1 if ((stat '/proc/' . $m->pid . '/exe')[1] // 0) == $ino;
    }
    return 0;
}

for my $point ('', $points ? ('layout-copied', 'layout-in-force') : ()) {
    for my $version (1, 2) {
        subtest "layout $version" . ($point ? ", killed at $point" : '') => sub {
            my $file = temp_path('crash-point');
            my ($program, $m) = mount_old($version, LOCKFS_CRASH_POINT => $file);
            my $state = state_file();
            my $h = fill($m);
            is_deeply [ layout_in($state) ], [ $version, 0 ], 'the old program writes the old layout';
            still($h);
            if ($point) { open my $fh, '>', $file or die; print {$fh} $point }
            my $ino = install($program);
            $m->kill('USR1');
            ok replaced($m, $h, $ino), 'the new program runs';
            still($h);
            is_deeply [ layout_in($state) ], [ 3, $handles_moved ], 'and has converted the records';
            ok !-e $file, 'the point was passed' if $point;
            $h->{owner}->kill9;
            expect ENOENT => $h->{other}, 'stat', "$h->{p}/d/1.lock";
            is $m->umount, 'exit 0', 'it ends well';
        };
    }
}

subtest 'what a mount of the earlier version left' => sub {
    my (undef, $m) = mount_old(2);
    my $h = fill($m);
    $h->{owner}->do('close', $_) for values %{ $h->{fds} }, $h->{append};
    is $m->umount, 'exit 0', 'unmounted';
    my $again = mount_lockfs(source => $m->source);
    my $held = 0;
    expect EBUSY => $h->{other}, 'rmdir', $again->path . '/d/1.lock';
    $held = () = grep { $_ % 3 } 1 .. $h->{n};
    like $again->log, qr/of the locks of the last mount $held are held on/, 'all are taken up';
    is $again->umount, 'exit 0', 'unmounted';
};

# The only state file there is; those of ended mounts are gone.
sub state_file { my ($file) = glob "$ENV{LOCKFS_STATE_DIR}/*"; return $file }

sub layout_in {
    my ($file) = @_;
    open my $fh, '<:raw', $file or die "$file: $!";
    sysseek $fh, 3 * 2**30 - 4096, 0 or die;
    sysread $fh, my $bytes, 8;
    return unpack 'LL', $bytes;
}

done_testing;
