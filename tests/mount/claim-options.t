# What options change: observe, release=anyone, create=any, data= exceptions, max_locks, max_locks_per_uid; and a plain O_CREAT makes data.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $other = client();
my $old = 1_000_000_000 * 10**9;

sub config {
    my ($name, $text) = @_;
    my $path = temp_path("$name.conf");
    open my $fh, '>', $path or die "$path: $!";
    print $fh $text;
    close $fh;
    return "config=$path";
}

sub is_gone { my ($path) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is $other->stat($path), 'ENOENT', "$path is gone" }

subtest 'observe: nothing is hidden, refused or healed' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'observe');
    my $p = $m->path;
    my ($o, $q) = (client(), client());
    expect ok => $o, 'mkdir', "$p/x.lock";
    expect ok => $o, 'put', "$p/x.lock/member", 'text';
    expect ok => $o, 'excl', "$p/y.lock";
    expect ok => $o, 'utimens', "$p/x.lock", $old, $old;
    is $q->stat("$p/x.lock")->{mtime}, $old, 'real times for all';
    expect EEXIST => $q, 'mkdir', "$p/x.lock";
    expect EEXIST => $q, 'excl', "$p/y.lock";
    expect ok => $q, 'put', "$p/x.lock/member", 'stolen';
    expect ok => $q, 'put', "$p/y.lock", 'stolen';
    expect ok => $q, 'rename', "$p/y.lock", "$p/away";
    expect ok => $q, 'rename', "$p/away", "$p/y.lock";
    expect ok => $q, 'unlink', "$p/x.lock/member";
    expect ok => $q, 'rmdir', "$p/x.lock";
    expect ok => $q, 'mkdir', "$p/x.lock";
    expect ok => $o, 'creat', "$p/x.lock/member";
    expect ok => $o, 'excl', "$p/z.lock";
    expect ok => $o, 'mkdir', "$p/w.lock";
    $_->kill9 for $o, $q;
    for my $n (1 .. 3) {
        is $other->stat("$p/$_.lock")->{nlink} > 0, 1, "$_.lock stays" for qw(x y z w);
        expect EEXIST => $other, 'mkdir', "$p/x.lock";
        expect EEXIST => $other, 'excl', "$p/z.lock";
    }
    is_deeply [ $other->list($p) ], [qw(w.lock x.lock y.lock z.lock)], 'listed';
    is_deeply [ map { -e $m->source . "/$_.lock" ? 1 : 0 } qw(w x y z) ], [ 1, 1, 1, 1 ], 'on the source';
    expect ok => $other, 'unlink', "$p/$_" for 'z.lock', 'y.lock', 'x.lock/member';
    expect ok => $other, 'rmdir', "$p/$_.lock" for 'x', 'w';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'observe: no bound is one' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'observe,max_locks=1');
    my ($p, $c) = ($m->path, client());
    expect ok => $c, 'mkdir',  "$p/1.lock";
    expect ok => $c, 'mkdir',  "$p/2.lock";
    expect ok => $c, 'excl',   "$p/3.lock";
    expect ok => $c, 'mkdir',  "$p/tmp";
    expect ok => $c, 'rename', "$p/tmp", "$p/4.lock";
    is_deeply [ $c->list($p) ], [qw(1.lock 2.lock 3.lock 4.lock)], 'all are there';
    like $m->log, qr/max_locks/, 'and it is reported';
};

subtest 'observe: the source changes behind, the same name is taken again' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'observe');
    my $p = $m->path;
    my ($o, $q) = (client(), client());
    for my $n (1 .. 3) {
        expect ok => $o, 'mkdir', "$p/x.lock";
        rmdir $m->source . '/x.lock' or fail "behind: $!";
        expect ok => $q, 'mkdir', "$p/x.lock";
        rmdir $m->source . '/x.lock' or fail "behind: $!";
        expect ok => $q, 'excl', "$p/x.lock";
        expect ok => $other, 'unlink', "$p/x.lock";
    }
    $_->kill9 for $o, $q;
    expect ok => $other, 'mkdir', "$p/x.lock";
    expect ok => $other, 'rmdir', "$p/x.lock";
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'a lock removed behind the mount can be taken again' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my $p = $m->path;
    my ($o, $q) = (client(), client());
    for my $make (qw(mkdir excl)) {
        expect ok => $o, $make, "$p/x.lock";
        expect EEXIST => $q, $make, "$p/x.lock";
        ($make eq 'mkdir' ? rmdir $m->source . '/x.lock' : unlink $m->source . '/x.lock') or fail "behind: $!";
        is $q->stat("$p/x.lock"), 'ENOENT', 'not there';
        expect ok => $q, $make, "$p/x.lock";
        expect EBUSY => $o, $make eq 'mkdir' ? 'rmdir' : 'unlink', "$p/x.lock";
        expect ok => $q, $make eq 'mkdir' ? 'rmdir' : 'unlink', "$p/x.lock";
    }
    $_->stop for $o, $q;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'release=anyone' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => config('anyone', "[rules app]\nlock=*.any\nrelease=anyone\n"));
    my $p = $m->path;
    my $o = client();
    for my $kind ([qw(mkdir rmdir)], [qw(excl unlink)]) {
        expect ok => $o, $kind->[0], "$p/x.any";
        expect EEXIST => $other, $kind->[0], "$p/x.any";
        expect ok => $o, 'utimens', "$p/x.any", $old, $old;
        isnt $other->stat("$p/x.any")->{mtime}, $old, 'its age is hidden all the same';
        expect ok => $other, $kind->[1], "$p/x.any";
        is_gone "$p/x.any";
        expect ok => $o, $kind->[0], "$p/x.lock";
        expect EBUSY => $other, $kind->[1], "$p/x.lock";    # other rules are as they were
        expect ok => $o, $kind->[1], "$p/x.lock";
    }
    expect ok => $o, 'mkdir', "$p/x.any";
    expect ok => $o, 'put', "$p/x.any/member", 'text';
    is $other->get('run', 'rm', '-rf', "$p/x.any"), 0, 'rm -rf by anyone';
    is_gone "$p/x.any";
    expect ok => $o, 'excl', "$p/x.any";
    expect ok => $other, 'put', "$p/x.any", 'note';
    expect ok => $other, 'rename', "$p/x.any", "$p/data";
    is $other->get('get', "$p/data"), 'note', 'published by anyone';
    expect ok => $o, 'excl', "$p/x.any";
    $o->kill9;
    is_gone "$p/x.any";
    expect ok => $other, 'unlink', "$p/data";
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'create=any' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => config('create', "[rules app]\nlock=*.any\ncreate=any\n"));
    my $p = $m->path;
    my $o = client();
    expect ok => $o, 'put', "$p/x.any", '4711';
    expect EBUSY => $other, 'put', "$p/x.any", 'stolen';
    expect EBUSY => $other, 'unlink', "$p/x.any";
    expect EEXIST => $other, 'excl', "$p/x.any";
    is $other->get('get', "$p/x.any"), '4711', 'held';
    expect ok => $o, 'put', "$p/x.any", '4712';    # opened once more by its owner
    expect ok => $o, 'creat', "$p/x.lock";
    expect ok => $other, 'put', "$p/x.lock", 'data';    # other rules are as they were
    $o->kill9;
    is_gone "$p/x.any";
    expect ok => $other, 'put', "$p/x.any", 'next';
    my $q = client();
    expect EBUSY => $q, 'put', "$p/x.any", 'stolen';
    expect ok => $other, 'unlink', "$p/x.any";
    expect ok => $other, 'unlink', "$p/x.lock";

    open my $fh, '>', $m->source . '/old.any' or die $!;    # there before: opened, not made
    expect ok => $q, 'put', "$p/old.any", 'data';
    expect ok => $other, 'put', "$p/old.any", 'data too';
    $q->kill9;
    is $other->get('get', "$p/old.any"), 'data too', 'survives';
    expect ok => $other, 'unlink', "$p/old.any";
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'data= exceptions' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'data=*.data.lock,data=/vendor/**,lock=/vendor/run/held,data=d.lock/');
    my $p = $m->path;
    my $o = client();
    $other->do('mkdir', "$p/$_") for 'vendor', 'vendor/run', 'app', 'app/vendor';
    my @data = ('a.data.lock', 'vendor/x.lock', 'vendor/run/x.lock', 'Cargo.lock', 'app/yarn.lock', 'plain');
    my @lock = ('a.lock', 'vendor/run/held', 'app/vendor/x.lock', '.lock', 'd.lock');
    for my $name (@data, @lock) {
        expect ok => $o, 'excl', "$p/$name";
    }
    expect ok => $other, 'put', "$p/$_", 'mine' for @data;
    expect EBUSY => $other, 'put', "$p/$_", 'stolen' for @lock;
    expect ok => $o, 'mkdir', "$p/app/d.lock";
    expect ok => $other, 'put', "$p/app/d.lock/file", 'a directory of that name is data';
    $o->kill9;
    is_gone "$p/$_" for @lock;
    is $other->get('get', "$p/$_"), 'mine', "$_ survives" for @data;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'a plain O_CREAT of a lock name is data' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $o) = ($m->path, client());
    my $x = "$p/x.lock";
    my $fd = $o->get('open', 'rw,creat', $x);
    expect ok => $o, 'flock', $fd, 'ex';
    my $theirs = $other->get('open', 'rw,creat', $x);
    expect ok => $other, 'put', $x, 'text';
    expect EEXIST => $other, 'excl', $x;
    expect ok => $other, 'utimens', $x, $old, $old;
    is $o->stat($x)->{mtime}, $old, 'real times';
    $o->kill9;
    is $other->get('get', $x), 'text', 'survives';
    expect ok => $other, 'flock', $theirs, 'ex';
    expect ok => $other, 'close', $theirs;
    expect ok => $other, 'unlink', $x;

    # The name goes back and forth between data and lock.
    for my $n (1 .. 5) {
        my $q = client();
        expect ok => $q, 'excl', $x;
        my $there = $q->get('open', 'rw,creat', $x);    # opens its own lock
        expect EBUSY => $other, 'open', 'rw,creat', $x;
        $q->kill9;
        expect ok => $other, 'creat', $x;    # where a dead lock was: data again
        is ref $other->stat($x), 'HASH', 'made';
        expect ok => $other, 'unlink', $x;
    }
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'max_locks' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'max_locks=5');
    my ($p, $o) = ($m->path, client());
    expect ok => $o, 'times', 5, 'mkdir', "$p/{}.lock";
    for my $c ($o, $other) {
        expect ENOLCK => $c, 'mkdir', "$p/x.lock";
        expect ENOLCK => $c, 'excl', "$p/x.lock";
        expect ENOLCK => $c, 'symlink', 'text', "$p/x.lock";
        expect EEXIST => $c, 'mkdir', "$p/3.lock";
    }
    expect ok => $other, 'mkdir', "$p/data";
    expect ENOLCK => $other, 'rename', "$p/data", "$p/x.lock";
    is $other->stat("$p/data")->{type}, 'dir', 'data goes on';
    is $other->stat("$p/x.lock"), 'ENOENT', 'nothing was made';
    like $m->log, qr/ENOLCK.*max_locks/, 'the log says why and what to do';
    expect ok => $o, 'rmdir', "$p/0.lock";
    expect ok => $other, 'mkdir', "$p/x.lock";
    expect ENOLCK => $o, 'mkdir', "$p/0.lock";
    expect ok => $other, 'rmdir', "$p/x.lock";
    expect ok => $o, 'mkdir', "$p/0.lock";
    expect ENOLCK => $other, 'mkdir', "$p/x.lock";
    expect ok => $o, 'rename', "$p/0.lock", "$p/published";
    expect ok => $other, 'mkdir', "$p/x.lock";
    $o->kill9;
    expect ok => $other, 'times', 4, 'mkdir', "$p/{}.lock";    # at once: the dead hold nothing
    expect ENOLCK => $other, 'mkdir', "$p/4.lock";
    for my $n (1 .. 30) {    # nothing is counted twice or forgotten
        my $q = client();
        $other->do('rmdir', "$p/x.lock");
        $q->do('mkdir', "$p/y.lock") eq 'ok' or fail "round $n";
        $q->kill9;
        my $again = $other->do('mkdir', "$p/x.lock");
        is $again, 'ok', "round $n" if $again ne 'ok' || $n == 30;
    }
    $other->do('rmdir', "$p/$_") for 'data', 'published', 'x.lock', map { "$_.lock" } 0 .. 3;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

# Taking the entries away takes a while; that they are held by nobody is true at once.
subtest 'the locks of a dead owner do not count' => sub {
    for my $bound ('max_locks', 'max_locks_per_uid') {
        my $m = mount_lockfs(source => 'tmpfs', options => "$bound=500");
        my $p = $m->path;
        my $o = client();
        expect ok => $o, 'times', 500, 'mkdir', "$p/{}.lock";
        expect ENOLCK => $other, 'mkdir', "$p/x.lock";
        $o->kill9;
        expect ok => $other, 'times', 500, 'mkdir', "$p/{}.new.lock";
        expect ENOLCK => $other, 'mkdir', "$p/x.lock";
        expect ok => $other, 'times', 500, 'rmdir', "$p/{}.new.lock";
        is_deeply [ $other->list($p) ], [], 'nothing is left over';
        is $m->umount, 'exit 0', 'the daemon ends well';
    }
};

subtest 'max_locks_per_uid' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other,max_locks_per_uid=3');
    my $p = $m->path;
    chmod 0777, $m->source;
    my ($o, $q) = (client(user => unprivileged), client(user => unprivileged));
    expect ok => $o, 'times', 2, 'mkdir', "$p/{}.lock";
    expect ok => $q, 'excl', "$p/2.lock";
    expect ENOLCK => $_, 'mkdir', "$p/x.lock" for $o, $q;
    like $m->log, qr/ENOLCK.*max_locks_per_uid/, 'the log says why and what to do';
    expect ok => $other, 'times', 3, 'mkdir', "$p/r{}.lock";    # another user
    expect ENOLCK => $other, 'mkdir', "$p/x.lock";
    expect ok => $q, 'unlink', "$p/2.lock";
    expect ok => $o, 'mkdir', "$p/x.lock";
    expect ENOLCK => $q, 'mkdir', "$p/2.lock";
    $o->kill9;
    expect ok => $q, 'times', 3, 'mkdir', "$p/{}.lock";    # at once
    expect ENOLCK => $q, 'mkdir', "$p/x.lock";
    $q->stop;
    $other->do('rmdir', "$p/r$_.lock") for 0 .. 2;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

done_testing;
