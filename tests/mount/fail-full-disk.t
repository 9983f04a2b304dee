# On a full disk nothing goes wrong that the disk does not make go wrong: errors are its own, releasing and healing work.
use v5.30;
use warnings;
use Lockfs::Test;
use Errno qw(ENOSPC);
use Lockfs::Sys qw(run_quiet);

need_root;
need_fuse;
need_program('mkfs.ext4');

# Writes until the disk is full, in pieces that become smaller.
sub fill_blocks {
    my ($path) = @_;
    open my $fh, '>', $path or die "$path: $!\n";
    for my $size (65536, 4096, 1024) {
        1 while defined syswrite $fh, 'x' x $size;
        die "$path: $!\n" if $! != ENOSPC;
    }
    close $fh;
}

# Makes files until there is no room for another. The count.
sub fill_inodes {
    my ($dir) = @_;
    my $n = 0;
    while (1) {
        open my $fh, '>', "$dir/filler-" . ($n + 1) or last;
        $n++;
    }
    die "$dir: $!\n" if $! != ENOSPC;
    return $n;
}

sub few_inodes {
    my $dir = temp_path('few-inodes');
    mkdir $dir;
    run_quiet('mount', '-t', 'tmpfs', '-o', 'size=8m,nr_inodes=40,mode=755', 'lockfs-test', $dir) or die "no tmpfs\n";
    return (source => $dir);
}

# Each: how to mount, how to fill, how to make room again; whether a new directory finds room on a full disk.
my @disks = (
    {
        name => 'tmpfs without blocks', mount => [ source => 'tmpfs', size => '1m' ], mkdir => 'ok',
        fill => sub { fill_blocks("$_[0]/filler") }, free => sub { unlink "$_[0]/filler" or die "unlink: $!\n" },
    },
    {
        name => 'ext4 without blocks', mount => [ source => 'ext4', size => '4m' ], mkdir => 'ENOSPC',
        fill => sub { fill_blocks("$_[0]/filler") }, free => sub { unlink "$_[0]/filler" or die "unlink: $!\n" },
    },
    {
        name => 'tmpfs without inodes', mount => [ few_inodes() ], mkdir => 'ENOSPC',
        fill => sub { fill_inodes($_[0]) }, free => sub { unlink glob "$_[0]/filler-*" },
    },
);

for my $disk (@disks) {
    for my $behind (0, 1) {
        subtest "$disk->{name}, filled " . ($behind ? 'behind the mount' : 'through the mount') => sub {
            my $m = mount_lockfs(@{ $disk->{mount} });
            my ($p, $dying, $owner, $other) = ($m->path, client(), client(), client());
            my $place = $behind ? $m->source : $p;
            expect ok => $owner, 'mkdir', "$p/empty.lock";
            expect ok => $owner, 'excl', "$p/file.lock";
            expect ok => $dying, 'mkdir', "$p/dead-empty.lock";
            expect ok => $dying, 'mkdir', "$p/dead-full.lock";
            expect ok => $dying, 'put', "$p/dead-full.lock/owner", 'me';
            expect ok => $dying, 'put', "$p/dead-file.lock.tmp", 'me';
            expect ok => $dying, 'link', "$p/dead-file.lock.tmp", "$p/dead-file.lock";
            expect ok => $dying, 'unlink', "$p/dead-file.lock.tmp";
            $disk->{fill}->($place);

            subtest 'taking and releasing' => sub {
                expect $disk->{mkdir} => $other, 'mkdir', "$p/new.lock";
                my $again = $disk->{mkdir} eq 'ok' ? 'EEXIST' : 'ENOSPC';
                expect $again => $owner, 'mkdir', "$p/new.lock";
                expect ENOSPC => $other, 'put', "$p/data", 'x' x 20000 if $disk->{name} =~ /blocks/;
                expect EBUSY  => $other, 'rmdir', "$p/empty.lock";
                expect EEXIST => $other, 'mkdir', "$p/empty.lock";
                expect ok     => $owner, 'unlink', "$p/file.lock";
                is $other->stat("$p/file.lock"), 'ENOENT', 'released';
                expect ok     => $owner, 'mkdir', "$p/empty.lock/in.lock" if $disk->{mkdir} eq 'ok';
            };
            subtest 'the dead' => sub {
                my $w = watcher($p);
                $dying->kill9;
                is $other->stat("$p/$_"), 'ENOENT', "$_ is hidden" for qw(dead-empty.lock dead-full.lock dead-file.lock);
                ok scalar($w->until('DELETE', 'dead-full.lock', 10)), 'watchers hear of it';
                expect qr/^(\Q$disk->{mkdir}\E|ok)$/ => $other, 'mkdir', "$p/dead-$_.lock" for qw(empty full file);
                $w->stop;
            };
            $disk->{free}->($place);
            subtest 'with room again' => sub {
                for my $name (qw(dead-empty dead-full dead-file new file)) {
                    $other->do('rmdir', "$p/$name.lock");
                    expect ok     => $other, 'mkdir', "$p/$name.lock";
                    expect EEXIST => $owner, 'mkdir', "$p/$name.lock";
                }
                expect ok => $owner, 'rmdir', "$p/empty.lock/in.lock" if $disk->{mkdir} eq 'ok';
                expect ok => $owner, 'rmdir', "$p/empty.lock";
                $other->kill9;
                expect ok => $owner, 'mkdir', "$p/new.lock";
            };
            my ($kept) = grep { -d } glob($m->source . '/.lockfs*dead-full.lock'), glob($m->source . '/.lockfs/healed/*dead-full.lock');
            is slurp(($kept // '') . '/owner'), 'me', 'the content of what was healed is kept';
            is_deeply [ grep { /dead|lockfs/ } $owner->list($p) ], [], 'nothing of it is listed';
            is $m->umount, 'exit 0', 'the daemon ends well';
        };
        run_quiet('rm', '-rf', "$disk->{mount}[1]/.lockfs", glob "$disk->{mount}[1]/.[a-z]* $disk->{mount}[1]/*")
            if $disk->{mount}[1] =~ m{^/};
    }
}

done_testing;
