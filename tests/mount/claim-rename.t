# Rename, rule by rule: publish, claim, move with the owner, onto living and dead claims, exchange, whiteout, no-op.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $other) = ($m->path, client());
my ($x, $y, $d, $e) = ("$p/x.lock", "$p/y.lock", "$p/data", "$p/else");

sub is_held { my ($path, $what) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is held($path), 1, $what // "$path is held" }
sub is_data { my ($path, $what) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is held($path), 0, $what // "$path is data" }

# Is it refused to somebody else? undef: it is not there.
sub held {
    my ($path) = @_;
    my $st = $other->stat($path);
    return undef unless ref $st;
    my $reply = $other->do('utimens', $path, 'omit', 'omit') eq 'EBUSY' || $other->do('chown', $path, -1, -1);
    return $reply eq '1' || $reply eq 'EBUSY' ? 1 : 0;
}

sub is_gone { my ($path) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is $other->stat($path), 'ENOENT', "$path is gone" }

# Runs a step with an owner and a clean directory; all data is removed afterwards.
sub with_owner {
    my ($name, $code) = @_;
    my $owner = client();
    subtest $name => sub { $code->($owner) };
    $owner->kill9 if $owner->alive;
    run([ 'find', $p, '-mindepth', '1', '-delete' ]);
    is_deeply [ $other->list($p) ], [], "$name: nothing is left over";
}

with_owner 'publish a file' => sub {
    my ($o) = @_;
    my $fd = $o->get('open', 'rw,creat,excl', $x);
    expect ok => $o, 'write', $fd, 'content';
    my $before = $o->stat($x);
    expect ok => $o, 'rename', $x, $d;
    my $after = $o->stat($d);
    is $after->{$_}, $before->{$_}, $_ for qw(ino nlink mode size uid gid mtime type);
    is "ino=$after->{ino}", (grep { /^ino=/ } $o->get('fstat', $fd))[0], 'the descriptor is of the same file';
    expect ok => $o, 'write', $fd, ' and more';
    is_gone $x;
    is_data $d;
    $o->kill9;
    is $other->get('get', $d), 'content and more', 'survives the owner';
    is $other->stat($d)->{ino}, $before->{ino}, 'st_ino stays';
    expect ok => $other, 'put', $d, 'mine';
    is slurp($m->source . '/data'), 'mine', 'on the source';
};

with_owner 'publish over an existing file' => sub {
    my ($o) = @_;
    expect ok => $other, 'put', $d, 'old';
    my $old = $other->get('open', 'r', $d);
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'put', $x, 'new';
    my $ino = $o->stat($x)->{ino};
    expect ok => $o, 'rename', $x, $d;
    is $other->get('get', $d), 'new', 'content';
    is $other->stat($d)->{ino}, $ino, 'the new file';
    is $other->get('pread', $old, 10, 0), 'old', 'who has the old one open keeps it';
    expect ok => $other, 'close', $old;
    is_data $d;
    expect ok => $other, 'excl', $x;    # the name is free for the next
    expect ok => $other, 'unlink', $x;
    $o->kill9;
    is $other->get('get', $d), 'new', 'survives the owner';
};

with_owner 'publish 50 times, a new owner each time' => sub {
    for my $n (1 .. 50) {
        my $o = client();
        $o->do('excl', $x) eq 'ok' && $o->do('put', $x, "version $n") eq 'ok' or fail "excl $n";
        is $other->do('excl', $x), 'EEXIST', 'locked' if $n % 10 == 0;
        $o->do('rename', $x, $d) eq 'ok' or fail "rename $n";
        $o->kill9;
        is $other->get('get', $d), "version $n", "version $n" if $n % 10 == 0;
    }
};

with_owner 'publish with a second name' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'link', $x, $e;
    expect ok => $o, 'rename', $x, $d;
    is $other->stat($d)->{nlink}, 2, 'two links';
    is $other->stat($d)->{ino}, $other->stat($e)->{ino}, 'one file';
    $o->kill9;
    is $other->stat($d)->{nlink}, 2, 'still';
};

with_owner 'publish a directory with its members' => sub {
    my ($o) = @_;
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'put', "$x/member", 'text';
    my $ino = $o->stat($x)->{ino};
    expect EBUSY => $other, 'put', "$x/member", 'stolen';
    expect ok => $o, 'rename', $x, $d;
    is $other->stat($d)->{ino}, $ino, 'st_ino stays';
    $o->kill9;
    expect ok => $other, 'put', "$d/member", 'mine';
    is_gone $x;
};

with_owner 'publish onto an empty directory; not onto a full one' => sub {
    my ($o) = @_;
    expect ok => $other, 'mkdir', $d;
    expect ok => $other, 'mkdir', "$d/full";
    expect ok => $o, 'mkdir', $x;
    expect qr/^E(NOTEMPTY|EXIST)$/ => $o, 'rename', $x, $d;
    is_held $x, 'a publish that failed leaves the claim';
    expect ok => $other, 'rmdir', "$d/full";
    expect ok => $o, 'rename', $x, $d;
    is_data $d;
};

with_owner 'publish by a child, refused to others' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    expect EBUSY => $other, 'rename', $x, $d;
    is_held $x;
    expect ok => $o, 'sub', 'rename', $x, $d;
    is_data $d;
};

with_owner 'a file renamed onto a lock name is data' => sub {
    my ($o) = @_;
    expect ok => $o, 'put', $d, 'text';
    expect ok => $o, 'rename', $d, $x;
    is_data $x;
    $o->kill9;
    is $other->get('get', $x), 'text', 'survives';
    expect ok => $other, 'put', $e, 'newer';
    expect ok => $other, 'rename', $e, $x;
    is $other->get('get', $x), 'newer', 'replaced';
    is_data $x;
};

for my $kind (qw(symlink fifo)) {
    with_owner "a $kind renamed onto a lock name is data" => sub {
        my ($o) = @_;
        $kind eq 'fifo' ? $o->do('mknod', $d, 'fifo') : $o->do('symlink', 'target', $d);
        expect ok => $o, 'rename', $d, $x;
        $o->kill9;
        is $other->stat($x)->{type}, $kind, 'survives';
        expect ok => $other, 'unlink', $x;
    };
}

with_owner 'a directory renamed onto a lock name is a claim of the caller' => sub {
    my ($o) = @_;
    expect ok => $other, 'mkdir', $d;
    expect ok => $other, 'put', "$d/member", 'text';
    expect ok => $o, 'rename', $d, $x;
    is_held $x;
    expect EBUSY => $other, 'rmdir', $x;
    expect EBUSY => $other, 'put', "$x/member", 'stolen';
    expect qr/^E(BUSY|EXIST|NOTEMPTY)$/ => $other, 'mkdir', $x;
    $o->kill9;
    is_gone $x;
    is_gone "$x/member";
};

with_owner 'a directory renamed onto an empty data directory of a lock name' => sub {
    my ($o) = @_;
    mkdir $m->source . '/x.lock';
    is_data $x, 'there before: data';
    expect ok => $other, 'mkdir', $d;
    expect ok => $o, 'rename', $d, $x;
    is_held $x;
    $o->kill9;
    is_gone $x;
};

with_owner 'noreplace makes a claim' => sub {
    my ($o) = @_;
    expect ok => $o, 'put', $d, 'text';
    expect ok => $o, 'rename', $d, $x, 'noreplace';
    is_held $x;
    expect EEXIST => $other, 'excl', $x;
    expect ok => $other, 'put', $e, 'mine';
    expect EEXIST => $other, 'rename', $e, $x, 'noreplace';
    expect ok => $other, 'put', $y, 'data';
    expect EEXIST => $o, 'rename', $x, $y, 'noreplace';
    is_held $x, 'what failed changes nothing';
    $o->kill9;
    is_gone $x;
    expect ok => $other, 'rename', $e, $x, 'noreplace';
    is $other->get('get', $x), 'mine', 'the next one';
    expect ok => $other, 'unlink', $x;
};

with_owner 'noreplace of a claim: the caller owns' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    my $child = $o->fork_client;
    expect ok => $child, 'rename', $x, $y, 'noreplace';
    is_gone $x;
    is_held $y;
    $child->kill_zombie;
    is_gone $y;
};

with_owner 'a claim moved to another lock name stays with its owner' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'put', $x, 'text';
    my $ino = $o->stat($x)->{ino};
    expect ok => $o, 'mkdir', "$p/locks";
    expect ok => $o, 'sub', 'rename', $x, "$p/locks/y.lock";    # restic; by a child, which does not own
    is_gone $x;
    is_held "$p/locks/y.lock";
    is $other->stat("$p/locks/y.lock")->{ino}, $ino, 'st_ino stays';
    expect EEXIST => $other, 'excl', "$p/locks/y.lock";
    expect ok => $other, 'excl', $x;
    expect ok => $other, 'unlink', $x;
    my $w = watcher("$p/locks");
    $o->kill9;
    is_gone "$p/locks/y.lock";
    ok scalar($w->until('DELETE', 'y.lock', 10)), 'watchers of the new directory heard of it';
    $w->stop;
};

with_owner 'a claim moved onto data of a lock name' => sub {
    my ($o) = @_;
    expect ok => $other, 'put', $y, 'data';
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'rename', $x, $y;
    is_held $y;
    $o->kill9;
    is_gone $y;
};

with_owner 'a claimed directory moved to another lock name' => sub {
    my ($o) = @_;
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'put', "$x/member", 'text';
    expect ok => $o, 'rename', $x, $y;
    is_gone $x;
    is_held $y;
    expect EBUSY => $other, 'unlink', "$y/member";
    $o->kill9;
    is_gone $y;
    is_gone $x;
};

with_owner 'onto a living claim by the family: the claim stays' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    for my $by ([], ['sub'], ['subsub']) {
        expect ok => $o, 'put', $d, "by @$by";
        expect ok => $o, @$by, 'rename', $d, $x;
        is_held $x;
        is $other->get('get', $x), "by @$by", 'content';
        expect EBUSY => $other, 'unlink', $x;
        expect EBUSY => $other, 'put', $x, 'stolen';
    }
    expect ok => $o, 'rename', $x, $e;
    is $other->get('get', $e), 'by subsub', 'published as rewritten';
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'put', $d, 'again';
    expect ok => $o, 'rename', $d, $x;
    $o->kill9;
    is_gone $x;
};

with_owner "onto a claim of one's own: one is left" => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'excl', $y;
    expect ok => $o, 'put', $x, 'x';
    expect ok => $o, 'rename', $x, $y;
    is_gone $x;
    is_held $y;
    is $other->get('get', $y), 'x', 'content';
    expect ok => $o, 'unlink', $y;
    is_gone $y;
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'mkdir', $y;
    expect ok => $o, 'rename', $x, $y;
    is_held $y;
    $o->kill9;
    is_gone $y;
};

with_owner 'onto a living claim by others: busy' => sub {
    my ($o) = @_;
    for my $kind (qw(mkdir excl)) {
        expect ok => $o, $kind, $x;
        expect ok => $other, $kind, $d;
        expect ok => $other, $kind, $y;
        expect EBUSY => $other, 'rename', $d, $x;
        expect EBUSY => $other, 'rename', $y, $x;
        expect EBUSY => $o, 'rename', $x, $y;
        expect EBUSY => $o, 'rename', $y, $e;
        is_held $x;
        is ref $other->stat($_), 'HASH', 'still there' for $d, $y;
        my $remove = $kind eq 'mkdir' ? 'rmdir' : 'unlink';
        expect ok => $other, $remove, $d;
        expect ok => $other, $remove, $y;
        expect ok => $o, $remove, $x;
    }
};

subtest 'onto a dead claim: as if it were not there' => sub {
    my %make = (
        file       => sub { $_[0]->do('excl', $x) },
        'file with content' => sub { $_[0]->do('excl', $x); $_[0]->do('put', $x, 'dead') },
        dir        => sub { $_[0]->do('mkdir', $x) },
        'full dir' => sub { $_[0]->do('mkdir', $x); $_[0]->do('mkdir', "$x/sub"); $_[0]->do('put', "$x/sub/member", 'dead') },
        symlink    => sub { $_[0]->do('symlink', 'dead', $x) },
    );
    for my $dead (sort keys %make) {
        for my $new (qw(file dir)) {
            my ($first, $o) = (client(), client());
            is $make{$dead}->($first), 'ok', "a $dead";
            $new eq 'dir' ? $o->do('mkdir', $d) : $o->do('put', $d, 'new');
            $o->do('put', "$d/inside", 'new') if $new eq 'dir';
            $first->kill9;
            expect ok => $o, 'rename', $d, $x;
            is $o->get('get', $new eq 'dir' ? "$x/inside" : $x), 'new', "the new $new";
            is_deeply [ $other->list($x) ], ['inside'], 'only what is new' if $new eq 'dir';
            $new eq 'dir' ? is_held $x : is_data $x;
            $new eq 'dir' ? $o->do('unlink', "$x/inside") : 1;
            expect ok => $o, $new eq 'dir' ? 'rmdir' : 'unlink', $x;
            $o->stop;
        }
    }
};

with_owner 'exchange' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    expect ok => $o, 'put', $x, 'lock';
    expect ok => $o, 'put', $d, 'data';
    expect EBUSY => $other, 'rename', $x, $d, 'exchange';
    expect EBUSY => $other, 'rename', $d, $x, 'exchange';
    is $other->get('get', $x), 'lock', 'nothing has changed';
    expect ok => $o, 'rename', $x, $d, 'exchange';
    is $other->get('get', $x), 'data', 'exchanged';
    is $other->get('get', $d), 'lock', 'exchanged';
    is_held $x, 'the claim stays with its name';
    is_data $d;
    expect ok => $o, 'sub', 'rename', $d, $x, 'exchange';
    is $other->get('get', $x), 'lock', 'and back, by a child';
    is_held $x;
    expect ok => $other, 'excl', $y;
    expect EBUSY => $o, 'rename', $x, $y, 'exchange';    # the right to both
    expect EBUSY => $other, 'rename', $x, $y, 'exchange';
    expect ok => $other, 'unlink', $y;
    expect ok => $o, 'excl', $y;
    expect ok => $o, 'put', $y, 'other lock';
    expect ok => $o, 'rename', $x, $y, 'exchange';
    is $other->get('get', $x), 'other lock', 'two of its own';
    is_held $_ for $x, $y;
    expect ok => $o, 'mkdir', $e;
    expect ok => $o, 'put', "$e/member", 'text';
    expect ok => $o, 'rename', $x, $e, 'exchange';
    is $other->stat($x)->{type}, 'dir', 'a file for a directory';
    expect EBUSY => $other, 'put', "$x/member", 'stolen';
    is_held $x;
    is_data $e;
    expect ENOENT => $o, 'rename', $x, "$p/none", 'exchange';
    $o->kill9;
    is_gone $_ for $x, $y;
    is $other->get('get', $e), 'other lock', 'data survives';
};

with_owner 'exchange with data of a lock name makes no claim' => sub {
    my ($o) = @_;
    expect ok => $o, 'creat', $x;
    expect ok => $o, 'mkdir', $d;
    expect ok => $o, 'rename', $d, $x, 'exchange';
    is_data $_ for $x, $d;
    $o->kill9;
    is $other->stat($x)->{type}, 'dir', 'survives';
};

with_owner 'exchange with what is dead' => sub {
    my ($o) = @_;
    my $first = client();
    expect ok => $first, 'excl', $x;
    expect ok => $o, 'put', $d, 'data';
    $first->kill9;
    expect ENOENT => $o, 'rename', $d, $x, 'exchange';
    expect ENOENT => $o, 'rename', $x, $d, 'exchange';
    is $other->get('get', $d), 'data', 'untouched';
};

with_owner 'whiteout' => sub {
    my ($o) = @_;
    expect ok => $o, 'excl', $x;
    expect EBUSY => $other, 'rename', $x, $d, 'whiteout';
    is_held $x;
    my $reply = $o->do('rename', $x, $d, 'whiteout');
    plan skip_all => "whiteouts: $reply" if $reply ne 'ok';
    is_data $d;
    is $other->stat($x)->{type}, 'chr', 'a whiteout in its place';
    is_data $x, 'which is data';
    $o->kill9;
    is ref $other->stat($_), 'HASH', 'both survive' for $x, $d;
    expect EEXIST => $other, 'excl', $x;
};

with_owner 'two names of one file: rename does nothing' => sub {
    my ($o) = @_;
    expect ok => $o, 'creat', $d;
    expect ok => $o, 'link', $d, $x;
    for my $pair ([ $d, $x ], [ $x, $d ]) {
        expect ok => $o, 'rename', @$pair;
        is $other->stat($x)->{nlink}, 2, 'both are there';
        is_held $x;
    }
    expect ok => $o, 'link', $d, $y;
    expect ok => $o, 'rename', $x, $y;
    is $other->stat($d)->{nlink}, 3, 'two claims of one file';
    expect ok => $o, 'unlink', $x;
    is_gone $x;
    is_held $y;
    $o->kill9;
    is_gone $y;
    is $other->stat($d)->{nlink}, 1, 'the data name stays';
    is_data $d;
};

with_owner 'onto itself, into itself, of nothing' => sub {
    my ($o) = @_;
    expect ok => $o, 'mkdir', $x;
    expect ok => $o, 'rename', $x, $x;
    expect qr/^(ok|EBUSY)$/ => $other, 'rename', $x, $x;    # POSIX: does nothing
    expect EINVAL => $o, 'rename', $x, "$x/inside";
    expect EINVAL => $o, 'rename', $x, "$x/inside.lock";
    is_held $x;
    expect ENOENT => $o, 'rename', "$p/none.lock", $d;
    expect ENOENT => $o, 'rename', "$p/none", $x;
    expect ok => $o, 'creat', $d;
    expect EISDIR => $o, 'rename', $d, $x;
    expect ENOTDIR => $o, 'rename', $x, $d;
    expect EISDIR => $o, 'rename', $d, "$p/.lockfs";
    is_held $x;
};

$other->stop;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
