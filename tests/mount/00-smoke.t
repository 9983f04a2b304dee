# A mount of each kind comes up, passes data through, heals one lock, and ends well.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

for my $kind (qw(dir tmpfs ext4 none)) {
    subtest "source $kind" => sub {
        my $m = mount_lockfs(source => $kind);
        my ($p, $holder, $other) = ($m->path, client(), client());

        expect ok          => $holder, 'put', "$p/data", 'text';
        expect 'ok text'   => $other,  'get', "$p/data";
        expect ok          => $holder, 'mkdir', "$p/x.lock";
        expect EEXIST      => $other,  'mkdir', "$p/x.lock";
        $holder->kill9;
        expect ok          => $other,  'mkdir', "$p/x.lock";
        expect ok          => $other,  'rmdir', "$p/x.lock";
        is_deeply [ $other->list($p) ], ['data'], 'nothing but the data is left';
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}

subtest 'in place' => sub {
    my $dir = temp_path('in-place');
    mkdir $dir;
    my $c = client();
    expect ok        => $c, 'put', "$dir/before", 'text';
    my $m = mount_lockfs(source => $dir, in_place => 1);
    expect 'ok text' => $c, 'get', "$dir/before";
    expect ok        => $c, 'put', "$dir/during", 'text';
    is $m->umount, 'exit 0', 'the daemon ends well';
    expect 'ok text' => $c, 'get', "$dir/during";
};

subtest 'in the background' => sub {
    my $m = mount_lockfs(background => 1);
    ok $m->pid, 'the daemon is found';
    expect ok => client(), 'mkdir', $m->path . '/x.lock';
    $m->umount;
    ok !$m->is_mounted, 'unmounted';
};

subtest 'as an ordinary user' => sub {
    my $m = mount_lockfs(user => unprivileged);
    my $c = client(user => unprivileged);
    my ($p, $other) = ($m->path, client(user => unprivileged));
    expect ok => $c, 'mkdir', "$p/x.lock";
    $c->kill9;
    expect ok => $other, 'mkdir', "$p/x.lock";
    is $m->umount, 'exit 0', 'the daemon ends well';
};

done_testing;
