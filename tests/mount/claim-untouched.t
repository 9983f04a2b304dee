# Whatever a contender tries on a held lock and on what lies in it, nothing changes: real rm, mv, sed and old descriptors.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $source) = ($m->path, $m->source);
chmod 0777, $source;
my $user = unprivileged;
my ($uid) = Lockfs::Sys::user_ids($user);
my ($owner, $root, $plain) = (client(user => $user), client(), client(user => $user));
my $lock = "$p/dir.lock";

expect ok => $plain, 'mkdir', "$p/made";    # data, of which a stranger keeps descriptors; then it becomes a lock
expect ok => $plain, 'put', "$p/made/member", 'old text';
expect ok => $plain, 'put', "$p/plain", 'old text';
my $old_member = $plain->get('open', 'rw', "$p/made/member");
my $old_file   = $plain->get('open', 'rw', "$p/plain");

expect ok => $owner, 'mkdir', $lock;
expect ok => $owner, 'put', "$lock/owner.json", '{"pid":1}';
expect ok => $owner, 'mkdir', "$lock/a";
expect ok => $owner, 'mkdir', "$lock/a/b";
expect ok => $owner, 'put', "$lock/a/b/deep", 'deep text';
expect ok => $owner, 'symlink', 'owner.json', "$lock/link";
expect ok => $owner, 'mknod', "$lock/fifo", 'fifo';
expect ok => $owner, 'setxattr', "$lock/owner.json", 'user.note', 'kept';
expect ok => $owner, 'excl', "$p/file.lock";
expect ok => $owner, 'put', "$p/file.lock", '4711';
expect ok => $owner, 'symlink', 'host:4711', "$p/link.lock";
expect ok => $owner, 'rename', "$p/made", "$p/made.lock";
expect ok => $owner, 'link', "$p/plain", "$p/plain.lock";
expect ok => $root, 'put', "$p/data", 'data';
chmod 0666, "$source/data";

sub snapshot {
    my ($path) = @_;
    my @all = ([ $path, (lstat $path)[ 1 .. 7, 9, 10 ] ]);
    if (-l _) {
        push @{ $all[0] }, readlink $path;
    } elsif (-d _) {
        opendir my $dir, $path or die "$path: $!";
        push @all, map { snapshot("$path/$_") } sort grep { !/^\.\.?$/ } readdir $dir;
    } elsif (-f _) {
        push @{ $all[0] }, slurp($path), $root->do('getxattr', $path, 'user.note');
    }
    return @all;
}

my @held = map { "$source/$_" } qw(dir.lock file.lock link.lock made.lock plain.lock);
my @before = map { snapshot($_) } @held;
cmp_ok scalar @before, '>', 11, 'something to lose';

sub untouched {
    my ($what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply [ map { snapshot($_) } @held ], \@before, "$what: nothing has changed";
}

my @programs = (
    [ 'rm', '-rf', $lock ],
    [ 'rm', '-rf', "$p/dir.lock", "$p/file.lock", "$p/link.lock", "$p/made.lock" ],
    [ 'rm', '-f', "$p/file.lock" ],
    [ 'rm', '-f', "$p/link.lock" ],
    [ 'rm', '-f', "$lock/owner.json" ],
    [ 'rmdir', $lock ],
    [ 'find', $lock, '-delete' ],
    [ 'mv', $lock, "$p/gone" ],
    [ 'mv', '-f', "$p/file.lock", "$p/gone" ],
    [ 'mv', "$lock/owner.json", "$p/gone" ],
    [ 'mv', "$lock/a", "$p/gone" ],
    [ 'cp', '-f', "$p/data", "$p/file.lock" ],
    [ 'cp', "$p/data", "$lock/new" ],
    [ 'cp', '--remove-destination', "$p/data", "$lock/owner.json" ],
    [ 'sed', '-i', 's/1/2/', "$lock/owner.json" ],
    [ 'touch', $lock ],
    [ 'touch', "$lock/owner.json" ],
    [ 'chmod', '-R', '777', $lock ],
    [ 'truncate', '-s', '0', "$p/file.lock" ],
    [ 'sh', '-c', 'echo stolen > "$0/owner.json"', $lock ],
    [ 'sh', '-c', 'echo stolen >> "$0"', "$p/file.lock" ],
    [ 'ln', '-sfn', 'elsewhere', "$p/link.lock" ],
    [ 'ln', "$lock/owner.json", "$p/second-name" ],
    [ 'ln', '-f', "$p/data", "$lock/owner.json" ],
    [ 'perl', '-e', 'unlink $ARGV[0] and exit; exit 1', "$lock/a/b/deep" ],
);
for my $program (@programs) {
    for my $who ($user, 'root') {
        my $r = run($program, user => $who, timeout => 30, env => { LC_ALL => 'C' });
        isnt $r->{status}, 'exit 0', "$who: " . join(' ', map { s{^\Q$p\E/}{}r } @$program);
        like $r->{err}, qr/busy|^$/i, 'busy, it says';
        untouched("@$program[0, 1]");
    }
}

subtest 'one call at a time' => sub {
    for my $c ($root, $plain) {
        for my $file ("$lock/owner.json", "$lock/a/b/deep", "$p/file.lock", "$p/made.lock/member") {
            expect EBUSY => $c, 'unlink', $file;
            expect EBUSY => $c, 'truncate', $file, 3;
            expect EBUSY => $c, 'put', $file, 'x';
            expect EBUSY => $c, 'open', $_, $file for 'w', 'rw', 'w,append', 'r,trunc';
            expect EBUSY => $c, 'chmod', $file, '0600';
            expect EBUSY => $c, 'chown', $file, $uid, -1;
            expect EBUSY => $c, 'utimens', $file, 5, 5;
            expect EBUSY => $c, 'utimens', $file, 'now', 'now';
            expect EBUSY => $c, 'setxattr', $file, 'user.note', 'x';
            expect EBUSY => $c, 'removexattr', $file, 'user.note';
            expect EBUSY => $c, 'rename', $file, "$p/gone";
            expect EBUSY => $c, 'rename', "$p/data", $file;
            expect EBUSY => $c, 'rename', $file, "$p/data", 'exchange';
            expect EBUSY => $c, 'rename', "$p/data", $file, 'exchange';
            expect EBUSY => $c, 'link', $file, "$p/second";
        }
        expect EBUSY => $c, 'rmdir', "$lock/a/b";
        expect EBUSY => $c, 'rename', "$lock/a", "$lock/c";
        expect EBUSY => $c, 'mkdir', "$lock/a/new";
        expect EBUSY => $c, 'excl', "$lock/a/new";
        expect EBUSY => $c, 'chmod', "$lock/a", '0700';
        expect EBUSY => $c, 'unlink', "$lock/fifo";
        expect EBUSY => $c, 'unlink', "$lock/link";
        expect EBUSY => $c, 'utimens', "$p/link.lock", 5, 5;
        expect EBUSY => $c, 'chown', "$p/link.lock", $uid, -1;
    }
    untouched('each call');
};

subtest 'members can be read by all' => sub {
    for my $c ($root, $plain) {
        is $c->get('get', "$lock/owner.json"), '{"pid":1}', 'content';
        is $c->get('get', "$lock/a/b/deep"), 'deep text', 'deeper';
        is $c->get('readlink', "$lock/link"), 'owner.json', 'link';
        is $c->get('getxattr', "$lock/owner.json", 'user.note'), 'kept', 'attribute';
        is_deeply [ $c->list($lock) ], [qw(a fifo link owner.json)], 'names';
    }
};

subtest 'descriptors from before it was a lock' => sub {
    for my $fd ($old_file, $old_member) {
        expect EBUSY => $plain, 'write', $fd, 'stolen';
        expect EBUSY => $plain, 'pwrite', $fd, 'stolen', 2;
        expect EBUSY => $plain, 'ftruncate', $fd, 0;
        expect EBUSY => $plain, 'fallocate', $fd, 0, 0, 100;
        is $plain->get('pread', $fd, 100, 0), 'old text', 'reading goes on';
    }
    untouched('old descriptors');
};

subtest 'a descriptor that the owner opened may be passed on' => sub {
    for my $file ("$lock/owner.json", "$p/file.lock") {
        my $fd = $owner->get('open', 'rw', $file);
        expect ok => $owner, 'orphan', 'pwrite', $fd, 'passed on', 0;
        is $root->get('get', $file), 'passed on', 'written';
        expect ok => $owner, 'orphan', 'ftruncate', $fd, 0;
        expect EBUSY => $owner, 'orphan', 'truncate', $file, 0;    # by name, it is a stranger
        expect ok => $owner, 'close', $fd;
    }
};

subtest 'the owner and its children may' => sub {
    expect ok => $owner, 'put', "$lock/owner.json", '{"pid":2}';
    expect ok => $owner, 'sub', 'put', "$lock/owner.json", '{"pid":3}';
    expect ok => $owner, 'subsub', 'rename', "$lock/a/b/deep", "$lock/deeper";
    expect ok => $owner, 'sub', 'rename', "$p/data", "$lock/data";
    my $r = $owner->get('run', 'rm', '-rf', $lock);
    is $r, 0, 'rm -rf by a child';
    is $root->stat($lock), 'ENOENT', 'gone';
    expect ok => $owner, 'unlink', "$p/$_" for qw(file.lock link.lock plain.lock);
    is $owner->get('run', 'rm', '-rf', "$p/made.lock"), 0, 'rm -rf';
};

subtest 'released: an old descriptor works again' => sub {
    expect ok => $plain, 'pwrite', $old_file, 'new!', 0;
    is $plain->get('get', "$p/plain"), 'new!text', 'written';
};

$_->stop for $plain, $owner, $root;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
