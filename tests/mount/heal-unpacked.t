# What a maker shows to be data stays: it gave the entry a time from before it was made, or it is a program that takes no
# locks, or leaves none. Everything else under a lock name goes with its maker.
use v5.30;
use warnings;
use POSIX ();
use Time::HiRes ();
use Lockfs::Test;
use Lockfs::Holder;
use Lockfs::Sys qw(worker_of);

need_root;
need_fuse;
need_program(qw(tar cp mv git));

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my ($p, $other) = ($m->path, client());
my $old = 1_000_000_000 * 10**9;
my %make = (dir => ['mkdir'], file => ['excl'], symlink => [ 'symlink', 'target' ], fifo => [ 'mknod', 'fifo' ]);

sub make {
    my ($client, $kind, $path) = @_;
    my ($command, $more) = @{ $make{$kind} };
    expect ok => $client, $command, $kind eq 'symlink' ? ('target', $path) : ($path, $more // ());
}

# As an archive is unpacked.
sub dated_file {
    my ($client, $path) = @_;
    expect ok => $client, 'excl', $path;
    expect ok => $client, 'put', $path, 'text';
    expect ok => $client, 'utimens', $path, 'omit', $old;
}

# The wall clock, as utimens wants it.
sub clock_ns { return int((Time::HiRes::time() + ($_[0] // 0)) * 1e9) }

subtest 'a file that its maker dated back' => sub {
    my $x = "$p/x.lock";
    my $maker = client();
    dated_file($maker, $x);
    isnt $other->stat($x)->{mtime}, $old, 'is a lock while its maker lives: strangers see now';
    expect EBUSY => $other, 'rename', $x, "$p/stolen";
    expect EBUSY => $other, 'utimens', $x, 'now', 'now';
    $maker->stop;
    is $other->stat($x)->{mtime}, $old, 'is there when its maker has ended, with its own time';
    expect EEXIST => $other, 'excl', $x;
    expect ok => $other, 'utimens', $x, 'now', 'now';
    ok unlink($x), 'anybody may remove it';
};

subtest 'a file of a maker that was killed' => sub {
    for my $signal (qw(KILL TERM INT)) {
        my $maker = client();
        dated_file($maker, "$p/x.lock");
        $maker->kill($signal);
        $maker->wait;
        is $other->stat("$p/x.lock"), 'ENOENT', "SIG$signal: is gone";
    }
};

subtest 'what has no content to lose is a lock, whatever its time' => sub {
    for my $kind (sort keys %make) {
        my $maker = client();
        make $maker, $kind, "$p/$kind.lock";
        expect ok => $maker, 'utimens', "$p/$kind.lock", $old, $old;
        $maker->stop;
        is $other->stat("$p/$kind.lock"), 'ENOENT', $kind;
    }
};

subtest 'times that say nothing' => sub {
    my %times = (
        'none'                         => sub { () },
        'the present'                  => sub { [ 'now', 'now' ] },
        'the present, in seconds'      => sub { my $s = int(clock_ns() / 1e9) * 10**9; [ $s, $s ] },
        'a second ago'                 => sub { [ clock_ns(-1), clock_ns(-1) ] },
        'the future'                   => sub { [ clock_ns(60), clock_ns(60) ] },
        'another time of access'       => sub { [ $old, 'omit' ] },
        'the past, and then a beat'    => sub { [ $old, $old ], [ clock_ns(), clock_ns() ] },
    );
    for my $name (sort keys %times) {
        for my $kind (qw(dir file)) {
            my $maker = client();
            make $maker, $kind, "$p/x.lock";
            expect ok => $maker, 'utimens', "$p/x.lock", @$_ for $times{$name}->();
            $maker->stop;
            is $other->stat("$p/x.lock"), 'ENOENT', "$name: a lock ($kind)";
        }
    }
};

subtest 'what the owner puts in the place of a dated file is not dated' => sub {
    my $maker = client();
    dated_file($maker, "$p/x.lock");
    expect ok => $maker, 'put', "$p/new", 'text';
    expect ok => $maker, 'rename', "$p/new", "$p/x.lock";
    $maker->stop;
    is $other->stat("$p/x.lock"), 'ENOENT', 'gone';
};

subtest 'only the family says so' => sub {
    my $any = mount_lockfs(source => 'tmpfs', args => [ '-o', 'config=' . script("[rules any]\nlock=*.lock\nrelease=anyone\n") ]);
    my ($maker, $x) = (client(), $any->path . '/x.lock');
    expect ok => $maker, 'excl', $x;
    expect ok => $maker, 'put', $x, 'text';
    expect ok => $other, 'utimens', $x, $old, $old;
    $maker->stop;
    is $other->stat($x), 'ENOENT', 'dated by somebody else, with release=anyone: a lock';
    $maker = client();
    expect ok => $maker, 'excl', $x;
    expect ok => $maker, 'put', $x, 'text';
    expect ok => $maker, 'sub', 'utimens', $x, $old, $old;
    $maker->stop;
    is $other->stat($x)->{mtime}, $old, 'dated by a child: data';
};

subtest 'a member with an old time says nothing of its directory' => sub {
    my $maker = client();
    expect ok => $maker, 'mkdir', "$p/x.lock";
    expect ok => $maker, 'put', "$p/x.lock/member", 'text';
    expect ok => $maker, 'utimens', "$p/x.lock/$_", $old, $old for 'member', '.';
    $maker->stop;
    is $other->stat("$p/x.lock"), 'ENOENT', 'cp -p into a lock';
};

subtest 'listeners and the log are told' => sub {
    my $told = mount_lockfs(source => 'tmpfs');    # its log is not full of others
    my $q = $told->path;
    open my $events, '<', "$q/.lockfs/events" or die $!;
    my $maker = client();
    dated_file($maker, "$q/x.lock");
    $maker->stop;
    my $line;
    do { $line = readline $events } until $line =~ /"unpacked"/;
    like $line, qr/"path":"x\.lock"/, 'an event';
    close $events;
    like $told->log, qr/keep path="x\.lock" .* reason=dated/, 'a line of the log';
    like slurp("$q/.lockfs/metrics"), qr/^lockfs_unpacked_total 1$/m, 'counted';
    is $told->umount, 'exit 0', 'unmounted';
};

subtest 'with observe it is told apart, too' => sub {
    my $dry = mount_lockfs(source => 'tmpfs', options => 'observe');
    my $q = $dry->path;
    open my $events, '<', "$q/.lockfs/events" or die $!;
    for my $x ('dated', 'plain') {
        my $maker = client();
        $x eq 'dated' ? dated_file($maker, "$q/$x.lock") : make $maker, 'file', "$q/$x.lock";
        $maker->stop;
    }
    my %told;
    while (keys %told < 2) {
        my ($event, $path) = readline($events) =~ /"event":"(unpacked|would_heal)".*"path":"(\w+)/;
        $told{$path} = $event if $path;
    }
    is_deeply \%told, { dated => 'unpacked', plain => 'would_heal' }, 'what would be healed, and what would stay';
    close $events;
    is $dry->umount, 'exit 0', 'unmounted';
};

# tar at work on an archive that comes through a pipe: the first file is whole, the second is not.
sub tar_at_work {
    my $from = temp_path('archive');
    system "mkdir -p $from && cd $from && echo one >one.lock && echo two >two.lock && tar -cf ../archive.tar one.lock two.lock";
    my $archive = slurp(temp_path('archive.tar'));
    my $w = watcher($p);
    my $tar = spawn([ qw(tar -b 1 -xmf - -C), $p ]);    # -m: the times are not those of the archive
    syswrite $tar->{to}, substr $archive, 0, 1536;
    ok scalar($w->until('CREATE', 'two.lock', 30)), 'tar has begun with the second file';
    $w->stop;
    return ($tar, substr $archive, 1536);
}

subtest 'tar takes no locks: what it makes is data at once' => sub {
    my ($tar, $rest) = tar_at_work();
    expect ok => $other, 'rename', "$p/one.lock", "$p/moved";
    syswrite $tar->{to}, $rest;
    $tar->close_pipes;
    is $tar->status_text, 'exit 0', 'ends';
    is slurp("$p/$_"), /two/ ? "two\n" : "one\n", "$_ is there" for qw(moved two.lock);
    unlink "$p/moved", "$p/two.lock";
    ($tar) = tar_at_work();
    $tar->kill9;
    is slurp("$p/one.lock"), "one\n", 'also when it is killed, as far as it got';
    unlink "$p/one.lock", "$p/two.lock";
};

# git checks out a.lock and stops at b.txt, which it has to send through a filter; it holds index.lock.
sub git_at_work {
    my ($repo, $branch) = @_;
    my $git = spawn([ 'git', '-C', $repo, 'checkout', '-q', $branch ], stderr => temp_path('git-stderr'));
    my ($said) = wait_for(sub { -e "$repo/.git/index.lock" && -e "$repo/waiting" }, watch => [ $repo, "$repo/.git" ]);
    ok $said, 'git is in the middle of a checkout';
    return $git;
}

subtest 'git takes locks and removes them: what it leaves when it ends is data' => sub {
    my $repo = "$p/repo";
    my $go = temp_path('go');
    POSIX::mkfifo($go, 0600) or die "$go: $!\n";
    my $filter = script("#!/bin/sh\ncat >/dev/null\n: >$repo/waiting\ncat $go\n");
    my $setup = <<"END_OF_SETUP";
set -e; mkdir -p $repo; cd $repo; git init -q -b main .
git config user.name A; git config user.email a\@example.org; git commit -q --allow-empty -m none
git checkout -q -b full; mkdir dir.lock; echo a >a.lock; echo m >dir.lock/member; echo b >b.txt; echo 'b.txt filter=slow' >.gitattributes
git add -f .; git commit -q -m full; git checkout -q main; git config filter.slow.smudge $filter
END_OF_SETUP
    is run([ 'sh', '-c', $setup ])->{status}, 'exit 0', 'a repository';
    my $git = git_at_work($repo, 'full');
    expect EBUSY => $other, 'unlink', "$repo/.git/index.lock";
    $git->kill9;
    is $other->stat("$repo/.git/index.lock"), 'ENOENT', 'killed: the lock of the index is gone';
    is $other->stat("$repo/a.lock"), 'ENOENT', 'and what may be another lock';
    # The filter is git's child and waits for somebody to open the pipe.
    open my $end, '>', $go or die $!;
    close $end;
    unlink $go;
    POSIX::mkfifo($go, 0600) or die "$go: $!\n";
    is run([ 'sh', '-c', 'git reset -q --hard && git clean -fdq' ], cwd => $repo)->{status}, 'exit 0', 'git works on at once';
    $git = git_at_work($repo, 'full');
    open $end, '>', $go or die $!;
    print $end "b\n";
    close $end;
    is $git->status_text, 'exit 0', 'a checkout that ends';
    is slurp("$repo/a.lock") . slurp("$repo/dir.lock/member"), "a\nm\n", 'is complete';
    is $other->stat("$repo/.git/index.lock"), 'ENOENT', 'and has left no lock';
    is run([ 'rm', '-rf', $repo ])->{status}, 'exit 0', 'removed';
};

subtest 'copies are data at once, whatever becomes of the script' => sub {
    my $shell = spawn([ 'sh', '-c', "cp -r \"\$0\"/. $p && echo done && read line", temp_path('archive') ]);
    is $shell->recv, 'done', 'cp has ended';
    expect ok => $other, 'unlink', "$p/two.lock";
    $shell->kill9;
    is slurp("$p/one.lock"), "one\n", 'a file copied by a script that was killed';
    unlink "$p/one.lock";
    my $any = mount_lockfs(source => 'tmpfs', args => [ '-o', 'config=' . script("[rules any]\nlock=*.lock\ncreate=any\n") ]);
    is run([ 'sh', '-c', "cp /etc/hostname $_; :" ])->{status}, 'exit 0', 'a copy' for $any->path . '/x.lock';
    is $other->stat($any->path . '/x.lock'), 'ENOENT', 'is a lock where a rule says create=any';
};

subtest 'the worker is killed between the two' => sub {
    my ($dated, $held) = (client(), client());
    dated_file($dated, "$p/data.lock");
    expect ok => $held, 'mkdir', "$p/held.lock";
    my $keeper = $m->pid;
    my $worker = worker_of($keeper);
    kill 'KILL', $worker;
    $_->stop for $dated, $held;
    is $other->stat("$p/data.lock")->{mtime}, $old, 'what was dated stays';
    is $other->stat("$p/held.lock"), 'ENOENT', 'what was not goes';
    unlink "$p/data.lock";
};

for my $case ([ 'where nobody can tell how a process ended', env => { LOCKFS_WITHOUT => 'pidfd-info' } ],
    [ 'on a mount of an ordinary user', user => unprivileged, options => '' ]) {
    my ($where, %opt) = @$case;
    subtest $where => sub {
        my $mount = mount_lockfs(%opt);
        my ($q, @as) = ($mount->path, $opt{user} ? (user => $opt{user}) : ());
        my ($dated, $held, $looker) = map { client(@as) } 1 .. 3;
        dated_file($dated, "$q/data.lock");
        expect ok => $held, 'excl', "$q/held.lock";
        $_->stop for $dated, $held;
        is $looker->stat("$q/data.lock")->{mtime}, $old, 'what was dated stays';
        is $looker->stat("$q/held.lock"), 'ENOENT', 'what was not goes';
        is run([ 'tar', '-xmf', temp_path('archive.tar'), '-C', $q ], @as)->{status}, 'exit 0', 'tar unpacks';
        ok ref $looker->stat("$q/$_.lock"), "$_.lock stays" for qw(one two);
        is $mount->umount, 'exit 0', 'unmounted';
    };
}

subtest 'a maker that ended while nobody served' => sub {
    my $source = temp_path('unserved');
    mkdir $source;
    my $first = mount_lockfs(source => $source, in_place => 1);
    my $maker = client();
    expect ok => $maker, 'excl', "$source/held.lock";
    dated_file($maker, "$source/data.lock");
    is $first->umount, 'exit 0', 'unmounted';
    $maker->stop;
    my $second = mount_lockfs(source => $source, in_place => 1);
    is $other->stat("$source/held.lock"), 'ENOENT', 'its lock is gone';
    is $other->stat("$source/data.lock")->{mtime}, $old, 'what it had dated is data';
    is $second->umount, 'exit 0', 'unmounted';
};

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
