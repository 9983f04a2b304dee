# Directories: what is listed, positions, and entries that come and go meanwhile.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %type = (dir => 4, file => 8, ln => 10, fifo => 1, sock => 12, chr => 2);

# All entries from a position on: [name, next, type, ino]. $between is called after each batch.
sub read_from {
    my ($c, $fd, $position, $size, $between) = @_;
    my @all;
    while (1) {
        my @batch = map { [ split /:/ ] } $c->get('dents-at', $fd, $position, $size);
        last if !@batch;
        push @all, @batch;
        $position = $batch[-1][1];
        $between->(\@all) if $between;
    }
    return @all;
}

sub names { return sort grep { !/^\.\.?$/ } map { $_->[0] } @_ }

everywhere {
    my ($w) = @_;
    my ($root, $other) = ($w->root, $w->another);
    $root->get('mkdir', 'd');
    my $fd = $root->get('open', 'r,dir', 'd');
    is_deeply [ sort map { $_->[0] } read_from($root, $fd, 0, 4096) ], [qw(. ..)], place_label . ': an empty directory has two entries';

    # Types and inode numbers agree with stat.
    $root->get('mkdir', 'd/dir');
    $root->get('put', 'd/file', 'x');
    $root->get('symlink', 'x', 'd/ln');
    $root->get('mknod', "d/$_", $_) for qw(fifo sock chr);
    for my $entry (grep { $_->[0] ne '..' } read_from($root, $fd, 0, 4096)) {
        my ($name, undef, $type, $ino) = @$entry;
        is $ino, $root->stat("d/$name")->{ino}, place_label . ": the inode number of $name";
        is $type, $name eq '.' ? 4 : $type{$name}, place_label . ": the type of $name";
    }
    $root->get($_ eq 'dir' ? 'rmdir' : 'unlink', "d/$_") for keys %type;

    # Many names, long and short, with little room and much.
    my $n = 1500;
    try ok => $root, 'times', $n, 'put', 'd/name-{}', 'x';
    $root->get('put', 'd/' . ('l' x 255), 'x');
    my @want = sort +(map { "name-$_" } 0 .. $n - 1), 'l' x 255;
    for my $size (300, 1000, 32768, 65536) {
        is_deeply [ names(read_from($root, $fd, 0, $size)) ], \@want, place_label . ": all listed by $size bytes at a time";
    }
    try EINVAL => $root, 'dents-at', $fd, 0, 20;

    # Every position that was given can be taken up again, also by another descriptor.
    my @all = read_from($root, $fd, 0, 4096);
    my $second = $root->get('open', 'r,dir', 'd');
    for my $at (0, 1, 2, 10, 499, 1000, $#all - 1) {
        my @rest = map { $_->[0] } read_from($root, $fd, $all[$at][1], 4096);
        is_deeply \@rest, [ map { $_->[0] } @all[ $at + 1 .. $#all ] ], place_label . ": on from position $at";
        @rest = map { $_->[0] } read_from($root, $second, $all[$at][1], 700);
        is_deeply \@rest, [ map { $_->[0] } @all[ $at + 1 .. $#all ] ], place_label . ": by another descriptor from position $at";
    }

    # Entries come and go: what stays is listed once.
    for my $how (qw(remove create rename)) {
        my $turn = 0;
        my @listed = names(read_from($root, $fd, 0, 2000, sub {
            my $i = $turn++;
            $other->do('unlink', "d/gone-$how-$i") if $how eq 'remove';
            $other->do('put', "d/new-$how-$i", 'x');
            $other->do('rename', "d/new-$how-$i", "d/moved-$how-$i") if $how eq 'rename';
            $other->do('unlink', "d/new-$how-$i") if $how eq 'remove';
        }));
        ok $turn > 3, place_label . ": the directory changed $turn times meanwhile";
        my %count;
        $count{$_}++ for @listed;
        is scalar(grep { ($count{$_} // 0) != 1 } @want), 0, place_label . ": $how: what stayed is listed exactly once";
        is scalar(grep { $count{$_} > 1 } keys %count), 0, place_label . ": $how: nothing is listed twice";
        $other->do('unlink', "d/$_") for grep { /^(new|moved)-/ } $other->list('d');
    }

    # Removing while reading, as rm -r does, takes everything.
    my $left = 1;
    while ($left) {
        my @batch = map { [ split /:/ ] } $root->get('dents-at', $fd, 0, 8192);
        my @names = names(@batch);
        $left = @names;
        $root->get('unlink', "d/$_") for @names;
    }
    is_deeply [ $root->list('d') ], [], place_label . ': all removed';
    try ok => $root, 'rmdir', 'd';
    try qr/^(ok|ENOENT)$/ => $root, 'dents-at', $fd, 0, 4096;
};
