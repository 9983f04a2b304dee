# From the behaviour of programs under -o observe to rules, and those rules in use.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;

need_root;
need_fuse;
need_program('git', 'tar', 'ln');

# Whatever each program does to its lock, it also ends in all ways: releasing, killed, and with data kept.
my $m = mount_lockfs(source => 'tmpfs', options => 'observe,allow_other');
my $p = $m->path;
my $by = {};      # pattern → suggestion, after suggestions()

sub suggestions {
    my ($dir) = @_;
    my $all = ctl_json([ 'suggest', '--json', $dir // $p ]);
    $by = { map { $_->{pattern} => $_ } @{ $all->{names} } };
    return $all;
}
sub is_suggested {
    my ($pattern, $kind, $why) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $found = $by->{$pattern} // { suggestion => 'not seen', because => '' };
    is $found->{suggestion}, $kind, "$pattern: $kind" or diag explain [ sort keys %$by ];
    like $found->{because}, $why, '... because' if $why;
    return $found;
}
sub sh { my ($script, %opt) = @_; return run([ 'sh', '-c', "$script\n:" ], cwd => $p, timeout => 30, %opt) }

mkdir "$p/$_" for qw(state run hg repo vendor jobs jobs/a jobs/b kept);

# A script with a directory as its lock: in good order, and killed.
sh('mkdir state/lock && : && rmdir state/lock') for 1 .. 3;
sh('mkdir state/lock && kill -9 $$');
sh('rmdir state/lock');

# Mercurial's: a symlink whose text says who.
sh('ln -s host:$$ hg/wlock && : && rm hg/wlock') for 1 .. 2;

# A pid file.
my $daemon = client();
expect ok => $daemon, 'excl', "$p/run/app.pid";
my $reader = client();
expect 'ok %' => $reader, 'get', "$p/run/app.pid";
expect ok => $daemon, 'unlink', "$p/run/app.pid";

# One name in several directories.
for my $job (qw(a b)) { sh("mkdir jobs/$job/busy && : && rmdir jobs/$job/busy") for 1 .. 2 }

# Data that is called a lock: from an archive, and made in a directory of a suggested rule's.
my $tree = temp_path('tree');
mkdir $_ for $tree, "$tree/vendor";
for my $name (qw(theme.lock src.c)) { open my $f, '>', "$tree/vendor/$name" or die $!; print $f 'x' }
run([ 'tar', '-C', $tree, '-cf', temp_path('t.tar'), 'vendor' ], timeout => 30);
is run([ 'tar', '-C', $p, '-xf', temp_path('t.tar') ], timeout => 30)->{status}, 'exit 0', 'tar unpacks';
mkdir "$p/jobs/c";
sh('mkdir jobs/c/busy');

# git, and what it makes on the way.
run([ 'git', 'init', '-q', "$p/repo" ], timeout => 30);
run([ 'git', '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', $_ ],
    cwd => "$p/repo", timeout => 30) for 1 .. 2;

# Somebody killed while a file is half made; temporary names; names of all kinds.
my $killed = client();
expect ok => $killed, 'excl', "$p/kept/part";
$killed->kill9;
for my $n (1 .. 3) {
    expect ok => $reader, 'excl',   "$p/kept/work.1000$n";
    expect ok => $reader, 'unlink', "$p/kept/work.1000$n";
}
my @odd = ("a b;c\\d.pid", "[x]*#.pid", "new\nline.pid", "bad\xff.pid");
for my $name (@odd) {
    for (1 .. 2) {
        expect ok => $reader, 'excl',   "$p/kept/$name";
        expect ok => $reader, 'unlink', "$p/kept/$name";
    }
}

subtest 'what is suggested' => sub {
    my $all = suggestions();
    cmp_ok $all->{made}, '>', 30, 'exclusive creates are counted';
    is $all->{forgotten}, 0, 'none too many';
    is_suggested('state/lock/', 'lock', qr/made 4 times by sh \(4 processes\); removed by its maker 3 times; left by a killed maker once; removed after its maker's end once/);
    is_suggested('hg/wlock', 'lock', qr/made 2 times by sh .*removed by its maker 2 times/);
    is_suggested('run/app.pid', 'lock', qr/opened by others once/);
    is_suggested('vendor/theme.lock', 'data', qr/by tar; kept when its maker had ended once/);
    is_suggested('vendor/src.c', 'plain');
    is_suggested('repo/.git/index.lock', 'known', qr/by git.*renamed/);
    is_suggested('repo/.git/description', 'plain');
    is_suggested('kept/part', 'unsure', qr/left by a killed maker once/);
    is_suggested('kept/work.*', 'temporary');
    is_suggested($_, 'lock') for 'kept/a?b?c?d.pid', 'kept/[[]x[]][*][#].pid', 'kept/new?line.pid', 'kept/bad?.pid';
    is_suggested('jobs/*/busy/', 'lock', qr/made 4 times/);
    is_suggested('jobs/c/busy/', 'data', qr/kept/);
};

subtest 'below a directory, and in a part mounted elsewhere' => sub {
    suggestions("$p/state");
    is_deeply [ keys %$by ], ['state/lock/'], 'that part only, with paths from the root';
    my $at = temp_path('bound');
    mkdir $at;
    my $r = run([ qw(unshare --mount --propagation private sh -c), 'mount --bind "$1/jobs" "$2" && exec "$3" suggest --json "$2/a"', 'sh', $p, $at, ctl_program() ],
        timeout => 30);
    is_deeply [ map { $_->{pattern} } @{ from_json($r->{out})->{names} } ], ['jobs/a/busy/'], 'the same through a bind mount';
};

my $conf = temp_path('lockfs.conf');
subtest 'as text' => sub {
    my $r = ctl([ 'suggest', $p ]);
    is $r->{status}, 'exit 0', 'done';
    like $r->{out}, qr/^\[rules suggested\]$/m, 'a group';
    like $r->{out}, qr{^# state/lock/: made 4 times}m, 'with evidence';
    like $r->{out}, qr/^lock=.*data=/ms, 'locks, then data';
    unlike $r->{out}, qr/[\x00-\x09\x0b-\x1f\x7f-\xff]/, 'nothing in it that a terminal or a key file would take for something';
    open my $f, '>', $conf or die $!;
    print $f $r->{out};
    close $f;
};
is $m->umount, 'exit 0', 'it ends';

subtest 'put into lockfs.conf' => sub {
    my $n = mount_lockfs(source => $m->source, options => "allow_other,config=$conf");
    my $q = $n->path;
    my $result = sub { ctl_json([ 'explain', '--json', @_ ])->{result} };
    is $result->("$q/state/lock"), 'lock', 'the script\'s lock';
    is $result->('-f', "$q/state/lock"), 'data', 'as a directory only';
    is $result->('-f', "$q/run/app.pid"), 'lock', 'the pid file';
    is $result->("$q/jobs/new/busy"), 'lock', 'in another directory' if mkdir "$q/jobs/new";
    is $result->("$q/jobs/c/busy"), 'data', 'but not where it was kept';
    is $result->('-f', "$q/vendor/theme.lock"), 'data', 'nor what the archive had';
    is $result->('-f', "$q/vendor/other.lock"), 'lock', 'the rest is as it was';
    is $result->('-f', "$q/kept/$_"), 'lock', 'by any name' for @odd;
    my $owner = client();
    expect ok => $owner, 'mkdir', "$q/state/lock";
    $owner->kill9;
    expect ok => $reader, 'mkdir', "$q/state/lock";
    expect ok => $reader, 'rmdir', "$q/state/lock";
    ctl_status 1, [ 'suggest', $q ], qr/-o observe/;
    ctl_status 3, [ 'suggest', '/' ];
    is $n->umount, 'exit 0', 'it ends';
};

subtest 'many names' => sub {
    my $n = mount_lockfs(source => 'tmpfs', options => 'observe');
    my $q = $n->path;
    my $c = client();
    my $names = $ENV{LOCKFS_QUICK} ? 5000 : 20000;
    for (1 .. 3) { expect ok => $c, 'mkdir', "$q/once.busy"; expect ok => $c, 'rmdir', "$q/once.busy" }
    my @words = map { my $n = $_; join '', map { chr(97 + int($n / 26**$_) % 26) } 0 .. 3 } 0 .. $names - 1;
    $c->do('creat', "$q/probe");
    for my $word (@words) { $c->do('excl', "$q/$word") eq 'ok' or die "$word\n" }
    my $all = suggestions($q);
    is $all->{made}, $names + 3, 'all are counted';
    cmp_ok scalar(@{ $all->{names} }), '<=', 2048, 'few are kept';
    is_suggested('/once.busy/', 'lock');
    cmp_ok $all->{forgotten}, '>', $names - 2500, 'and what is not told is counted';
    is $n->umount, 'exit 0', 'it ends';
};

done_testing;
