# dotlockfile, lockfile, lockfile-create, mutt_dotlock and dotlock take locks for the script that runs them; flock(1) is left alone.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(dash dotlockfile lockfile lockfile-create lockfile-touch mutt_dotlock dotlock.mailutils flock));

# Some of them have the group mail: without allow_other the kernel refuses such programs everything.
my $at = places('mail', options => 'allow_other');
my ($bare, $p) = @$at{qw(bare on)};

sub lock_script {
    my ($take, $drop) = @_;
    return script(<<"END");
lock=\$1
$take >&2 || { echo busy; exit 1; }
echo held
read line
$drop && echo released
END
}

my %tools = (
    'dotlockfile'                => [ 'dotlockfile -l -r 0 "$lock"',       'dotlockfile -u "$lock"' ],
    'lockfile of procmail'       => [ 'lockfile -1 -r 0 "$lock"',          'rm -f "$lock"' ],
    'mutt_dotlock'               => [ ': >>"${lock%.lock}" && mutt_dotlock -r 0 "${lock%.lock}"',
                                      'mutt_dotlock -u "${lock%.lock}" && rm "${lock%.lock}"' ],
    'dotlock of mailutils'       => [ 'dotlock.mailutils -r 1 "${lock%.lock}"',   'dotlock.mailutils -u "${lock%.lock}"' ],
    'lockfile-create'            => [ 'lockfile-create -q --retry 0 --lock-name "$lock"', 'lockfile-remove --lock-name "$lock"' ],
    'lockfile-create of FILE.lock' => [ 'lockfile-create -q --retry 0 "${lock%.lock}"',  'lockfile-remove "${lock%.lock}"' ],
);

for my $tool (sort keys %tools) {
    my $script = lock_script(@{ $tools{$tool} });
    subtest $tool => sub { holds_well([ 'dash', $script ], on => $p, bare => $bare) };
}

subtest 'the mailbox of a user who is called like a package manager' => sub {
    mkdir $_ or die "$_: $!\n" for "$bare/mail", "$p/mail";
    my $script = lock_script(@{ $tools{dotlockfile} });
    holds_well([ 'dash', $script ], on => $p, bare => $bare, lock => 'mail/mix.lock');
    rmdir "$p/mail" or die $!;
};

# With the pid of the script in it, liblockfile judges a dead holder by itself; not one whose pid lives on.
my %with_pid = (
    'dotlockfile -p'            => [ 'dotlockfile -p -l -r 0 "$lock"',                'dotlockfile -u "$lock"' ],
    'lockfile-create --use-pid' => [ 'lockfile-create -q --use-pid --retry 0 --lock-name "$lock"', 'lockfile-remove --lock-name "$lock"' ],
);
for my $tool (sort keys %with_pid) {
    my @sh = ('dash', lock_script(@{ $with_pid{$tool} }));
    subtest "$tool" => sub { holds_well(\@sh, on => $p) };
    subtest "$tool, the pid is used again" => sub {
        for my $dir ($bare, $p) {
            my $holder = hold([ @sh, "$dir/x.lock" ]);
            $holder->kill9;
            my $said = reuse_pid($holder->pid, sub { try_once([ @sh, "$dir/x.lock" ]) });
            is $said, $dir eq $p ? 'held' : 'busy', $dir eq $p ? 'gone all the same' : 'bare: taken for the holder';
        }
    };
}

subtest 'dotlockfile around a command' => sub {
    my $job = script("echo held\nread line\necho released\n");
    my $text = qq{dotlockfile -l -r 0 "\$1" sh $job || { r=\$?; echo busy; exit \$r; }\n};
    my @sh = ('dash', script($text), "$p/x.lock");
    my $holder = hold(\@sh);
    is $holder->{said}, 'held', 'the command runs';
    is run(\@sh)->{out}, "busy\n", 'no second one meanwhile';
    expect EBUSY => client(), 'unlink', "$p/x.lock";
    is let_go($holder), 'exit 0', 'it ends';
    ok !-e "$p/x.lock", 'and the lock is released';

    my @with_pid = ('dash', script($text =~ s/\Q$job\E/script("echo held\necho \$PPID\nread line\n")/er), "$p/x.lock");
    $holder = hold(\@with_pid);
    my $dotlockfile = $holder->recv;
    $holder->kill9;
    is try_once(\@sh), 'busy', 'the script is killed: dotlockfile still holds the lock for its command';
    my $end = Lockfs::Sys::pidfd_open($dotlockfile);
    kill 'KILL', $dotlockfile;
    ok wait_readable($end, 30), 'dotlockfile is killed too';
    is try_once(\@sh), 'held', 'the next one has it at once';
    $holder->close_pipes;
};

subtest 'lockfile-touch' => sub {
    my $script = script(<<'END');
lockfile-create --lock-name "$1" && lockfile-touch --oneshot --lock-name "$1" || exit 1
echo held
read line
lockfile-remove --lock-name "$1" && echo released
END
    my $holder = hold([ 'dash', $script, "$p/x.lock" ]);
    is $holder->{said}, 'held', 'a child of the owner may touch the lock';
    isnt run([ 'lockfile-touch', '--oneshot', '--lock-name', "$p/x.lock" ])->{status}, 'exit 0', 'a stranger may not';
    isnt run([ 'lockfile-remove', '--lock-name', "$p/x.lock" ])->{status}, 'exit 0', 'nor remove it';
    $holder->kill9;
    isnt run([ 'lockfile-touch', '--oneshot', '--lock-name', "$p/x.lock" ])->{status}, 'exit 0',
        'and nobody brings it back';
    ok !-e "$p/x.lock", 'it is gone';
};

subtest 'lockfile that forces a stale lock does not rob a live one' => sub {
    my $script = lock_script('lockfile -1 -r 0 "$lock"', 'rm -f "$lock"');
    for my $dir ($bare, $p) {
        my $holder = hold([ 'dash', $script, "$dir/x.lock" ]);
        my $owner = $dir eq $p ? 'lockfs' : 'bare';
        my $r = run([ 'touch', '-d', '1 hour ago', "$dir/x.lock" ]);
        is $r->{status}, $dir eq $p ? 'exit 1' : 'exit 0', "$owner: another process makes the lock look old";
        my $thief = run([ 'lockfile', '-1', '-r', '0', '-l', '60', '-s', '0', "$dir/x.lock" ]);
        my $want = $dir eq $p ? qr/^exit (?!0)/ : qr/^exit 0/;
        like $thief->{status}, $want, "$owner: a contender with a time-out of a minute";
        my $ended = let_go($holder);
        is $ended, 'exit 0', "$owner: the holder goes on" if $dir eq $p;
    }
};

subtest 'flock' => sub {
    my $script = script(<<'END');
exec 9>"$1"
flock -n 9 || { echo busy; exit 1; }
echo held
read line
flock -u 9 && echo released
END
    my @sh = ('dash', $script, "$p/x.lock");
    my $holder = hold(\@sh);
    is $holder->{said}, 'held', 'takes the lock';
    is try_once(\@sh), 'busy', 'the next one does not';
    my $inode = (lstat "$p/x.lock")[1];
    is let_go($holder), 'exit 0', 'releases';
    ok -e "$p/x.lock", 'the file stays: it was not created exclusively';
    $holder = hold(\@sh);
    $holder->kill9;
    my $next = hold(\@sh);
    is $next->{said}, 'held', 'the next one has it when the holder was killed';
    is let_go($next), 'exit 0', 'and releases';
    is((lstat "$p/x.lock")[1], $inode, 'it was the same file all the time');
    is run([ 'flock', '-n', "$p/y.lock", 'true' ])->{status}, 'exit 0', 'flock FILE COMMAND';
    is run([ 'flock', '-n', $p, 'true' ])->{status}, 'exit 0', 'flock DIRECTORY COMMAND';
    ok -e "$p/y.lock", 'its file stays';
    is run([ 'rm', "$p/x.lock", "$p/y.lock" ])->{status}, 'exit 0', 'anybody may remove them';
};

is_deeply [ client()->list($p) ], [], 'nothing is left in the directory';
done_testing;
