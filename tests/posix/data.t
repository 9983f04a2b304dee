# Content: every way to write it is seen by every way to read it.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

everywhere {
    my ($w) = @_;
    my ($root, $ann, $other) = ($w->root, $w->user(1), $w->another);
    my $content = sub {
        my ($want, $name) = @_;
        try $want eq '' ? 'ok %' : "ok $want" => $root,  'get', 'f';
        try $want eq '' ? 'ok %' : "ok $want" => $other, 'get', 'f';
        has $root, 'f', size => length $want =~ s/%[0-9A-F]{2}/./gr;
    };

    # Flags of open.
    try ENOENT => $root, 'open', 'rw', 'f';
    my $fd = $root->get('open', 'rw,creat,excl', 'f', '0640');
    try EEXIST => $root, 'open', 'rw,creat,excl', 'f';
    try ok => $root, 'write', $fd, 'hello';
    $content->('hello');
    try ok => $root, 'pwrite', $fd, 'J', 0;
    $content->('Jello');
    my $mapped = $other->get('open', 'rw', 'f');
    try 'ok Jello' => $other, 'mmapread', $mapped, 0, 5;
    try ok => $root, 'pwrite', $fd, 'C', 0;
    try 'ok Cello' => $other, 'mmapread', $mapped, 0, 5;
    try ok => $other, 'mmapwrite', $mapped, 1, 'HIL';
    $content->('CHILo');
    try 'ok CHILo' => $root, 'pread', $fd, 5, 0;
    try EISDIR  => $root, 'open', 'w', '.';
    try EISDIR  => $root, 'open', 'rw', '.';
    try EISDIR  => $root, 'open', 'r,creat', '.';
    try ENOTDIR => $root, 'open', 'r,dir', 'f';
    $root->get('symlink', 'f', 'ln');
    try ELOOP   => $root, 'open', 'r,nofollow', 'ln';
    try qr/^ok/ => $root, 'open', 'path,nofollow', 'ln';
    try EEXIST  => $root, 'open', 'rw,creat,excl', 'ln';
    try EBADF   => $root, 'read', $root->get('open', 'w', 'f'), 1;
    try EBADF   => $root, 'write', $root->get('open', 'r', 'f'), 'x';
    try EINVAL  => $root, 'ftruncate', $root->get('open', 'r', 'f'), 1;
    my $truncated = $root->get('open', 'w,trunc', 'f');
    $content->('');
    try ok => $root, 'close', $truncated;

    # Appending, by several, with descriptors of either kind.
    my @writers = ($root, $other, $w->another);
    my @fds = map { $_->get('open', 'w,append', 'f') } @writers;
    for my $round (1 .. 5) {
        for my $i (0 .. 2) { try ok => $writers[$i], 'write', $fds[$i], chr(ord('a') + $i) }
    }
    $content->('abc' x 5);
    try ok => $root, 'pwrite', $fd, 'X', 0;
    try ok => $other, 'write', $fds[1], 'z';
    $content->('X' . substr('abc' x 5, 1) . 'z');
    try ok => $root, 'setfl', $fds[0], 'none';
    try ok => $root, 'pwrite', $fds[0], 'Y', 1;
    $content->('XY' . substr('abc' x 5, 2) . 'z');
    try ok => $root, 'setfl', $fds[0], 'append';
    try ok => $root, 'write', $fds[0], 'E';
    $content->('XY' . substr('abc' x 5, 2) . 'zE');
    my $both = $other->get('open', 'rw,append', 'f');
    try ok => $other, 'mmapwrite', $both, 2, 'MAP';
    $content->('XYMAP' . substr('abc' x 5, 5) . 'zE');
    $writers[$_]->get('close', $fds[$_]) for 0 .. 2;

    # Many appends at once: none is lost.
    $root->get('truncate', 'f', 0);
    @fds = map { $_->get('open', 'w,append', 'f') } @writers;
    $writers[$_]->start('times', 400, 'write', $fds[$_], 'r' . $_ . '______') for 0 .. 2;
    is $_->reply(60), 'ok', place_label . ': appended 400 times' for @writers;
    has $root, 'f', size => 3 * 400 * 8;
    my $text = $root->get('get', 'f');
    is scalar(() = $text =~ /r${_}______/g), 400, place_label . ": every record of writer $_ is there" for 0 .. 2;

    # Truncation.
    $root->get('put', 'f', '0123456789');
    for my $case ([ 5, '01234' ], [ 8, '01234%00%00%00' ], [ 8, '01234%00%00%00' ], [ 0, '' ], [ 3, '%00%00%00' ]) {
        try ok => $root, 'truncate', 'f', $case->[0];
        $content->($case->[1]);
    }
    try EINVAL => $root, 'truncate', 'f', -1;
    try EISDIR => $root, 'truncate', '.', 0;
    try EFBIG  => $root, 'truncate', 'f', 9_223_372_036_854_775_807 if place_label =~ /ext4/;
    try ok     => $root, 'truncate', 'f', 5_000_000_000;
    has $root, 'f', size => 5_000_000_000;
    try ok     => $root, 'pwrite', $fd, 'far', 4_999_999_990;
    try 'ok far' => $other, 'pread', $mapped, 3, 4_999_999_990;
    ok $root->stat('f')->{blocks} < 1000, place_label . ': and it takes no room';

    # Holes.
    try ok => $root, 'truncate', 'f', 0;
    try ok => $root, 'pwrite', $fd, 'data', 1_048_576;
    try 'ok 1048576' => $root, 'lseek', $fd, 0, 'data';
    try 'ok 0' => $root, 'lseek', $fd, 0, 'hole';
    try 'ok 1048580' => $root, 'lseek', $fd, 1_048_576, 'hole';
    try ENXIO => $root, 'lseek', $fd, 2_000_000, 'data';
    try 'ok 1048580' => $root, 'lseek', $fd, 0, 'end';
    try EINVAL => $root, 'lseek', $fd, -1, 'set';

    # fallocate.
    try ok => $root, 'truncate', 'f', 0;
    try ok => $root, 'fallocate', $fd, 0, 0, 10000;
    has $root, 'f', size => 10000;
    ok $root->stat('f')->{blocks} >= 20, place_label . ': allocated';
    try ok => $root, 'fallocate', $fd, 1, 0, 100000;    # KEEP_SIZE
    has $root, 'f', size => 10000;
    try ok => $root, 'pwrite', $fd, 'x' x 200, 0;
    try ok => $root, 'fallocate', $fd, 3, 100, 50;    # PUNCH_HOLE
    try 'ok ' . 'x' x 100 . '%00' x 50 . 'x' x 50 => $other, 'pread', $mapped, 200, 0;
    try ok => $root, 'posix-fallocate', $fd, 0, 20000;
    has $root, 'f', size => 20000;
    try EINVAL => $root, 'fallocate', $fd, 0, 0, 0;
    try EINVAL => $root, 'fallocate', $fd, 0, -1, 10;
    try EOPNOTSUPP => $root, 'fallocate', $fd, 2, 0, 10;    # PUNCH_HOLE alone
    try EBADF => $root, 'fallocate', $mapped + 100, 0, 0, 10;

    # Copying inside the kernel.
    $root->get('put', 'src', '0123456789' x 100);
    my ($in, $out) = ($root->get('open', 'r', 'src'), $root->get('open', 'rw,creat', 'dst'));
    try 'ok 1000' => $root, 'copyrange', $in, $out, 5000;
    try 'ok ' . '0123456789' x 100 => $other, 'get', 'dst';
    try 'ok 0' => $root, 'copyrange', $in, $out, 10;
    $root->get('lseek', $in, 5, 'set');
    try 'ok 5' => $root, 'sendfile', $out, $in, 5;
    has $root, 'dst', size => 1005;
    $root->get('lseek', $in, 0, 'set');
    try 'ok 3' => $root, 'splice', $in, $out, 3;
    try 'ok 56789012' => $other, 'pread', $other->get('open', 'r', 'dst'), 8, 1000;
    try EBADF => $root, 'copyrange', $out, $in, 5;

    # Direct and synchronous.
    for my $flags ('rw,direct', 'rw,sync', 'rw,dsync') {
        my $d = $root->do('open', $flags, 'dst');
        like $d, qr/^(ok|EINVAL)/, place_label . ": open $flags";
        next unless $d =~ /^ok (\d+)/;
        try qr/^(ok|EINVAL)$/ => $root, 'pwrite', $1, 'flags', 0;
        try ok => $root, 'fsync', $1;
        try ok => $root, 'close', $1;
    }

    # Without a name.
    my $tmp = $root->get('open', 'rw,tmpfile', '.', '0640');
    try ok => $root, 'write', $tmp, 'nameless';
    try qr/nlink=0 .*size=8/ => $root, 'fstat', $tmp;
    try ok => $root, 'linkfd', $tmp, 'named';
    has $root, 'named', nlink => 1, size => 8, mode => '0640';
    try 'ok nameless' => $other, 'get', 'named';
    try ok => $root, 'pwrite', $tmp, 'N', 0;
    try 'ok Nameless' => $other, 'get', 'named';
    try ok => $root, 'linkfd', $tmp, 'again';
    has $root, 'again', nlink => 2;
    try EEXIST => $root, 'linkfd', $tmp, 'again';
    try ok => $root, 'close', $tmp;
    $tmp = $root->get('open', 'rw,tmpfile,excl', '.', '0640');
    try ENOENT => $root, 'linkfd', $tmp, 'never';
    try EINVAL => $root, 'open', 'r,tmpfile', '.';
    try EACCES => $ann, 'open', 'rw,tmpfile', '.';
    $root->get('mkdir', 'open');
    $root->get('chmod', 'open', '0777');
    $tmp = $ann->get('open', 'rw,tmpfile', 'open', '0600');
    try qr/uid=@{[ $w->id(1) ]} / => $ann, 'fstat', $tmp;
    try ok => $ann, 'fchmod', $tmp, '0604';
    try ok => $ann, 'linkfd', $tmp, 'open/mine';
    has $root, 'open/mine', uid => $w->id(1), mode => '0604';

    # A program that runs is not written to, and what is written to does not run.
    $root->do('run', 'cp', '/bin/sleep', $w->dir . '/prog');
    my $busy = $root->get('open', 'w', 'prog');
    try ETXTBSY => $other, 'tryexec', 'prog', '0';
    try ok => $root, 'close', $busy;
    my $running = spawn([ $w->dir . '/prog', '1000' ], cwd => '/');
    my $exe;
    $exe = readlink('/proc/' . $running->pid . '/exe') // '' until defined $exe && $exe =~ /prog$/;
    try ETXTBSY => $root, 'open', 'w', 'prog';
    try ETXTBSY => $root, 'truncate', 'prog', 0;
    $running->kill('KILL');
    $running->wait;
    try 'ok 0' => $other, 'tryexec', 'prog', '0';
};
