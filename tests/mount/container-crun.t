# Containers of a real runtime over one state directory: every one has its pid 7 and the same host name.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;

need_crun;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $host) = ($m->path, client());
expect ok => $host, 'mkdir', "$p/state";
chmod 0777, "$p/state";

my %usual = (binds => { '/state' => "$p/state" }, pid => 7);
my %kinds = (
    'root of the machine'       => {},
    'read-only'                 => { readonly => 1 },
    'in a user namespace'       => { userns => first_uid },
    'read-only, user namespace' => { userns => first_uid, readonly => 1 },
);

for my $kind (sort keys %kinds) {
    my %opt = (%usual, %{ $kinds{$kind} });
    subtest "two at once, $kind" => sub {
        my ($one, $two) = (container(%opt), container(%opt));
        is_deeply [ map { $_->get('pid') } $one, $two ], [ 7, 7 ], 'both are process 7';
        expect ok     => $one, 'mkdir', '/state/x.lock';
        expect ok     => $one, 'put', '/state/x.lock/owner', '7@box';
        expect ok     => $one, 'utimens', '/state/x.lock', 1e9, 1e9;
        expect EEXIST => $two, 'mkdir', '/state/x.lock';
        expect EBUSY  => $two, 'unlink', '/state/x.lock/owner';
        expect EBUSY  => $two, 'rename', '/state/x.lock', '/state/aside';
        expect EBUSY  => $host, 'unlink', "$p/state/x.lock/owner";
        ok $two->stat('/state/x.lock')->{mtime} > 1e18, 'it looks fresh there';
        is $one->stat('/state/x.lock')->{mtime}, 1e9, 'and as it is to its owner';
        my $w = watcher("$p/state");
        is $one->kill_init, 137 << 8, 'killed with its process 1';
        expect ok => $two, 'mkdir', '/state/x.lock';
        expect ok => $two, 'rmdir', '/state/x.lock';
        ok scalar($w->until('CREATE', 'x.lock', 10)), 'seen from the host';
        $w->stop;
        $two->kill_init;
    };

    subtest "one after the other, $kind" => sub {
        for my $turn (1 .. 3) {
            my $c = container(%opt);
            expect ok => $c, 'excl', '/state/always7.lock';
            expect ok => $c, 'put', '/state/always7.lock', '7';
            my $w = watcher("$p/state");
            $c->kill_init;
            is $host->stat("$p/state/always7.lock"), 'ENOENT', "turn $turn: gone with its container";
            ok scalar($w->until('DELETE', 'always7.lock', 10)), 'and everybody hears of it';
            $w->stop;
        }
    };
}

subtest 'only one process of a container dies' => sub {
    my $c     = container(%usual);
    my $child = $c->fork_client;
    my $other = container(%usual);
    expect ok     => $child, 'mkdir', '/state/x.lock';
    expect ok     => $c,     'mkdir', '/state/y.lock';
    expect EBUSY  => $c,     'rmdir', '/state/x.lock';
    $child->kill('KILL');
    $child->wait;
    expect ok     => $other, 'mkdir', '/state/x.lock';
    expect EEXIST => $other, 'mkdir', '/state/y.lock';
    $c->kill_init;
    expect ok     => $other, 'mkdir', '/state/y.lock';
    $other->kill_init;
};

subtest 'who is who in a user namespace' => sub {
    my $c = container(%usual, userns => first_uid);
    expect ok => $c, 'excl', '/state/u.lock';
    expect ok => $c, 'mkdir', '/state/dir', '700';
    is $host->stat("$p/state/u.lock")->{uid}, first_uid, 'its root is another user outside';
    is $c->stat('/state/u.lock')->{uid}, 0, 'and root inside';
    expect EBUSY => $host, 'unlink', "$p/state/u.lock";
    my $elsewhere = container(%usual, userns => first_uid + 65536);
    is $elsewhere->stat('/state/u.lock')->{uid}, 65534, 'nobody, with another mapping';
    expect EACCES => $elsewhere, 'mkdir', '/state/dir/x.lock';
    expect EBUSY  => $elsewhere, 'unlink', '/state/u.lock';
    expect EEXIST => $elsewhere, 'excl', '/state/u.lock';
    $c->kill_init;
    expect ok => $elsewhere, 'excl', '/state/u.lock';
    $elsewhere->kill_init;
    expect ok => $host, 'rmdir', "$p/state/dir";
};

is_deeply [ $host->list("$p/state") ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
