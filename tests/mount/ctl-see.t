# Who holds what, since when, and who waits: .lockfs, the attributes, list, show, explain, graph.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use MIME::Base64 ();

need_root;
need_fuse;
need_program('getfattr', 'unshare');

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
my ($holder, $other) = (client(), client());
expect ok => $holder, 'mkdir', "$p/sub";
expect ok => $holder, 'mkdir', "$p/x.lock";
expect ok => $holder, 'mkdir', "$p/sub/y.lock";

subtest 'the directory' => sub {
    ok !(grep { $_ eq '.lockfs' } $other->list($p)), 'never listed';
    is_deeply [ sort $other->list("$p/sub/.lockfs") ],
        [qw(control events healed locks metrics observed stats)], 'its files';
    expect EPERM  => $other, 'mkdir', "$p/.lockfs/z";
    expect ENOENT => $other, 'get',   "$p/.lockfs/nothing";
    expect ok     => $holder, 'mkdir', "$p/empty";
    slurp("$p/empty/.lockfs/stats");
    expect ok     => $holder, 'rmdir', "$p/empty";
    is run([ 'find', $p ], timeout => 10)->{status}, 'exit 0', 'find goes past it';
    unlike run([ 'find', $p ], timeout => 10)->{out}, qr/\.lockfs/, 'without seeing it';
};

subtest 'list' => sub {
    my $all = ctl_json([ 'list', '--json', $p ]);
    is scalar @$all, 2, 'two claims';
    my ($x) = grep { $_->{path} eq 'x.lock' } @$all;
    is $x->{kind},  'dir',  'kind';
    is $x->{state}, 'held', 'state';
    is $x->{owner}{pid}, $holder->pid, 'owner';
    is $x->{owner}{pid_here}, $holder->pid, 'as seen from here';
    is $x->{caller}{pid}, $holder->pid, 'caller';
    is $x->{owner}{exe}, helper('client'), 'program';
    is $x->{rule}, '*.lock', 'rule';
    like $x->{acquired_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'RFC 3339';
    is_deeply $x->{waiters}, [], 'nobody waits';
    is_deeply [ map { $_->{path} } @{ ctl_json([ 'list', '--json', "$p/sub" ]) } ], ['y.lock'],
        'below a directory only, from there';
    my $r = ctl([ 'list', $p ]);
    like $r->{out}, qr/^PATH +PID +COMMAND +CONTAINER +HELD +WAITERS$/m, 'heading';
    like $r->{out}, qr{^sub/y\.lock +\d+ +client}m, 'row';
    is_deeply [ map { [ sort keys %$_ ] } @{ ctl_json([ 'list', '--json', '-o', 'path,pid', $p ]) } ],
        [ ([ 'path', 'pid' ]) x 2 ], 'chosen columns in JSON';
    ctl_status 2, [ 'list', '-o', 'nonsense', $p ], qr/unknown column/;
    ctl_status 2, [ 'list', '--nonsense' ], qr/--help/;
    ctl_status 3, [ 'list', '/' ], qr/not on a lockfs mount/;
    ctl_status 1, [ 'list', "$p/nothing" ], qr/cannot open/;
};

subtest 'attributes' => sub {
    my $owner = run([ qw(getfattr --only-values -n user.lockfs.owner), "$p/x.lock" ], timeout => 10);
    is from_json($owner->{out})->{pid}, $holder->pid, 'user.lockfs.owner';
    my $token = run([ qw(getfattr --only-values -n user.lockfs.token), "$p/x.lock" ], timeout => 10);
    my ($x) = grep { $_->{path} eq 'x.lock' } @{ ctl_json([ 'list', '--json', $p ]) };
    is $token->{out}, $x->{token}, 'user.lockfs.token';
    isnt run([ qw(getfattr -n user.lockfs.owner), "$p/sub" ], timeout => 10)->{status}, 'exit 0',
        'data has none';
    is run([ qw(getfattr -d), "$p/x.lock" ], timeout => 10)->{out}, '', 'not listed, so cp -a does not trip';
};

subtest 'waiters' => sub {
    expect EEXIST => $other, 'mkdir', "$p/x.lock" for 1 .. 3;
    my $x = ctl_json([ 'show', '--json', "$p/x.lock" ]);
    is scalar @{ $x->{waiters} }, 1, 'one waits';
    is $x->{waiters}[0]{pid}, $other->pid, 'the one who tried';
    is $x->{waiters}[0]{attempts}, 3, 'three times';
    like ctl([ 'show', "$p/x.lock" ])->{out}, qr/^waits +${\ $other->pid} \(client\), 3 attempts/m, 'in words';
    my $looker = client();
    $looker->stat("$p/x.lock");
    is scalar @{ ctl_json([ 'show', '--json', "$p/x.lock" ])->{waiters} }, 1, 'who only looks does not wait';
    ctl_status 4, [ 'show', "$p/none.lock" ], qr/no such claim/;
    ctl_status 3, [ 'show', '/none.lock' ], qr/not on a lockfs mount/;
    ctl_status 2, ['show'], qr/expected/;
    my $gone = client();
    expect EEXIST => $gone, 'mkdir', "$p/x.lock";
    $gone->kill9;
    $gone->wait;
    is scalar @{ ctl_json([ 'show', '--json', "$p/x.lock" ])->{waiters} }, 1, 'the dead do not wait';
};

subtest 'deadlock' => sub {
    expect ok     => $other,  'mkdir', "$p/z.lock";
    expect EEXIST => $holder, 'mkdir', "$p/z.lock";
    my $dot = ctl([ 'graph', $p ])->{out};
    like $dot, qr/p${\ $holder->pid} -> p${\ $other->pid} .*deadlock=true/,  'one way';
    like $dot, qr/p${\ $other->pid} -> p${\ $holder->pid} .*deadlock=true/,  'and back';
    expect ok => $other, 'rmdir', "$p/z.lock";
    unlike ctl([ 'graph', $p ])->{out}, qr/deadlock/, 'no more';
};

subtest 'explain' => sub {
    my $lock = ctl_json([ 'explain', '--json', "$p/sub/new.lock" ]);
    is $lock->{result}, 'lock', 'a lock';
    is $lock->{rule}{pattern}, '*.lock', 'its rule';
    ok !$lock->{exists}, 'need not exist';
    my $data = ctl_json([ 'explain', '--json', '-f', "$p/yarn.lock" ]);
    is $data->{result}, 'data', 'data';
    is_deeply [ map { $_->{pattern} } @{ $data->{matching} } ], [ '*.lock', 'yarn.lock' ], 'the last decides';
    like ctl([ 'explain', "$p/plain" ])->{out}, qr/No rule matches/, 'no rule';
    ok ctl_json([ 'explain', '--json', "$p/x.lock" ])->{held}, 'held';
    ctl_status 1, [ 'explain', "$p/nothing/x.lock" ], qr/existing/;
};

subtest 'names' => sub {
    for my $name ("a b.lock", "new\nline.lock", "\e[1mred.lock", "bad\xff\xfe.lock", "quo'te\".lock", "\xc3\xa4.lock", '%41.lock') {
        expect ok => $holder, 'mkdir', "$p/$name";
        my ($claim) = grep {
            my $exact = $_->{path_base64} ? MIME::Base64::decode($_->{path_base64}) : do { my $n = $_->{path}; utf8::encode($n); $n };
            $exact eq $name
        } @{ ctl_json([ 'list', '--json', $p ]) };
        ok $claim, 'exact in JSON: ' . encode($name);
        is ctl([ 'show', "$p/$name" ])->{status}, 'exit 0', 'found by its name';
        my $out = ctl([ 'list', $p ])->{out};
        unlike $out, qr/[\x00-\x09\x0b-\x1f\x7f]/, 'no control characters in the table';
        is scalar(split /\n/, $out), 4, 'a line a claim';
        expect ok => $holder, 'rmdir', "$p/$name";
    }
};

subtest 'as another user' => sub {
    my $mine = ctl_json([ 'show', '--json', "$p/x.lock" ], user => unprivileged);
    is $mine->{owner}{pid}, $holder->pid, 'sees the owner';
    is $mine->{owner}{exe}, undef, 'but not its program';
    expect ok => $holder, 'mkdir', "$p/closed";
    chmod 0700, "$p/closed";
    ctl_status 6, [ 'list', "$p/closed" ], qr/not permitted/, user => unprivileged;
};

subtest 'in a container' => sub {
    my $at = temp_path('inside');
    mkdir $at;
    my $script = 'mount --bind "$1/sub" "$2" && cd "$2" && mkdir c.lock && echo $$ && "$3" list --json && "$3" show --json y.lock';
    my $r = run([ qw(unshare --pid --fork --mount --propagation private --mount-proc sh -c), $script, 'sh', $p, $at, ctl_program() ],
        timeout => 30);
    my ($pid, $list) = $r->{out} =~ /\A(\d+)\n(\[.*?^\])/ms;
    my ($c) = grep { $_->{path} eq 'c.lock' } @{ from_json($list) };
    is scalar @{ from_json($list) }, 2, 'sees what is below, and nothing else';
    is $c->{owner}{pid_here}, $pid, 'its own numbers';
    isnt $c->{owner}{pid}, $pid, 'beside the host\'s';
    is $c->{owner}{ns_pids}[-1], $pid, 'in all namespaces';
    my ($y) = grep { $_->{path} eq 'y.lock' } @{ from_json($list) };
    is $y->{owner}{pid_here}, undef, 'who is outside has none';
};

done_testing;
