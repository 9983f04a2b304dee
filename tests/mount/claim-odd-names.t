# Names and trees nobody expects: long, not UTF-8, with newlines, reserved, 100 levels deep, loops, 10,000 members. Clear errors, and healed as any other.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());

sub is_gone { my ($path, $what) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; is $other->stat($path), 'ENOENT', $what // 'gone' }

my %odd = (
    '255 bytes'          => 'x' x 250 . '.lock',
    '255 bytes, dots'    => '.' x 250 . '.lock',
    'not UTF-8'          => "\xff\xfe\x80.lock",
    'a newline'          => "a\nb.lock",
    'only a newline'     => "\n.lock",
    'a tab and a bell'   => "\t\x07.lock",
    'an escape'          => "\x1b[31m.lock",
    'a space in front'   => ' x.lock',
    'a percent sign'     => '%s%n%d.lock',
    'a backslash'        => '\\..\\x.lock',
    'a minus in front'   => '-rf.lock',
    'a glob'             => '*?[a-z].lock',
    'a wide character'   => "\xf0\x9f\x94\x92.lock",
    'the suffix only'    => '.lock',
    'quotes'             => "\"'`.lock",
    'dots like a parent' => '...lock',
);

for my $what (sort keys %odd) {
    subtest $what => sub {
        my $x = "$p/$odd{$what}";
        for my $full (0, 1) {
            my $o = client();
            expect ok => $o, 'mkdir', $x;
            expect ok => $o, 'put', "$x/$odd{$what}.", 'text' if $full && length $odd{$what} < 255;
            expect ok => $o, 'put', "$x/" . 'm' x 255, 'text' if $full;
            expect EEXIST => $other, 'mkdir', $x;
            expect EBUSY => $other, 'rmdir', $x;
            is_deeply [ $other->list($p) ], [ $odd{$what} ], 'listed as it is';
            my $w = watcher($p);
            $o->kill9;
            is_gone $x;
            ok scalar($w->until('DELETE', $odd{$what}, 10)), 'watchers heard of it';
            $w->stop;
            expect ok => $other, 'excl', $x;
            expect ok => $other, 'put', $x, 'text';
            expect ok => $other, 'rename', $x, "$p/data";
            expect ok => $other, 'unlink', "$p/data";
            is_deeply [ $other->list($p) ], [], 'nothing left';
        }
    };
}

subtest 'too long' => sub {
    my $long = 'x' x 251 . '.lock';
    for my $make ([ 'mkdir', "$p/$long" ], [ 'excl', "$p/$long" ], [ 'symlink', 'text', "$p/$long" ], [ 'stat', "$p/$long" ], [ 'rmdir', "$p/$long" ]) {
        expect ENAMETOOLONG => $other, @$make;
    }
    expect ok => $other, 'mkdir', "$p/data";
    expect ENAMETOOLONG => $other, 'rename', "$p/data", "$p/$long";
    expect ok => $other, 'rmdir', "$p/data";
    expect ENAMETOOLONG => $other, 'symlink', 'x' x 5000, "$p/x.lock";
    is_gone "$p/x.lock";
    expect ok => $other, 'symlink', 'x' x 4095, "$p/x.lock";
    is length $other->get('readlink', "$p/x.lock"), 4095, 'the longest text of a link';
    expect ok => $other, 'unlink', "$p/x.lock";
};

subtest "lockfs' own name" => sub {
    $other->do('mkdir', "$p/dir");
    for my $own ("$p/.lockfs", "$p/dir/.lockfs") {    # it can be entered by name, and is nobody's to make or remove
        expect EEXIST => $other, 'mkdir', $own;
        expect EEXIST => $other, 'excl', $own;
        expect EISDIR => $other, 'put', $own, 'text';
        expect EEXIST => $other, 'symlink', 'text', $own;
        expect EEXIST => $other, 'mknod', $own, 'fifo';
        expect ENOENT => $other, 'rmdir', $own;
        is_deeply [ sort $other->list($own) ], [qw(control events healed locks metrics observed stats)], 'still there';
    }
    for my $own ("$p/.lockfs-healed-1-2-x") {
        is_gone $own, 'not there';
        expect EPERM => $other, 'mkdir', $own;
        expect EPERM => $other, 'excl', $own;
        expect EPERM => $other, 'put', $own, 'text';
        expect EPERM => $other, 'symlink', 'text', $own;
        expect EPERM => $other, 'mknod', $own, 'fifo';
        expect ENOENT => $other, 'rmdir', $own;
        expect EPERM => $other, 'rename', "$p/dir", $own if $own !~ m{dir/};
        is_gone $own, 'still not';
    }
    my $o = client();    # something healed, so that it is there on the source
    expect ok => $o, 'mkdir', "$p/x.lock";
    expect ok => $o, 'put', "$p/x.lock/member", 'text';
    $o->kill9;
    is_gone "$p/x.lock";
    expect ok => $other, 'mkdir', "$p/x.lock";
    ok -d $m->source . '/.lockfs', 'it is there on the source';
    ok -f "$p/.lockfs/healed", 'and not here: that is a file of ours';
    is_deeply [ $other->list($p) ], [qw(dir x.lock)], 'nor listed';
    expect ok => $other, 'rmdir', "$p/$_" for 'dir', 'x.lock';
    expect ok => $other, 'mkdir', "$p/.lockfs2";    # only the very name
    expect ok => $other, 'mkdir', "$p/lockfs";
    expect ok => $other, 'rmdir', "$p/$_" for '.lockfs2', 'lockfs';
};

# Deeper than a path may be long: reached by chdir.
for my $name ('d', 'd' x 200) {
    subtest '100 levels of ' . length($name) . ' bytes' => sub {
        my ($o, $q, $walker) = (client(cwd => $p), client(cwd => $p), client(cwd => $p));
        for my $level (1 .. 100) {
            $walker->do('mkdir', $name) eq 'ok' or fail "mkdir $level";
            $_->do('chdir', $name) eq 'ok' or fail "chdir $level" for $walker, $o, $q;
        }
        expect ok => $o, 'mkdir', 'x.lock';
        expect ok => $o, 'put', 'x.lock/member', 'text';
        expect ok => $o, 'excl', 'y.lock';
        expect EEXIST => $q, 'mkdir', 'x.lock';
        expect EBUSY => $q, 'unlink', 'x.lock/member';
        my $short = length $name < 10;
        my $w = watcher($p . "/$name" x 100) if $short;
        $o->kill9;
        is_deeply [ $q->list('.') ], [], 'gone at once';
        if ($w) {
            ok scalar($w->until('DELETE', 'x.lock', 10)), 'watchers heard of it';
            $w->stop;
        }
        expect ok => $q, 'mkdir', 'x.lock';
        expect ok => $q, 'rmdir', 'x.lock';
        expect ok => $q, 'excl', 'y.lock';
        expect ok => $q, 'unlink', 'y.lock';
        my $locks = client(cwd => $p);
        for my $level (1 .. 100) {    # and locks all the way down
            $locks->do('mkdir', 'deep.lock') eq 'ok' or fail "lock $level";
            $locks->do('chdir', 'deep.lock') eq 'ok' or fail "chdir $level";
        }
        $locks->kill9;
        is_gone "$p/deep.lock";
        expect ok => $other, 'mkdir', "$p/deep.lock";
        is_deeply [ $other->list("$p/deep.lock") ], [], 'a new one is empty';
        expect ok => $other, 'rmdir', "$p/deep.lock";
        $_->stop for $q, $walker;
        is run([ 'rm', '-rf', "$p/$name" ], timeout => 60)->{status}, 'exit 0', 'removed';
    };
}

subtest 'symlink loops' => sub {
    my $o = client();
    expect ok => $o, 'symlink', 'b.lock', "$p/a.lock";
    expect ok => $o, 'symlink', 'a.lock', "$p/b.lock";
    expect ok => $o, 'symlink', 'self.lock', "$p/self.lock";
    expect ok => $o, 'symlink', '.', "$p/dot";
    for my $c ($o, $other) {
        expect ELOOP => $c, 'get', "$p/a.lock";
        expect ELOOP => $c, 'open', 'r', "$p/self.lock";
        expect ELOOP => $c, 'mkdir', "$p/a.lock/x.lock";
        expect ELOOP => $c, 'open', 'w,creat', "$p/self.lock";
        expect EEXIST => $c, 'open', 'w,creat,excl', "$p/self.lock";
        is $c->get('readlink', "$p/a.lock"), 'b.lock', 'readlink';
    }
    expect ok => $o, 'mkdir', "$p/dot/dot/dot/x.lock";    # through links: the same directory
    expect EEXIST => $other, 'mkdir', "$p/x.lock";
    $o->kill9;
    is_gone "$p/$_" for qw(a.lock b.lock self.lock x.lock);
    expect ok => $other, 'unlink', "$p/dot";
};

subtest 'a lock with very many members' => sub {
    my $count = $ENV{LOCKFS_QUICK} ? 1000 : 10_000;
    my ($o, $seen) = (client(), undef);
    expect ok => $o, 'mkdir', "$p/x.lock";
    expect ok => $o, 'mkdir', "$p/x.lock/sub";
    expect ok => $o, 'times', $count, 'put', "$p/x.lock/member-{}", 'text';
    expect ok => $o, 'times', 100, 'creat', "$p/x.lock/sub/{}";
    is scalar(my @all = $other->list("$p/x.lock")), $count + 1, 'all listed';
    my $r = run([ 'rm', '-rf', "$p/x.lock" ], timeout => 60);
    isnt $r->{status}, 'exit 0', 'rm -rf by others';
    is scalar(@all = $other->list("$p/x.lock")), $count + 1, 'all there';
    my $w = watcher($p);
    $o->kill9;
    my $before = now;
    is_gone "$p/x.lock";
    expect ok => $other, 'mkdir', "$p/x.lock";
    cmp_ok now() - $before, '<', 2, 'in one step, whatever its size';
    is_deeply [ $other->list("$p/x.lock") ], [], 'a new one is empty';
    expect ok => $other, 'rmdir', "$p/x.lock";
    $w->stop;
};

subtest 'very many locks of one owner' => sub {
    my $count = $ENV{LOCKFS_QUICK} ? 500 : 5000;
    my $o = client();
    expect ok => $o, 'times', $count, 'mkdir', "$p/{}.lock";
    is scalar(my @all = $other->list($p)), $count, 'all listed';
    $o->kill9;
    is_deeply [ $other->list($p) ], [], 'none is listed';
    is_gone "$p/@{[ $count - 1 ]}.lock";
    expect ok => $other, 'times', $count, 'mkdir', "$p/{}.lock";
    expect ok => $other, 'times', $count, 'rmdir', "$p/{}.lock";
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
unlike $m->log, qr/[^\x20-\x7e\n]/, 'the log has no control characters';
$other->stop;
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
