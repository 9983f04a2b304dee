# Shell scripts that take their lock with mkdir, ln, mkfifo or noclobber own it, in every common shell.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_program(qw(dash bash busybox inotifywait));

my $m = mount_lockfs(source => 'tmpfs');
my $p = $m->path;
my $bare = temp_path('bare');
mkdir $bare;

# How the lock is taken and how it is given back.
my %ways = (
    'mkdir'                      => [ 'mkdir "$lock"',                                'rmdir "$lock"' ],
    'mkdir with a pid inside'    => [ 'mkdir "$lock" && echo $$ >"$lock/pid"',        'rm -rf "$lock"' ],
    'mkdir of busybox'           => [ 'busybox mkdir "$lock"',                        'busybox rmdir "$lock"' ],
    'mkdir in a subshell'        => [ '(cd / && mkdir "$lock")',                      '(rmdir "$lock")' ],
    'mkdir by other helpers'     => [ 'timeout 60 env LC_ALL=C nice mkdir "$lock"',   'rmdir "$lock"' ],
    'ln -s'                      => [ 'ln -s $$ "$lock"',                             'rm -f "$lock"' ],
    'ln of a file of its own'    => [ 'echo $$ >"$lock.$$"; ln "$lock.$$" "$lock"; r=$?; rm -f "$lock.$$"; [ $r = 0 ]',
                                      'rm "$lock"' ],
    'mkfifo'                     => [ 'mkfifo "$lock"',                               'rm "$lock"' ],
    'noclobber'                  => [ 'set -C; { echo $$ >"$lock"; }; r=$?; set +C; [ $r = 0 ]', 'rm "$lock"' ],
    'noclobber in a subshell'    => [ '( set -C; echo $$ >"$lock" )',                 'rm "$lock"' ],
    'noclobber in a substitution' => [ 'r=$(set -C; : >"$lock" && echo mine); [ "$r" = mine ]', 'rm "$lock"' ],
);

sub lock_script {
    my ($take, $drop, $work) = @_;
    return script(<<"END");
lock=\$1
take() { $take; }
drop() { $drop; }
take 2>/dev/null || { echo busy; exit 1; }
trap drop EXIT
trap 'exit 1' HUP INT TERM
echo held
@{[ $work // 'read line' ]}
trap - EXIT
drop && echo released
END
}

my %shells = (dash => ['dash'], bash => ['bash'], 'busybox sh' => [ 'busybox', 'sh' ]);
my @shells = $ENV{LOCKFS_QUICK} ? ('dash') : sort keys %shells;

for my $way (sort keys %ways) {
    my ($take, $drop) = @{ $ways{$way} };
    my $script = lock_script($take, $drop);
    for my $shell (@shells) {
        subtest "$way, $shell" => sub {
            holds_well([ @{ $shells{$shell} }, $script ], on => $p, bare => $bare);
        };
    }
}

subtest 'the job of a killed script outlives it, the lock does not' => sub {
    my @sh = ('dash', lock_script('mkdir "$lock"', 'rmdir "$lock"', 'cat >&2'));
    my $script = hold([ @sh, "$p/x.lock" ]);
    is $script->{said}, 'held', 'held while its job runs';
    is try_once([ @sh, "$p/x.lock" ]), 'busy', 'busy for the next one';
    $script->kill9;
    my $next = hold([ @sh, "$p/x.lock" ]);
    is $next->{said}, 'held', 'the next script has it at once';
    is let_go($next), 'exit 0', 'and ends well';
};

subtest 'a trap still releases' => sub {
    my @sh = ('dash', lock_script('mkdir "$lock"', 'rmdir "$lock" && echo trapped'));
    my $script = hold([ @sh, "$p/x.lock" ]);
    $script->kill('TERM');
    is $script->recv, 'trapped', 'the handler removed the lock';
    is $script->status_text, 'exit 1', 'the script ended as it wanted';
    ok !-e "$p/x.lock", 'nothing is left';
};

subtest 'install makes the script the owner' => sub {
    my @sh = ('dash', lock_script('[ ! -e "$lock" ] && install -m 600 /dev/null "$lock"', 'rm "$lock"'));
    holds_well(\@sh, on => $p, bare => $bare);
    my $script = hold([ @sh, "$p/x.lock" ]);
    isnt run([ 'install', '-m', '600', '/dev/null', "$p/x.lock" ])->{status}, 'exit 0',
        'install by somebody else does not replace the lock';
    is let_go($script), 'exit 0', 'the owner releases';
};

subtest 'a script that waits by inotifywait gets the lock of a killed one' => sub {
    my $script = lock_script('mkdir "$lock"', 'rmdir "$lock"');
    my $waiting = script(<<'END');
while ! mkdir "$1" 2>/dev/null; do
    LC_ALL=C inotifywait -t 60 -e delete_self "$1" 2>&1 | while read -r line; do
        case $line in *established*) echo waiting ;; esac
    done
done
echo mine
read line
END
    my $holder = hold([ 'dash', $script, "$p/x.lock" ]);
    my $waiter = hold([ 'dash', $waiting, "$p/x.lock" ]);
    is $waiter->{said}, 'waiting', 'it waits';
    $holder->kill9;
    is $waiter->recv, 'mine', 'it was woken and has the lock';
    expect EBUSY => client(), 'rmdir', "$p/x.lock";
    $waiter->close_pipes;
    $waiter->wait;
    ok !-e "$p/x.lock", 'it ended without releasing: gone all the same';
};

is_deeply [ client()->list($p) ], [], 'nothing is left in the directory';
done_testing;
