# The owner is the process, whichever of its threads called: second threads, io_uring workers, Node's thread pool.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());

sub holds {
    my ($owner, $path, $release) = @_;
    expect EEXIST => $other, 'mkdir', $path;
    expect EBUSY  => $other, $release, $path;
    expect ok     => $owner, $release, $path;
    is $other->stat($path), 'ENOENT', 'released by another thread of the owner';
}

subtest 'a second thread' => sub {
    my $owner = client();
    expect ok => $owner, 'thread', 'mkdir', "$p/x.lock";
    holds($owner, "$p/x.lock", 'rmdir');
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $owner, 'thread', 'rmdir', "$p/x.lock";
    expect ok => $owner, 'thread', 'excl', "$p/y.lock";
    expect ok => $owner, 'thread', 'mkdir', "$p/x.lock";
    is ref $other->stat("$p/x.lock"), 'HASH', 'the thread has ended, the process runs';
    $owner->kill9;
    is_deeply [ $other->list($p) ], [], 'all gone with the process';
};

subtest 'a second thread after the first has ended' => sub {
    my $owner = client();
    expect ok => $owner, 'leader-exit';
    expect ok => $owner, 'mkdir', "$p/x.lock";
    expect ok => $owner, 'thread', 'excl', "$p/y.lock";
    expect EBUSY => $other, 'rmdir', "$p/x.lock";
    expect EBUSY => $other, 'unlink', "$p/y.lock";
    $owner->kill9;
    is_deeply [ $other->list($p) ], [], 'all gone with the process';
};

for my $mode (qw(plain async sqpoll)) {
    subtest "io_uring $mode" => sub {
        my $owner = client();
        my $first = $owner->do('uring-mkdir', "$p/x.lock", $mode);
        plan skip_all => "no io_uring here: $first" if $first =~ /^(ENOSYS|EPERM)$/;
        is $first, 'ok', 'mkdir';
        holds($owner, "$p/x.lock", 'rmdir');
        expect ok => $owner, 'uring-excl', "$p/y.lock", $mode;
        holds($owner, "$p/y.lock", 'unlink');
        expect ok => $owner, 'uring-mkdir', "$p/x.lock", $mode;
        expect ok => $owner, 'uring-excl', "$p/y.lock", $mode;
        is scalar($other->list($p)), 2, 'both held';
        $owner->kill9;
        is_deeply [ $other->list($p) ], [], 'all gone with the process';
    };
}

subtest 'fs.promises.mkdir of Node' => sub {
    need_node;
    my $script = <<'JS';
const fs = require('fs'), readline = require('readline');
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const [act, path] = line.split(' ');
    try { await (act === 'open' ? fs.promises.open(path, 'wx').then((f) => f.close()) : fs.promises[act](path)); console.log('ok'); }
    catch (error) { console.log(error.code); }
});
JS
    my $node = spawn([ 'node', '-e', $script ]);
    my $tell = sub { $node->send(join ' ', @_); return $node->recv };
    for (1 .. 20) {    # each call on one of several threads
        is $tell->('mkdir', "$p/x.lock"), 'ok', 'mkdir';
        is $tell->('mkdir', "$p/x.lock"), 'EEXIST', 'once';
        is $other->do('rmdir', "$p/x.lock"), 'EBUSY', 'held';
        is $tell->('rmdir', "$p/x.lock"), 'ok', 'rmdir';
    }
    is $tell->('mkdir', "$p/x.lock"), 'ok', 'mkdir';
    is $tell->('open', "$p/y.lock"), 'ok', 'exclusive open';
    $node->kill9;
    is_deeply [ $other->list($p) ], [], 'all gone with the process';
    expect ok => $other, 'mkdir', "$p/x.lock";
    expect ok => $other, 'rmdir', "$p/x.lock";
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
