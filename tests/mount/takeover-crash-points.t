# The worker is killed at every marked point of every operation that changes something, with a caller in flight: the call
# ends as if nothing had happened, the lock has its owner, the tree is right, and nothing leaks.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(build_dir slurp);

need_root;
need_fuse;

my $options = run([ 'strings', build_dir() . '/fs/daemon/lockfs' ])->{out};
plan skip_all => 'built without -Dcrash_points=true' if $options !~ /LOCKFS_CRASH_POINT/;

my $file = temp_path('crash-point');

sub arm { my ($point) = @_; open my $fh, '>', $file or die "$file: $!"; print $fh $point; close $fh }

# name => [ what makes it ready, the call, what undoes or checks it ]. %c: owner, other; $p: the mount.
my %operations = (
    'mkdir a lock' => {
        call => [ ok => 'owner', 'mkdir', 'x.lock' ],
        then => [ [ EEXIST => 'other', 'mkdir', 'x.lock' ], [ EBUSY => 'other', 'rmdir', 'x.lock' ], [ ok => 'owner', 'rmdir', 'x.lock' ] ],
    },
    'create a lock' => {
        call => [ ok => 'owner', 'excl', 'f.lock' ],
        then => [ [ EEXIST => 'other', 'excl', 'f.lock' ], [ EBUSY => 'other', 'unlink', 'f.lock' ], [ ok => 'owner', 'unlink', 'f.lock' ] ],
    },
    'create data that cannot be read' => {
        call => [ ok => 'owner', 'excl', 'secret', '0' ],
        then => [ [ ok => 'owner', 'unlink', 'secret' ] ],
    },
    'symlink a lock' => {
        call => [ ok => 'owner', 'symlink', 'me', 's.lock' ],
        then => [ [ 'ok me' => 'other', 'readlink', 's.lock' ], [ EBUSY => 'other', 'unlink', 's.lock' ], [ ok => 'owner', 'unlink', 's.lock' ] ],
    },
    'link a lock' => {
        call => [ ok => 'owner', 'link', 'data', 'l.lock' ],
        then => [ [ EBUSY => 'other', 'unlink', 'l.lock' ], [ ok => 'owner', 'unlink', 'l.lock' ] ],
    },
    'mknod' => {
        call => [ ok => 'owner', 'mknod', 'n.lock', 'fifo' ],
        then => [ [ EEXIST => 'other', 'mknod', 'n.lock', 'fifo' ], [ ok => 'owner', 'unlink', 'n.lock' ] ],
    },
    'rmdir a lock' => {
        ready => [ [ ok => 'owner', 'mkdir', 'x.lock' ] ],
        call  => [ ok => 'owner', 'rmdir', 'x.lock' ],
        then  => [ [ ok => 'other', 'mkdir', 'x.lock' ], [ ok => 'other', 'rmdir', 'x.lock' ] ],
    },
    'unlink a lock' => {
        ready => [ [ ok => 'owner', 'excl', 'f.lock' ] ],
        call  => [ ok => 'owner', 'unlink', 'f.lock' ],
        then  => [ [ ok => 'other', 'excl', 'f.lock' ], [ ok => 'other', 'unlink', 'f.lock' ] ],
    },
    'rename data' => {
        ready => [ [ ok => 'owner', 'put', 'from', 'new' ], [ ok => 'owner', 'put', 'to', 'old' ] ],
        call  => [ ok => 'owner', 'rename', 'from', 'to' ],
        then  => [ [ 'ok new' => 'other', 'get', 'to' ], [ ENOENT => 'other', 'get', 'from' ], [ ok => 'owner', 'unlink', 'to' ] ],
    },
    'publish' => {
        ready => [ [ ok => 'owner', 'put', 'index', 'old' ], [ ok => 'owner', 'excl', 'index.lock' ] ],
        call  => [ ok => 'owner', 'rename', 'index.lock', 'index' ],
        then  => [ [ 'ok %' => 'other', 'get', 'index' ], [ ok => 'other', 'excl', 'index.lock' ], [ ok => 'other', 'unlink', 'index.lock' ],
                   [ ok => 'other', 'unlink', 'index' ] ],
    },
    'rename a directory onto a lock name' => {
        ready => [ [ ok => 'owner', 'mkdir', 'tmp' ], [ ok => 'owner', 'put', 'tmp/id', 'me' ] ],
        call  => [ ok => 'owner', 'rename', 'tmp', 'x.lock' ],
        then  => [ [ EBUSY => 'other', 'unlink', 'x.lock/id' ], [ ok => 'owner', 'unlink', 'x.lock/id' ], [ ok => 'owner', 'rmdir', 'x.lock' ] ],
    },
    'exchange' => {
        ready => [ [ ok => 'owner', 'put', 'a', '1' ], [ ok => 'owner', 'put', 'b', '2' ] ],
        call  => [ ok => 'owner', 'rename', 'a', 'b', 'exchange' ],
        then  => [ [ 'ok 2' => 'other', 'get', 'a' ], [ 'ok 1' => 'other', 'get', 'b' ], [ ok => 'owner', 'unlink', 'a' ], [ ok => 'owner', 'unlink', 'b' ] ],
    },
    'take over from the dead' => {
        dead => [ [ ok => 'victim', 'mkdir', 'x.lock' ], [ ok => 'victim', 'put', 'x.lock/owner', 'me' ] ],
        call => [ ok => 'owner', 'mkdir', 'x.lock' ],
        then => [ [ ENOENT => 'other', 'get', 'x.lock/owner' ], [ ok => 'owner', 'rmdir', 'x.lock' ] ],
    },
    'set an attribute once' => {
        call => [ ok => 'owner', 'setxattr', 'data', 'user.once', 'v', 'create' ],
        then => [ [ 'ok v' => 'other', 'getxattr', 'data', 'user.once' ], [ ok => 'owner', 'removexattr', 'data', 'user.once' ] ],
    },
    'remove an attribute' => {
        ready => [ [ ok => 'owner', 'setxattr', 'data', 'user.gone', 'v' ] ],
        call  => [ ok => 'owner', 'removexattr', 'data', 'user.gone' ],
        then  => [ [ ENODATA => 'other', 'getxattr', 'data', 'user.gone' ] ],
    },
    'read from the disk' => {
        call => [ 'ok text' => 'owner', 'get', 'data' ],
        then => [],
    },
    'write' => {
        call => [ ok => 'owner', 'put', 'w', 'some-text' ],
        then => [ [ 'ok some-text' => 'other', 'get', 'w' ], [ ok => 'owner', 'unlink', 'w' ] ],
    },
);

my ($m, $p, %clients);

sub act {
    my ($expected, $who, $command, @args) = @_;
    my %paths = map { $_ => 1 } $command eq 'symlink' ? (1) : $command =~ /^(rename|link)$/ ? (0, 1) : (0);
    @args = map { $paths{$_} ? "$p/$args[$_]" : $args[$_] } 0 .. $#args;
    my $got = $clients{$who}->do($command, @args);
    $got =~ s/^ok \d+$/ok/ if $command eq 'excl';
    return $got eq $expected ? () : "$who: $command @args: got '$got', expected '$expected'";
}

# Everything around one call; what went wrong.
sub run_once {
    my ($operation, $point) = @_;
    my @wrong = map { act(@$_) } @{ $operation->{ready} // [] };
    if ($operation->{dead}) {
        $clients{victim} = client();
        push @wrong, map { act(@$_) } @{ $operation->{dead} };
        arm($point);
        $clients{victim}->kill9;
    }
    else { arm($point) }
    unlink "$file.passed";
    push @wrong, act(@{ $operation->{call} });
    my $hit = !-e $file;
    unlink $file;
    push @wrong, map { act(@$_) } @{ $operation->{then} };
    return ($hit, @wrong);
}

sub descriptors { my @fds = glob '/proc/' . $m->pid . '/fd/*'; return scalar @fds }

$m = mount_lockfs(source => 'tmpfs', env => { LOCKFS_CRASH_POINT => $file });
$p = $m->path;
%clients = (owner => client(), other => client());
expect ok => $clients{owner}, 'put', "$p/data", 'text';

my ($killed, %everywhere);
for my $name (sort keys %operations) {
    my $operation = $operations{$name};
    my (undef, @wrong) = run_once($operation, '?');
    my %seen;
    my @points = grep { !$seen{$_}++ } split /\n/, slurp("$file.passed");
    is "@wrong", '', "$name: undisturbed";
    cmp_ok scalar(@points), '>=', 6, "$name: passes " . @points . ' points';
    my @failed;
    for my $point (@points) {
        my ($hit, @bad) = run_once($operation, $point);
        $killed += $hit;
        $everywhere{$point} ||= $hit;
        push @failed, map { "killed at $point: $_" } @bad;
    }
    is join("\n", @failed), '', "$name: killed at each";
}
is_deeply [ $clients{other}->list($p) ], ['data'], 'nothing is left over';
cmp_ok scalar(grep { $_ } values %everywhere), '>=', 35, "$killed deaths at " . keys(%everywhere) . ' different points: ' . join ' ', sort keys %everywhere;
my $before = descriptors();
for (1 .. 20) { run_once($operations{'mkdir a lock'}, 'answered') }
cmp_ok descriptors(), '<=', $before + 2, 'no descriptor leaks';
is $m->umount, 'exit 0', 'the keeper ends well';

# What it had read, and not begun, is neither in the kernel's queue nor under way.
for my $point (qw(request-read request-begun answering answered request-done)) {
    subtest "a worker that hangs at $point is replaced" => sub {
        my $hung = mount_lockfs(env => { LOCKFS_CRASH_POINT => $file, LOCKFS_HANG_SECONDS => 1 });
        my $lock = $hung->path . '/x.lock';
        arm("stop $point");
        expect ok     => $clients{owner}, 'mkdir', $lock;
        ok !-e $file, 'it was stopped';
        expect EEXIST => $clients{other}, 'mkdir', $lock;
        expect ok     => $clients{owner}, 'rmdir', $lock;
        is $hung->umount, 'exit 0', 'the keeper ends well';
    };
}
done_testing;
