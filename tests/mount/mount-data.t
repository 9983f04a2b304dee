# Data behaves on a mount exactly as on the source: the same operations, the same results, on both.
use v5.30;
use warnings;
use Lockfs::Test;
use Fcntl qw(O_RDONLY);

need_root;
need_fuse;
need_program('tar', 'find', 'mkfs.ext4');

my $many = $ENV{LOCKFS_QUICK} ? 2000 : 10_000;

sub shell { my ($script, @args) = @_; return run([ 'sh', '-euc', $script, 'sh', @args ], timeout => 120) }
sub shell_ok {
    my ($name, $script, @args) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = shell($script, @args);
    is $r->{status}, 'exit 0', $name or diag $r->{err};
    return $r->{out};
}

sub table {
    my ($p) = @_;
    my ($c, $d) = (client(), client());

    subtest 'reading and writing' => sub {
        my $fd = $c->get('open', 'rw,creat,excl', "$p/file");
        expect ok => $c, 'write', $fd, 'hello world';
        expect 'ok hello%20world' => $d, 'get', "$p/file";
        expect ok => $c, 'pwrite', $fd, 'HELLO', 0;
        expect 'ok HELLO%20world' => $d, 'get', "$p/file";
        expect 'ok world' => $c, 'pread', $fd, 100, 6;
        expect 'ok %' => $c, 'pread', $fd, 100, 100;
        expect ok => $c, 'ftruncate', $fd, 5;
        expect ok => $c, 'ftruncate', $fd, 8;
        expect 'ok HELLO%00%00%00' => $d, 'get', "$p/file";
        expect ok => $d, 'truncate', "$p/file", 2;
        is $c->stat("$p/file")->{size}, 2, 'truncated by another';
        my $append = $d->get('open', 'w,append', "$p/file");
        expect ok => $c, 'pwrite', $fd, 'xyz', 2;
        expect ok => $d, 'write', $append, 'END';
        expect 'ok HExyzEND' => $c, 'pread', $fd, 100, 0;
        expect ok => $c, 'fsync', $fd;
        expect EBADF => $d, 'read', $append, 1;
        my $read = $d->get('open', 'r', "$p/file");
        expect EBADF => $d, 'write', $read, 'x';
        expect ok => $d, 'close', $d->get('open', 'w,trunc', "$p/file");
        is $c->stat("$p/file")->{size}, 0, 'O_TRUNC';
        expect EEXIST => $c, 'open', 'rw,creat,excl', "$p/file";
        expect ok => $d, 'put', "$p/file", 'new';
        expect 'ok new' => $c, 'pread', $fd, 100, 0;
        expect ok => $c, 'write', $c->get('open', 'w,sync', "$p/file"), 'N';
    };

    subtest 'several that append' => sub {
        my $rounds = 200;
        my @writers = map { client() } 1 .. 4;
        my @fds = map { $_->get('open', 'w,creat,append', "$p/appended") } @writers;
        $writers[$_]->start('times', $rounds, 'write', $fds[$_], "$_" x 10) for 0 .. 3;
        is $_->reply, 'ok', 'written' for @writers;
        $_->stop for @writers;
        my $text = slurp("$p/appended");
        is length $text, 4 * 10 * $rounds, 'nothing is lost';
        is $text =~ s/(\d)\1{9}//gr, '', 'nor torn';
    };

    subtest 'names' => sub {
        expect ok => $c, 'put', "$p/a", 'a';
        expect ok => $c, 'put', "$p/b", 'b';
        my $ino = $c->stat("$p/a")->{ino};
        expect ok => $c, 'rename', "$p/a", "$p/b";
        expect 'ok a' => $d, 'get', "$p/b";
        is $d->stat("$p/a"), 'ENOENT', 'the old name is gone';
        is $d->stat("$p/b")->{ino}, $ino, 'the same file';
        expect ok => $c, 'put', "$p/c", 'c';
        expect EEXIST => $c, 'rename', "$p/b", "$p/c", 'noreplace';
        expect ok => $c, 'rename', "$p/b", "$p/c", 'exchange';
        expect 'ok a' => $d, 'get', "$p/c";
        expect 'ok c' => $d, 'get', "$p/b";
        expect ok => $c, 'rename', "$p/b", "$p/e", 'noreplace';
        expect ENOENT => $c, 'rename', "$p/nothing", "$p/c";
        expect ok => $c, 'mkdir', "$p/dir";
        expect ok => $c, 'mkdir', "$p/dir/sub";
        expect ok => $c, 'put', "$p/dir/sub/file", 'deep';
        expect ok => $c, 'rename', "$p/dir", "$p/moved";
        expect 'ok deep' => $d, 'get', "$p/moved/sub/file";
        is $d->stat("$p/dir/sub/file"), 'ENOENT', 'not under the old path';
        expect EINVAL => $c, 'rename', "$p/moved", "$p/moved/sub/x";
        expect ENOTEMPTY => $c, 'rmdir', "$p/moved";
        expect ok => $c, 'mkdir', "$p/empty";
        expect ENOTEMPTY => $c, 'rename', "$p/empty", "$p/moved";
        expect ok => $c, 'rename', "$p/moved", "$p/empty";
        expect EISDIR => $c, 'rename', "$p/c", "$p/empty";
        expect ENOTDIR => $c, 'rename', "$p/empty", "$p/c";
        expect EISDIR => $c, 'unlink', "$p/empty";
        expect ENOTDIR => $c, 'rmdir', "$p/c";
        expect ENOTDIR => $c, 'stat', "$p/c/x";
        expect EISDIR => $c, 'put', "$p/empty", 'x';
        expect EEXIST => $c, 'mkdir', "$p/c";
        expect ok => $c, 'mkdir', "$p/" . 'n' x 255;
        expect ENAMETOOLONG => $c, 'mkdir', "$p/" . 'n' x 256;
        expect ENAMETOOLONG => $c, 'stat', "$p/" . 'n' x 256;
        my $odd = "new\nline \xff\xfe \\ %41";
        expect ok => $c, 'put', "$p/$odd", 'odd';
        expect 'ok odd' => $d, 'get', "$p/$odd";
        ok scalar(grep { $_ eq $odd } $d->list($p)), 'names are bytes';
    };

    subtest 'links' => sub {
        expect ok => $c, 'put', "$p/one", 'text';
        expect ok => $c, 'link', "$p/one", "$p/two";
        is $d->stat("$p/two")->{nlink}, 2, 'two names';
        is $d->stat("$p/two")->{ino}, $d->stat("$p/one")->{ino}, 'of one file';
        expect ok => $d, 'put', "$p/two", 'changed';
        expect 'ok changed' => $c, 'get', "$p/one";
        expect ok => $c, 'rename', "$p/one", "$p/two";
        is ref $d->stat("$p/one"), 'HASH', 'a rename onto another name of the same file does nothing';
        expect ok => $c, 'unlink', "$p/one";
        is $d->stat("$p/two")->{nlink}, 1, 'one name';
        expect 'ok changed' => $d, 'get', "$p/two";
        expect EPERM => $c, 'link', "$p/empty", "$p/dirlink";
        expect EEXIST => $c, 'link', "$p/two", "$p/c";
        expect ok => $c, 'symlink', 'two', "$p/sym";
        expect 'ok two' => $d, 'readlink', "$p/sym";
        expect 'ok changed' => $d, 'get', "$p/sym";
        expect ok => $c, 'link', "$p/sym", "$p/sym-two";
        is $d->stat("$p/sym-two")->{type}, 'symlink', 'a link to a symbolic link';
        my $long = 'l' x 4095;
        expect ok => $c, 'symlink', $long, "$p/long";
        is $d->get('readlink', "$p/long"), $long, 'as long as can be';
        expect ok => $c, 'symlink', 'loop', "$p/loop";
        expect ELOOP => $c, 'get', "$p/loop";
        expect EINVAL => $c, 'readlink', "$p/two";
        expect ELOOP => $c, 'open', 'r,nofollow', "$p/sym";
        expect ok => $c, 'mknod', "$p/fifo", 'fifo';
        expect ok => $c, 'mknod', "$p/sock", 'sock';
        expect ok => $c, 'mknod', "$p/null", 'chr';
        is $d->stat("$p/$_->[0]")->{type}, $_->[1], $_->[1] for [ 'fifo', 'fifo' ], [ 'sock', 'sock' ], [ 'null', 'chr' ];
    };

    subtest 'attributes' => sub {
        expect ok => $c, 'put', "$p/attr", 'text';
        expect ok => $c, 'chmod', "$p/attr", '4751';
        is $d->stat("$p/attr")->{mode}, '4751', 'mode';
        expect ok => $c, 'chown', "$p/attr", 12, 34;
        is join(' ', @{ $d->stat("$p/attr") }{qw(uid gid mode)}), '12 34 0751', 'owner, and no set-user-id any more';
        expect ok => $c, 'utimens', "$p/attr", '1234567890123456789', '987654321987654321';
        is $d->stat("$p/attr")->{$_->[0]}, $_->[1], $_->[0] for [ atime => '1234567890123456789' ], [ mtime => '987654321987654321' ];
        expect ok => $c, 'utimens', "$p/attr", 'omit', 'now';
        is $d->stat("$p/attr")->{atime}, '1234567890123456789', 'one of them omitted';
        cmp_ok $d->stat("$p/attr")->{mtime}, '>', 1.6e18, 'the other now';
        my $before = $c->stat("$p/attr");
        expect ok => $c, 'put', "$p/attr", 'more text';
        my $after = $d->stat("$p/attr");
        cmp_ok $after->{mtime}, '>=', $before->{mtime}, 'a write moves mtime on';
        cmp_ok $after->{ctime}, '>=', $before->{ctime}, 'and ctime';
        is $after->{size}, 9, 'size';
        expect ok => $c, 'symlink', 'x', "$p/attr-link";
        expect ok => $c, 'utimens', "$p/attr-link", 1e9, 1e9;
        is $d->stat("$p/attr-link")->{mtime}, 1e9, 'of a symbolic link itself';
        expect ok => $c, 'chown', "$p/attr-link", 12, 34;
        is $d->stat("$p/attr-link")->{uid}, 12, 'its owner, too';
        $before = $c->stat($p);
        expect ok => $c, 'mkdir', "$p/attr-dir";
        is $d->stat($p)->{nlink}, $before->{nlink} + 1, 'a directory counts its subdirectories';
        cmp_ok $d->stat($p)->{mtime}, '>=', $before->{mtime}, 'and notes when';
    };

    subtest 'extended attributes' => sub {
        for my $name ("$p/attr", "$p/attr-dir") {
            expect ok => $c, 'setxattr', $name, 'user.one', 'first', 'create';
            expect EEXIST => $c, 'setxattr', $name, 'user.one', 'x', 'create';
            expect ENODATA => $c, 'setxattr', $name, 'user.two', 'x', 'replace';
            expect ok => $c, 'setxattr', $name, 'user.one', 'second', 'replace';
            expect ok => $c, 'setxattr', $name, 'user.empty', '';
            expect 'ok second' => $d, 'getxattr', $name, 'user.one';
            expect 'ok %' => $d, 'getxattr', $name, 'user.empty';
            is join(' ', sort grep { /^user/ } $d->get('listxattr', $name)), 'user.empty user.one', 'listed';
            expect ok => $c, 'setxattr', $name, 'user.long', 'x' x 2000;
            is length $d->get('getxattr', $name, 'user.long'), 2000, 'a long one';
            expect ok => $c, 'removexattr', $name, "user.$_" for qw(one empty long);
            expect ENODATA => $d, 'getxattr', $name, 'user.one';
            expect ENODATA => $d, 'removexattr', $name, 'user.one';
            expect EOPNOTSUPP => $c, 'setxattr', $name, 'nonsense', 'x';
        }
        expect EPERM => $c, 'setxattr', "$p/attr-link", 'user.one', 'x';
        expect ok => $c, 'setxattr', "$p/attr-link", 'trusted.one', 'x';
        expect 'ok x' => $d, 'getxattr', "$p/attr-link", 'trusted.one';
    };

    subtest 'space' => sub {
        my $fd = $c->get('open', 'rw,creat', "$p/space");
        expect ok => $c, 'pwrite', $fd, 'data', 1 << 20;
        is $d->stat("$p/space")->{size}, (1 << 20) + 4, 'a hole counts as size';
        cmp_ok $d->stat("$p/space")->{blocks}, '<', 64, 'and takes no space';
        is $c->get('lseek', $fd, 0, 'data'), 1 << 20, 'SEEK_DATA';
        is $c->get('lseek', $fd, 0, 'hole'), 0, 'SEEK_HOLE';
        is $c->get('lseek', $fd, 1 << 20, 'hole'), (1 << 20) + 4, 'SEEK_HOLE at the end';
        expect ENXIO => $c, 'lseek', $fd, 2 << 20, 'data';
        expect ok => $c, 'fallocate', $fd, 0, 0, 2 << 20;
        is $d->stat("$p/space")->{size}, 2 << 20, 'allocated';
        cmp_ok $d->stat("$p/space")->{blocks}, '>=', 4096, 'with its space';
        expect ok => $c, 'fallocate', $fd, 3, 0, 1 << 20;    # KEEP_SIZE | PUNCH_HOLE
        cmp_ok $d->stat("$p/space")->{blocks}, '<', 4096, 'a hole was punched';
        expect 'ok data' => $c, 'pread', $fd, 4, 1 << 20;
        expect ok => $c, 'fallocate', $fd, 1, 0, 4 << 20;    # KEEP_SIZE
        is $d->stat("$p/space")->{size}, 2 << 20, 'beyond the end without changing it';
        my $copy = $c->get('open', 'rw,creat', "$p/copy");
        $c->get('lseek', $fd, 1 << 20, 'set');
        is $c->get('copyrange', $fd, $copy, 4), 4, 'copy_file_range';
        expect 'ok data' => $d, 'get', "$p/copy";
        expect ok => $c, 'mmapwrite', $copy, 1, 'AT';
        expect 'ok dATa' => $d, 'get', "$p/copy";
        expect ok => $d, 'put', "$p/copy", 'other';
        expect 'ok other' => $c, 'pread', $copy, 10, 0;
        my $st = $c->do('statfs', $p);
        like $st, qr/ bsize=[1-9]\d* blocks=[1-9]\d* .* namelen=255/, 'statfs';
    };

    subtest 'files without a name' => sub {
        my $fd = $c->get('open', 'rw,creat', "$p/unlinked");
        expect ok => $c, 'write', $fd, 'still here';
        expect ok => $d, 'unlink', "$p/unlinked";
        expect 'ok still%20here' => $c, 'pread', $fd, 100, 0;
        expect ok => $c, 'pwrite', $fd, 'STILL', 0;
        like $c->do('fstat', $fd), qr/nlink=0 .*size=10 /, 'fstat';
        expect ok => $c, 'ftruncate', $fd, 5;
        expect 'ok STILL' => $c, 'pread', $fd, 100, 0;
        expect ok => $d, 'put', "$p/unlinked", 'another file';
        expect 'ok STILL' => $c, 'pread', $fd, 100, 0;
        expect ok => $c, 'fsync', $fd;
        expect ok => $d, 'put', "$p/replacing", 'new';
        my $old = $c->get('open', 'r', "$p/unlinked");
        expect ok => $d, 'rename', "$p/replacing", "$p/unlinked";
        expect 'ok another%20file' => $c, 'pread', $old, 100, 0;
        expect 'ok new' => $c, 'get', "$p/unlinked";

        my $tmp = $c->get('open', 'rw,tmpfile', $p);
        expect ok => $c, 'write', $tmp, 'text';
        like $c->do('fstat', $tmp), qr/nlink=0 .*size=4 /, 'O_TMPFILE';
        expect ok => $c, 'linkfd', $tmp, "$p/named";
        expect 'ok text' => $d, 'get', "$p/named";
        expect ok => $c, 'pwrite', $tmp, 'TEXT', 0;
        expect 'ok TEXT' => $d, 'get', "$p/named";
        my $excl = $c->get('open', 'rw,tmpfile,excl', $p);
        expect ENOENT => $c, 'linkfd', $excl, "$p/never";
        expect EEXIST => $c, 'linkfd', $tmp, "$p/named";

        expect ok => $c, 'mkdir', "$p/gone";
        my $dir = $c->get('open', 'r,dir', "$p/gone");
        expect ok => $c, 'fchdir', $dir;
        expect ok => $d, 'rmdir', "$p/gone";
        expect ENOENT => $c, 'creat', 'x';
        is_deeply [ $c->list('.') ], [], 'a directory that is gone is empty';
        expect ok => $c, 'chdir', '/';
    };

    subtest 'flock and fcntl' => sub {
        expect ok => $c, 'put', "$p/locked.lock", 'x';    # a plain create: data
        my ($mine, $yours) = map { $_->get('open', 'rw', "$p/locked.lock") } $c, $d;
        expect ok     => $c, 'flock', $mine, 'ex';
        expect EAGAIN => $d, 'flock', $yours, 'sh';
        expect ok     => $c, 'flock', $mine, 'sh';
        expect ok     => $d, 'flock', $yours, 'sh';
        expect EAGAIN => $d, 'flock', $yours, 'ex';
        expect ok     => $c, 'flock', $mine, 'un';
        expect ok     => $d, 'flock', $yours, 'ex';
        expect ok     => $d, 'close', $yours;
        expect ok     => $c, 'flock', $mine, 'ex';
        $yours = $d->get('open', 'rw', "$p/locked.lock");
        expect ok     => $c, 'setlk', $mine, 'wr';
        expect EAGAIN => $d, 'setlk', $yours, 'rd';
        expect ok     => $c, 'close', $c->get('open', 'r', "$p/locked.lock");
        expect ok     => $d, 'setlk', $yours, 'wr';
        my $dying = client();
        expect ok     => $d, 'setlk', $yours, 'un';
        expect ok     => $c, 'flock', $mine, 'un';
        my $fd = $dying->get('open', 'rw', "$p/locked.lock");
        expect ok     => $dying, 'flock', $fd, 'ex';
        expect ok     => $dying, 'setlk', $fd, 'wr';
        expect EAGAIN => $c, 'flock', $mine, 'ex';
        $dying->kill9;
        expect ok     => $c, 'flock', $mine, 'ex';
        expect ok     => $c, 'setlk', $mine, 'wr';
    };

    subtest 'listings' => sub {
        expect ok => $c, 'mkdir', "$p/list";
        expect ok => $c, 'times', 500, 'creat', "$p/list/f{}";
        expect ok => $c, 'mkdir', "$p/list/d";
        expect ok => $c, 'symlink', 'x', "$p/list/s";
        my %entry = map { my ($name, $type, $ino) = split /:/; ($name => [ $type, $ino ]) } split / /, $d->do('dents', "$p/list") =~ s/^ok //r;
        is scalar keys %entry, 502, 'all are listed';
        is $entry{f7}[0], 8,  'a file is one';
        is $entry{d}[0],  4,  'a directory';
        is $entry{s}[0],  10, 'a symbolic link';
        is $entry{$_}[1], $d->stat("$p/list/$_")->{ino}, "$_: its inode" for qw(f7 d s);

        opendir my $dh, "$p/list" or die "opendir: $!\n";
        my (%seen, $at, @rest);
        for (1 .. 100) { $seen{ readdir $dh }++ }
        $at = telldir $dh;
        push @rest, $_ while defined($_ = readdir $dh);
        seekdir $dh, $at;
        my @again;
        push @again, $_ while defined($_ = readdir $dh);
        is_deeply \@again, \@rest, 'seekdir goes back to where telldir was';
        rewinddir $dh;
        is scalar(my @all = readdir $dh), 504, 'rewinddir, to the beginning';
        rewinddir $dh;
        %seen = ();
        $seen{ readdir $dh }++ for 1 .. 50;
        for my $i (0 .. 499) { $i % 2 ? unlink "$p/list/f$i" : 1 }
        for my $i (0 .. 99) { open my $fh, '>', "$p/list/new$i" or die "new$i: $!\n" }
        $seen{$_}++ while defined($_ = readdir $dh);
        closedir $dh;
        my @stay = map { 'f' . 2 * $_ } 0 .. 249;
        is_deeply [ grep { ($seen{$_} // 0) != 1 } @stay ], [], 'what stays while a directory changes is listed once';
        is_deeply [ grep { $seen{$_} > 1 } keys %seen ], [], 'nothing is listed twice';

        expect ok => $c, 'mkdir', "$p/many";
        expect ok => $c, 'times', $many, 'creat', "$p/many/{}";
        is scalar(my @names = $d->list("$p/many")), $many, "$many files";
        is shell_ok('find', 'find "$1" -type f | wc -l', "$p/many") + 0, $many, 'found';
        shell_ok('rm -rf', 'rm -rf "$1"', "$p/many");
        is $d->stat("$p/many"), 'ENOENT', 'removed';
    };

    subtest 'whole trees' => sub {
        shell_ok 'a tree of all sorts', <<'SH', "$p/tree", $ENV{LOCKFS_QUICK} ? 2 : 16;
mkdir -p "$1/a/b/c" "$1/empty"
for i in 1 2 3 4 5 6 7 8 9; do head -c $((i * 7919)) /dev/urandom > "$1/a/b/f$i"; done
head -c "$2"M /dev/urandom > "$1/big"
truncate -s 3M "$1/sparse"; printf end >> "$1/sparse"
ln "$1/big" "$1/a/hard"; ln -s ../big "$1/a/soft"; mkfifo "$1/fifo"
chmod 0710 "$1/a"; chmod 2755 "$1/empty"; chown 12:34 "$1/a/b/f1"
touch -d '2001-02-03 04:05:06.789' "$1/a/b/f2" "$1/a/b"
touch "$1/yarn.lock"
SH
        my $facts = 'cd "$1" && find . -printf "%p %y %m %n %U %G %l\n" | sort && find . -type f -printf "%p %s %T@\n" | sort && find . -type f -exec sha256sum {} + | sort';
        my $want = shell_ok 'its facts', $facts, "$p/tree";
        shell_ok 'cp -a', 'cp -a "$1" "$2"', "$p/tree", "$p/copied";
        is shell_ok('facts of the copy', $facts, "$p/copied"), $want, 'the same';
        shell_ok 'tar', 'mkdir "$2" && tar -C "$1" --format=posix -cf - . | tar -C "$2" -xpf -', "$p/tree", "$p/tarred";
        is shell_ok('facts of what tar unpacked', $facts, "$p/tarred"), $want, 'the same';
        shell_ok 'mv', 'mv "$1" "$2" && rm -rf "$3"', "$p/tarred", "$p/moved-tree", "$p/copied";
        is shell_ok('facts of what was moved', $facts, "$p/moved-tree"), $want, 'the same';
        shell_ok 'a program runs', 'cp /bin/true "$1/true" && "$1/true"', $p;
        shell_ok 'a script, too', 'printf "#!/bin/sh\nexit 0\n" > "$1/script" && chmod +x "$1/script" && "$1/script"', $p;
        shell_ok 'direct input and output', 'dd if="$1/tree/big" of="$1/direct" bs=64k iflag=direct oflag=direct 2>&1 && cmp "$1/tree/big" "$1/direct"', $p;
    };
    $_->stop for $c, $d;
}

sub fresh_dir { my $path = temp_path($_[0]); mkdir $path or die "$path: $!\n"; return $path }

subtest 'on the source itself' => sub { table(fresh_dir('bare')) };

for my $case ([ 'on a mount' ], [ 'on a mount in place', in_place => 1 ], [ 'with allow_other', options => 'allow_other' ]) {
    my ($name, @how) = @$case;
    subtest $name => sub {
        my $source = fresh_dir($name =~ s/ /-/gr);
        my $c = client();
        my $bare = $c->do('statfs', $source) =~ s/type=\S+ | bfree=\S+| ffree=\S+//gr;
        my $m = mount_lockfs(source => $source, @how);
        is $c->do('statfs', $m->path) =~ s/type=\S+ | bfree=\S+| ffree=\S+//gr, $bare, 'statfs is that of the source';
        table($m->path);
        is $m->umount, 'exit 0', 'the daemon ends well';
        my @odd = grep { /^\./ } $c->list($source);
        is_deeply \@odd, [], 'nothing of lockfs is left in the source';
    };
}

subtest 'changes behind the mount are seen' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $s, $c) = ($m->path, $m->source, client());
    is $c->stat("$p/new"), 'ENOENT', 'not there yet';
    expect ok => $c, 'put', "$s/new", 'text';
    expect 'ok text' => $c, 'get', "$p/new";
    expect ok => $c, 'put', "$s/new", 'a longer text';
    my $deadline = now() + 10;
    1 while $c->do('get', "$p/new") ne 'ok a%20longer%20text' && now() < $deadline;
    expect 'ok a%20longer%20text' => $c, 'get', "$p/new";
    expect ok => $c, 'rename', "$s/new", "$s/other";
    expect 'ok a%20longer%20text' => $c, 'get', "$p/other";
    1 while ref $c->stat("$p/new") && now() < $deadline;
    is $c->stat("$p/new"), 'ENOENT', 'nor is it there for ever';
};

# A process that keeps a filesystem frozen until it hears a line, the test ends, or 20 s are over.
sub freezer {
    my ($dir) = @_;
    my ($freeze, $thaw) = (0xC0045877, 0xC0045878);    # FIFREEZE, FITHAW
    my $freezer = spawn(sub {
        $| = 1;
        sysopen my $fh, $dir, O_RDONLY or die "$dir: $!\n";
        ioctl $fh, $freeze, 0 or die "cannot freeze $dir: $!\n";
        say 'frozen';
        wait_readable(\*STDIN, 20);
        ioctl $fh, $thaw, 0 or die "cannot thaw $dir: $!\n";
        say 'thawed';
    });
    ($freezer->recv // '') eq 'frozen' or die "not frozen\n";
    return $freezer;
}

subtest 'what waits for the disk holds up nobody' => sub {
    my $m = mount_lockfs(source => 'ext4', size => '32m');
    my ($p, $owner, $other) = ($m->path, client(), client());
    my @slow = map { client() } 1 .. 4;
    my @fds = map { $slow[$_]->get('open', 'rw,creat', "$p/$_") } 0 .. 3;
    expect ok => $owner, 'put', "$p/data", 'text';
    expect ok => $owner, 'mkdir', "$p/x.lock";
    my $freezer = freezer($m->source);
    $slow[$_]->start('fallocate', $fds[$_], 0, 0, 1 << 20) for 0 .. 3;
    expect 'ok text' => $other, 'get', "$p/data" for 1 .. 3;
    expect 'ok 0 1 2 3 data x.lock' => $other, 'list', $p;
    expect EEXIST => $other, 'mkdir', "$p/x.lock";
    expect EBUSY  => $other, 'rmdir', "$p/x.lock";
    ok !wait_readable($slow[0]{from}, 0.05), 'while the slow ones wait';
    $freezer->send('go on');
    is $_->reply, 'ok', 'until the disk is there again' for @slow;
    is $freezer->recv, 'thawed', 'thawed by the test, not by time';
};

done_testing;
