# What each caller sees and may do: every primitive, every row of the table, owner, descendants, strangers, root, and after the owner's death.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
chmod 0777, $m->source;
my $user = unprivileged;
my %stranger = ('a stranger' => client(user => $user), 'root' => client());
my $other = $stranger{root};
my ($lock, $free) = ("$p/x.lock", "$p/free");

# How a lock can be made, and what it then is. "$lock.src" is what it is made of.
my %primitive = (
    mkdir              => [ 'dir', sub { shift->do('mkdir', shift) } ],
    excl               => [ 'file', sub { shift->do('excl', shift) } ],
    'mknod fifo'       => [ 'fifo', sub { shift->do('mknod', shift, 'fifo') } ],
    'mknod file'       => [ 'file', sub { shift->do('mknod', shift, 'reg') } ],
    symlink            => [ 'symlink', sub { shift->do('symlink', 'host:1', shift) } ],
    link               => [ 'file', sub { from_source('creat', [ 'link' ], @_) } ],
    'rename dir'       => [ 'dir', sub { from_source('mkdir', [ 'rename' ], @_) } ],
    'rename noreplace' => [ 'file', sub { from_source('creat', [ 'rename', 'noreplace' ], @_) } ],
);

sub from_source {
    my ($make, $how, $c, $path) = @_;
    my ($act, @flag) = @$how;
    $c->do($make, "$path.src");
    my $reply = $c->do($act, "$path.src", $path, @flag);
    $c->do($make eq 'mkdir' ? 'rmdir' : 'unlink', "$path.src");
    return $reply;
}

sub make { my ($how, $c, $path) = @_; return $primitive{$how}[1]->($c, $path) }

sub remover { my ($kind) = @_; return $kind eq 'dir' ? 'rmdir' : 'unlink' }

# Acts that change the entry itself.
sub altering {
    my ($kind) = @_;
    my @acts = ([ 'utimens', $lock, 10**9, 10**9 ]);
    push @acts, [ 'chmod', $lock, '0700' ] if $kind ne 'symlink';
    push @acts, [ 'chown', $lock, (Lockfs::Sys::user_ids($user))[0], -1 ] if $kind ne 'symlink';
    push @acts, [ 'setxattr', $lock, 'user.note', 'x' ] if $kind =~ /dir|file/;
    push @acts, [ 'truncate', $lock, 0 ], [ 'put', $lock, 'x' ], [ 'open', 'rw', $lock ], [ 'open', 'w,append', $lock ],
        [ 'open', 'r,trunc', $lock ] if $kind eq 'file';
    push @acts, [ 'creat', "$lock/new" ], [ 'mkdir', "$lock/new" ], [ 'symlink', 'x', "$lock/new" ],
        [ 'mknod', "$lock/new", 'fifo' ], [ 'rename', $free, "$lock/new" ], [ 'link', $free, "$lock/new" ],
        [ 'open', 'w,tmpfile', $lock ] if $kind eq 'dir';
    return @acts;
}

sub reading {
    my ($kind) = @_;
    return ([ 'list', $lock ], [ 'open', 'r,dir', $lock ]) if $kind eq 'dir';
    return ([ 'get', $lock ], [ 'open', 'r', $lock ]) if $kind eq 'file';
    return ([ 'readlink', $lock ]) if $kind eq 'symlink';
    return ([ 'getxattr', $lock, 'user.none' ]);
}

# Something of the same kind under a data name.
sub make_like {
    my ($kind, $c, $path) = @_;
    return $c->do('mkdir', $path) if $kind eq 'dir';
    return $c->do('symlink', 'new', $path) if $kind eq 'symlink';
    return $c->do('mknod', $path, $kind eq 'fifo' ? 'fifo' : 'reg');
}

sub is_listed { my ($c) = @_; return scalar grep { $_ eq 'x.lock' } $c->list($p) }

sub check_stranger {
    my ($c, $kind) = @_;
    is $c->stat($lock)->{type}, $kind, 'stat';
    ok is_listed($c), 'listed';
    like $c->do(@$_), qr/^ok|^EPERM|^ENODATA|^EOPNOTSUPP/, "@$_[0, 1] reads" for reading($kind);
    is make($_, $c, $lock), 'EEXIST', "create: $_" for grep { $_ ne 'rename dir' } sort keys %primitive;
    expect EBUSY => $c, remover($kind), $lock;
    expect EBUSY => $c, 'rename', $lock, "$p/away";
    expect EBUSY => $c, 'rename', $lock, "$p/away.lock";
    expect EBUSY => $c, 'rename', $lock, $free, 'exchange';
    is make_like($kind, $c, "$p/onto"), 'ok', 'something to put there';
    expect EBUSY => $c, 'rename', "$p/onto", $lock;
    expect EBUSY => $c, 'rename', "$p/onto", $lock, 'exchange';
    expect ok => $c, remover($kind), "$p/onto";
    for my $act (altering($kind)) {
        expect EBUSY => $c, @$act;
    }
}

# Everything there is on the source, times included.
sub snapshot {
    my ($path) = @_;
    my @all = ([ $path, (lstat $path)[ 1 .. 7, 9, 10 ] ]);
    if (-d _) {
        opendir my $dir, $path or die "$path: $!";
        push @all, map { snapshot("$path/$_") } sort grep { !/^\.\.?$/ } readdir $dir;
    } elsif (-f _) {
        push @{ $all[0] }, slurp($path);
    }
    return @all;
}

sub check_family {
    my ($owner, $how, $prefix) = @_;
    my $kind = $primitive{$how}[0];
    my @as = @$prefix;
    expect qr/^(ok|EEXIST)/ => $owner, @as, 'mkdir', $lock;    # EEXIST: it is held
    for my $act (grep { "@$_" !~ m{x\.lock/new|tmpfile} } altering($kind)) {
        expect qr/^ok/ => $owner, @as, @$act;
    }
    is make_like($kind, $owner, "$p/onto"), 'ok', 'something to put there';
    expect ok    => $owner, @as, 'rename', "$p/onto", $lock;
    expect EBUSY => $other, remover($kind), $lock;             # still the owner's
    expect ok    => $owner, @as, 'rename', $lock, "$p/published";
    is $other->stat($lock), 'ENOENT', 'published';
    expect ok    => $other, remover($kind), "$p/published";
    is make($how, $owner, $lock), 'ok', 'taken again';
    expect ok    => $owner, @as, remover($kind), $lock;
    is $other->stat($lock), 'ENOENT', 'released';
    is make($how, $owner, $lock), 'ok', 'and again';
}

sub check_dead {
    my ($how, $kind) = @_;
    for my $who (sort keys %stranger) {
        my $c = $stranger{$who};
        is $c->stat($lock), 'ENOENT', "$who: stat";
        ok !is_listed($c), 'not listed';
        expect ENOENT => $c, remover($kind), $lock;
        expect ENOENT => $c, 'rename', $lock, "$p/away";
        expect ENOENT => $c, 'rename', $lock, $free, 'exchange';
        for my $act (grep { $_->[0] !~ /^put|^link|^rename/ } altering($kind), reading($kind)) {
            expect ENOENT => $c, @$act;
        }
    }
}

for my $how (sort keys %primitive) {
    my $kind = $primitive{$how}[0];
    my $owner = client(user => $user);
    $owner->do('creat', $free);

    subtest "$how: strangers" => sub {
        is make($how, $owner, $lock), 'ok', 'made';
        my @before = snapshot($m->source . '/x.lock');
        check_stranger($stranger{$_}, $kind) for sort keys %stranger;
        is_deeply [ snapshot($m->source . '/x.lock') ], \@before, 'nothing has changed';
    };
    subtest "$how: the owner"     => sub { check_family($owner, $how, []) };
    subtest "$how: a child"       => sub { check_family($owner, $how, ['sub']) };
    subtest "$how: a grandchild"  => sub { check_family($owner, $how, ['subsub']) };
    subtest "$how: an orphan of the owner is a stranger" => sub {
        expect EBUSY => $owner, 'orphan', remover($kind), $lock;
    };
    subtest "$how: the owner is dead" => sub {
        $owner->kill9;
        check_dead($how, $kind);
    };
    for my $next (sort keys %primitive) {
        subtest "$next where a dead $how was" => sub {
            my $first = client(user => $user);
            is make($how, $first, $lock), 'ok', 'made';
            $first->kill9;
            my $second = client(user => $user);
            is make($next, $second, $lock), 'ok', 'made anew';
            my $now = $primitive{$next}[0];
            is $other->stat($lock)->{type}, $now, 'the new one';
            expect EBUSY => $other, remover($now), $lock;
            expect ok => $second, remover($now), $lock;
        };
    }
    $other->do('unlink', $free);
}

is_deeply [ $other->list($p) ], [], 'nothing is left over';
$_->stop for values %stranger;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
