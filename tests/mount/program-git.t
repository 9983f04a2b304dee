# git: daily work with hooks is undisturbed, and whatever is killed while it holds locks does not stop the next command.
use v5.30;
use warnings;
use POSIX ();
use Lockfs::Test;
use Lockfs::Holder;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(git dash));

# git with no configuration but ours.
my $home = temp_path('home');
mkdir $home;
%ENV = (%ENV, HOME => $home, GIT_CONFIG_NOSYSTEM => 1, GIT_TERMINAL_PROMPT => 0);
script(<<'END', 'home/.gitconfig');
[user]
    name = A
    email = a@example.org
[init]
    defaultBranch = main
[core]
    editor = true
[gc]
    auto = 0
END

my $at = places('git');
my ($bare, $p) = @$at{qw(bare on)};
my $serial = 0;

sub git {
    my ($where, @argv) = @_;
    my $r = run([ 'git', '-C', $where, @argv ]);
    return $r->{status} eq 'exit 0' ? "$r->{out}$r->{err}" || 'ok' : "$r->{status}: $r->{err}";
}

# One assertion a line: the command succeeds (or its failure or output is like a pattern).
sub git_ok {
    my ($where, @argv) = @_;
    my $want = ref $argv[-1] ? pop @argv : undef;
    my $got = git($where, @argv);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $name = 'git ' . join ' ', map { s{\Q$p\E/}{}gr } @argv;
    return $want ? like($got, $want, $name) : unlike($got, qr/^exit |^signal |^timeout/, $name);
}

sub hook {
    my ($repo, $name, $text) = @_;
    rename script("#!/bin/sh\n$text", 'hook'), "$home/hook" or die $!;
    system('cp', "$home/hook", "$repo/.git/hooks/$name") == 0 or die "cp: $?\n";
}

sub new_repo {
    my ($path) = @_;
    git_ok '/', 'init', '-q', $path;
    for my $i (1 .. 3) {
        put("$path/file-$_", "$_ $i\n") for 1 .. 5;
        git_ok $path, 'add', '.';
        git_ok $path, 'commit', '-q', '-m', "commit $i";
    }
}

# Everything called *.lock in the repository: what commands left behind.
sub locks_in { my ($repo) = @_; return [ split /\n/, run([ 'find', "$repo/.git/", '-name', '*.lock' ])->{out} ] }

sub is_sound {
    my ($repo) = @_;
    git_ok $repo, 'fsck', '--strict', qr/^(?!exit)(?!.*(error|missing|corrupt))/s;
    is_deeply locks_in($repo), [], 'no lock is left';
}

# ---- undisturbed work ----

subtest 'a day with git' => sub {
    my $r = "$p/day";
    new_repo($r);
    git_ok $r, 'checkout', '-q', '-b', 'topic', 'HEAD~1';
    put("$r/topic", "topic\n");
    git_ok $r, 'add', 'topic';
    git_ok $r, 'commit', '-q', '-m', 'topic';
    git_ok $r, 'commit', '-q', '--amend', '-m', 'topic, better';
    git_ok $r, 'rebase', '-q', 'main';
    git_ok $r, 'checkout', '-q', 'main';
    git_ok $r, 'merge', '-q', '--no-ff', '-m', 'merge', 'topic';
    put("$r/file-1", "in the stash\n");
    git_ok $r, 'stash', '-q';
    git_ok $r, 'status', '--porcelain', qr/^ok$/;
    git_ok $r, 'stash', 'pop', '-q';
    git_ok $r, 'diff', '--name-only', qr/^file-1$/;
    git_ok $r, 'commit', '-q', '-a', '-m', 'from the stash';
    git_ok $r, 'worktree', 'add', '-q', "$p/day-2", 'topic';
    put("$p/day-2/file-2", "in the worktree\n");
    git_ok "$p/day-2", 'commit', '-q', '-a', '-m', 'worktree';
    git_ok $r, 'worktree', 'lock', "$p/day-2";
    ok -e "$r/.git/worktrees/day-2/locked", 'the lock that a person made stays';
    git_ok $r, 'worktree', 'unlock', "$p/day-2";
    git_ok $r, 'worktree', 'remove', "$p/day-2";
    git_ok $r, 'cherry-pick', 'topic';
    git_ok $r, 'tag', '-a', '-m', 'tag', 'v1';
    git_ok $r, 'notes', 'add', '-m', 'note';
    git_ok $r, 'branch', '-m', 'topic', 'other/topic';
    git_ok $r, 'config', 'some.key', 'value';
    git_ok $r, 'sparse-checkout', 'set', '--no-cone', 'file-*';
    git_ok $r, 'sparse-checkout', 'disable';
    git_ok $r, 'pack-refs', '--all';
    git_ok $r, 'gc', '-q', '--prune=now';
    git_ok $r, 'maintenance', 'run', '--quiet', '--task=loose-objects', '--task=incremental-repack', '--task=commit-graph';
    git_ok $r, 'reset', '-q', '--hard', 'HEAD~1';
    git_ok $r, 'branch', '-D', 'other/topic';
    is_sound($r);
};

subtest 'clone, fetch, push' => sub {
    my $r = "$p/day";
    for my $how ([], ['--no-local'], ['--bare'], [ '--depth', 1, '--no-local' ]) {
        my ($there) = "$p/clone" . join '', @$how;
        git_ok '/', 'clone', '-q', @$how, $how->[-1] && $how->[-1] ne '--bare' ? "file://$r" : $r, $there;
        git_ok $there, 'fsck', '--strict';
    }
    git_ok "$p/clone", 'checkout', '-q', '-b', 'pushed';
    put("$p/clone/new", "new\n");
    git_ok "$p/clone", 'add', 'new';
    git_ok "$p/clone", 'commit', '-q', '-m', 'new';
    git_ok "$p/clone", 'push', '-q', 'origin', 'pushed';
    git_ok "$p/clone--no-local", 'fetch', '-q', '--all', '--prune';
    git_ok "$p/clone--no-local", 'merge', '-q', '--ff-only', 'origin/pushed';
    git_ok "$p/clone", 'submodule', 'add', '-q', '--', $r, 'sub', qr/transport 'file' not allowed/;
    git_ok "$p/clone", '-c', 'protocol.file.allow=always', 'submodule', 'add', '-q', '--', $r, 'sub';
    git_ok "$p/clone", 'commit', '-q', '-m', 'submodule';
    is_sound("$p/clone");
};

subtest 'hooks that run git add' => sub {
    for my $way ([ 'commit', '-q', '-a' ], [ 'commit', '-q' ], [ 'commit', '-q', '-i', 'file-2' ]) {
        my $r = "$p/hooks-" . ++$serial;
        new_repo($r);
        hook($r, 'pre-commit', "date >generated && git add generated\n");
        hook($r, 'post-commit', "git rev-parse HEAD >>log\n");
        put("$r/file-1", "changed\n");
        put("$r/file-2", "changed too\n");
        git_ok $r, 'add', 'file-1' if $way->[-1] ne '-a';
        git_ok $r, @$way, '-m', 'with a hook';
        git_ok $r, 'show', '--name-only', '--format=', 'HEAD', qr/^file-1\n(file-2\n)?generated\n$/;
        git_ok $r, 'diff', '--cached', '--name-only', qr/^ok$/;
        hook($r, 'pre-commit', "exit 1\n");
        put("$r/file-3", "refused\n");
        git_ok $r, 'commit', '-a', '-m', 'refused', qr/^exit 1/;
        my $amend = 'date >>file-4 && git add file-4 && git commit -q --amend --no-edit';
        git_ok $r, '-c', 'core.hooksPath=/dev/null', 'rebase', '-q', '-f', '--autostash', '-x', $amend, 'HEAD~2';
        is_sound($r);
    }
};

# ---- killed ----

# Runs git until it is in the pause, and kills it there. What it had run ends after it.
sub kill_in {
    my ($pause, $where, @argv) = @_;
    my $git = spawn([ 'git', '-C', $where, @argv ], stderr => temp_path('stderr'));
    my $here = reached($pause, "git $argv[0] has come so far");
    $git->kill9;
    return $here;
}

# [what, how it is set up, what is killed, what is run next, how that fails on an ordinary directory]
my @kills = (
    [   'a commit in its editor',
        sub { my ($r, $pause) = @_; put("$r/file-1", "changed\n"); git_ok $r, 'config', 'core.editor', $pause->{script} },
        [ 'commit', '-a' ], [ 'add', 'file-1' ], qr{index\.lock': File exists},
    ],
    [   'a commit of one file in its editor',
        sub { my ($r, $pause) = @_; put("$r/file-1", "changed\n"); git_ok $r, 'config', 'core.editor', $pause->{script} },
        [ 'commit', 'file-1' ], [ 'commit', '-q', '-a', '-m', 'next' ], qr{index\.lock': File exists},
    ],
    [   'a commit whose references are prepared',
        sub {
            my ($r, $pause) = @_;
            put("$r/file-1", "changed\n");
            hook($r, 'reference-transaction', "[ \$1 != prepared ] || $pause->{script}\n");
        },
        [ 'commit', '-a', '-m', 'never' ], [ 'commit', '-q', '-a', '-m', 'next' ], qr{\.lock': File exists},
    ],
    [   'the deletion of a packed branch',
        sub {
            my ($r, $pause) = @_;
            git_ok $r, 'branch', 'topic';
            git_ok $r, 'pack-refs', '--all';
            hook($r, 'reference-transaction', "[ \$1 != prepared ] || $pause->{script}\n");
        },
        [ 'branch', '-D', 'topic' ], [ 'pack-refs', '--all' ], qr{packed-refs\.lock': File exists},
    ],
    [   'a commit in a worktree',
        sub {
            my ($r, $pause) = @_;
            git_ok $r, 'worktree', 'add', '-q', 'tree';
            put("$r/tree/file-1", "changed\n");
            git_ok $r, 'config', 'core.editor', $pause->{script};
        },
        [ '-C', 'tree', 'commit', '-a' ], [ '-C', 'tree', 'add', 'file-1' ], qr{worktrees/tree/index\.lock': File exists},
    ],
    [   'a branch called like a package manager',
        sub { my ($r, $pause) = @_; hook($r, 'reference-transaction', "[ \$1 != prepared ] || $pause->{script}\n") },
        [ 'branch', 'mix' ], [ 'branch', 'mix' ], qr{mix\.lock': File exists},
    ],
    [   'maintenance while it fetches',
        sub {
            my ($r, $pause) = @_;
            git_ok $r, 'remote', 'add', 'origin', $r;
            git_ok $r, 'config', 'remote.origin.uploadpack', $pause->{script};
        },
        [ 'maintenance', 'run', '--task=prefetch' ], [ 'maintenance', 'run', '--no-quiet', '--task=loose-objects' ],
        qr{maintenance' exists, skipping maintenance},
    ],
);

sub killed {
    my ($r, $case, $on_lockfs) = @_;
    my ($what, $set_up, $killed, $next, $fails) = @$case;
    new_repo($r);
    my $pause = pause();
    $set_up->($r, $pause);
    kill_in($pause, $r, @$killed) or return;
    unlink "$r/.git/hooks/reference-transaction";
    if ($on_lockfs) {
        is_deeply locks_in($r), [], 'no lock is left';
        git_ok $r, @$next;
    } else {
        isnt @{ locks_in($r) }, 0, 'bare: locks are left';
        git_ok $r, @$next, $fails;
    }
    go_on($pause);
    is_sound($r) if $on_lockfs;
}

for my $case (@kills) {
    (my $name = $case->[0]) =~ tr/ /-/;
    subtest "killed: $case->[0]" => sub {
        killed("$bare/$name", $case, 0);
        killed("$p/$name", $case, 1);
    };
}

subtest 'alive: a commit in its editor keeps others out, and ends well' => sub {
    my $r = "$p/alive";
    new_repo($r);
    my $pause = pause();
    put("$r/file-1", "changed\n");
    my $git = spawn([ 'git', '-C', $r, '-c', "core.editor=$pause->{script}", 'commit', '-a', '-m', 'alive', '-e' ],
        stderr => temp_path('stderr'));
    reached($pause, 'it is in its editor') or return;
    git_ok $r, 'add', 'file-1', qr{index\.lock': File exists};
    my $thief = client();
    expect EBUSY => $thief, 'unlink', "$r/.git/index.lock";
    expect EBUSY => $thief, 'rename', "$r/.git/index.lock", "$r/.git/index";
    expect EBUSY => $thief, 'put', "$r/.git/index.lock", 'nonsense';
    isnt run([ 'rm', '-rf', "$r/.git/index.lock" ])->{status}, 'exit 0', 'rm -f does not help';
    go_on($pause);
    is $git->status_text, 'exit 0', 'the commit is made';
    git_ok $r, 'log', '-1', '--format=%s', qr/^alive$/;
    git_ok $r, 'add', 'file-1';
    is_sound($r);
};

# A file of settings that is a fifo: git has its lock and waits for somebody to write into it. At SIGTERM it releases.
heals 'killed: a change of the configuration', $at,
    set_up => sub { my ($dir) = @_; git_ok '/', 'init', '-q', $dir },
    hold   => sub {
        my ($dir) = @_;
        my $file = "$dir/.git/more";
        unlink $file;
        POSIX::mkfifo($file, 0600) or die "$file: $!\n";
        return makes("$file.lock", [ 'git', 'config', '-f', $file, 'some.key', 'held' ], end => 'TERM');
    },
    lock => '.git/more.lock',
    next => sub {
        my ($dir) = @_;
        my $file = "$dir/.git/more";
        put("$file.new", '');
        rename "$file.new", $file or die "$file: $!\n";
        return [ 'git', 'config', '-f', $file, 'some.key', 'next' ];
    },
    busy => qr/^exit 255: .*could not lock config file .*File exists/,
    ends => qr/^signal 15/;

# gc waits for packed-refs.lock, which the test holds, and is killed there. Its gc.pid holds a pid and a host name.
subtest 'killed: gc, whose pid is then used again' => sub {
    for my $dir ($bare, $p) {
        my $r = "$dir/gc";
        new_repo($r);
        my ($holder, $w) = (client(), watcher("$r/.git"));
        expect ok => $holder, 'excl', "$r/.git/packed-refs.lock";
        my $gc = spawn([ 'git', '-C', $r, '-c', 'core.packedRefsTimeout=-1', 'gc', '-q' ], stderr => temp_path('stderr'));
        ok scalar($w->until('MOVED_TO', 'gc.pid', 60)), 'gc runs';
        if ($dir eq $p) {
            expect EBUSY => $holder, 'unlink', "$r/.git/gc.pid";
            git_ok $r, 'gc', qr/gc is already running/;
        }
        $gc->kill9;
        expect ok => $holder, 'unlink', "$r/.git/packed-refs.lock";
        reuse_pid($gc->pid, sub {
            git_ok $r, 'gc', '-q', qr/gc is already running/ if $dir eq $bare;
            git_ok $r, 'gc', '-q' if $dir eq $p;
        });
        $w->stop;
        is_sound($r) if $dir eq $p;
        ok !-e "$p/gc/.git/gc.pid", 'gc.pid is gone' if $dir eq $p;
    }
};

subtest 'killed: a rebase in its editor goes on from where it was' => sub {
    my $r = "$p/rebase";
    new_repo($r);
    my $pause = pause();
    git_ok $r, 'config', 'core.editor', $pause->{script};
    kill_in($pause, $r, '-c', 'sequence.editor=sed -i s/^pick/reword/', 'rebase', '-q', '-i', 'HEAD~2') or return;
    ok -d "$r/.git/rebase-merge", 'what it has to do is data and stays';
    go_on($pause);
    git_ok $r, 'config', 'core.editor', 'true';
    git_ok $r, 'rebase', '--continue';
    ok !-d "$r/.git/rebase-merge", 'it is done';
    git_ok $r, 'log', '--format=%s', qr/^commit 3\ncommit 2\ncommit 1$/;
    is_sound($r);
};

subtest 'many at once: each change is made once, under the lock' => sub {
    my $r = "$p/many";
    new_repo($r);
    my $rounds = $ENV{LOCKFS_QUICK} ? 5 : 20;
    my $worker = script(<<"END");
cd $r || exit 1
until_locked() {
    until err=\$("\$@" 2>&1); do
        case \$err in *"File exists"*) ;; *) echo "\$*: \$err"; exit 1 ;; esac
    done
}
i=0
while [ \$i -lt $rounds ]; do
    echo \$i >"new-\$1-\$i"
    until_locked git add "new-\$1-\$i"
    until_locked git config --add many.value "\$1-\$i"
    i=\$((i + 1))
done
echo done
END
    my @workers = map { spawn([ 'dash', $worker, $_ ], stderr => temp_path('stderr')) } 1 .. 4;
    is $_->recv(60), 'done', 'all its changes are made' for @workers;
    $_->wait for @workers;
    my %seen = map { $_ => 1 } split /\n/, git($r, 'config', '--get-all', 'many.value');
    is keys %seen, 4 * $rounds, 'all are in the configuration';
    my @added = grep { /^new-/ } split /\n/, git($r, 'ls-files');
    is @added, 4 * $rounds, 'all are in the index';
    is_sound($r);
};

done_testing;
