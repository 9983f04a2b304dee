# The set-group-id bit of a file stays with a member of the group, as on the source, and is dropped for others.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $group = 20;
my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other', in_place => 1);
my $p = $m->path;
my $root = client();
my ($member, $other) = (client(user => unprivileged, groups => [ 4, $group ]), client(user => unprivileged, groups => [4]));
my $uid = getpwnam(unprivileged);

sub mode { return $root->stat($_[0])->{mode} }

expect ok => $root, 'chmod', $p, '777';
expect ok => $root, 'mkdir', "$p/of-group";
expect ok => $root, 'chown', "$p/of-group", 0, $group;
expect ok => $root, 'chmod', "$p/of-group", '2777';

for my $who ([ 'a member', $member, '2755' ], [ 'somebody else', $other, '0755' ]) {
    my ($name, $client, $want) = @$who;
    subtest $name => sub {
        expect ok => $client, 'creat', "$p/f", '644';
        expect ok => $root, 'chown', "$p/f", $uid, $group;
        expect ok => $client, 'chmod', "$p/f", '2755';
        is mode("$p/f"), $want, 'by chmod';
        expect ok => $client, 'creat', "$p/of-group/f", '2755';
        is mode("$p/of-group/f"), $want, 'by create in a directory that gives its group';
        expect ok => $client, 'excl', "$p/of-group/f.lock", '2755';
        is mode("$p/of-group/f.lock"), $want, 'by an exclusive create';
        expect ok => $client, 'unlink', "$p/of-group/f.lock";
        expect ok => $root, 'unlink', "$p/$_" for 'f', 'of-group/f';
    };
}
done_testing;
