package Lockfs::Protocol;

# The lock programs of tests/node (frame.js says how they speak), each in every situation that its rules get wrong:
# first on an ordinary directory, where it fails, then on a mount, where nobody waits for a dead holder and nobody robs
# a living one.
#
#     my $lock = Lockfs::Protocol->new(program => 'registry', lock => 'sandboxes.json.lock', kind => 'dir');
#     $lock->works;
#     $lock->number_is_used_again;
#     ...

use v5.30;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Lockfs::Holder;
use Lockfs::Test;

my $programs = abs_path(dirname(__FILE__) . '/../../node');

# lock: its path from the top; the directories above are made. options: further mount options; rules: for the environment
# of all programs.
sub new {
    my ($class, %opt) = @_;
    my $self = bless {%opt}, $class;
    $self->{argv}  = [ 'node', "$programs/$opt{program}.js" ];
    $self->{mount} = mount_lockfs(source => 'tmpfs', options => join ',', 'allow_other', $opt{options} // ());
    $self->{dir}   = { bare => temp_path('bare'), lockfs => $self->{mount}->path };
    $self->_make_directories($opt{lock});
    return $self;
}

# Those above $name, for everybody to use.
sub _make_directories {
    my ($self, $name) = @_;
    my @parts = split m{/}, $name;
    for my $top (@{ $self->{dir} }{qw(bare lockfs)}) {
        for my $depth (0 .. $#parts) {
            my $dir = join '/', $top, @parts[ 0 .. $depth - 1 ];
            mkdir $dir;
            chmod 0777, $dir or die "$dir: $!\n";
        }
    }
}

sub _env {
    my ($self, %env) = @_;
    $env{RULES} = join ',', @{ $self->{rules} // [] }, @{ delete $env{rules} // [] };
    return { LATER_MS => undef, AGED_MS => undef, PAUSE => undef, %env };
}

# A process that has the lock, or does not: {said}.
sub hold {
    my ($self, $path, %env) = @_;
    my $user = delete $env{user};
    my @umask = ('sh', '-c', 'umask 0; exec "$@"', 'sh');
    return Lockfs::Holder::hold([ @umask, @{ $self->{argv} }, $path ], env => $self->_env(%env), $user ? (user => $user) : ());
}

# The same in a container of its own, always under the same number; the host sees another.
sub hold_in_container {
    my ($self, $path, %env) = @_;
    my ($host, $pid) = (delete $env{host} // 'container', delete $env{pid} // 7);
    my $init = 'echo "$1" >/proc/sys/kernel/hostname; shift; exec "$@"';
    my @container = (qw(unshare --pid --uts --mount-proc --fork --kill-child sh -c), $init, 'sh', $host);
    return Lockfs::Holder::hold([ @container, helper('spawn-at-pid'), $pid, @{ $self->{argv} }, $path ], env => $self->_env(%env));
}

# Process 1 of the container is killed; when this returns, none of its processes is left.
sub kill_container {
    my ($container) = @_;
    my $pid = $container->pid;
    open my $fh, '<', "/proc/$pid/task/$pid/children" or die "$pid: $!\n";
    my ($init) = split ' ', readline($fh) // '' or die "no process in the container\n";
    kill 'KILL', $init;
    return $container->wait;
}

# What a process that just started got: 'held', and has released it again; or 'busy: WHY'.
sub _outcome {
    my ($process) = @_;
    return 'held' . ($_[1] ? '' : ', ' . let_go($process)) if $process->{said} eq 'held';
    my $why = $process->recv // '';
    $process->wait;
    return "$process->{said}: $why";
}

sub try {
    my ($self, $path, %env) = @_;
    return _outcome($self->hold($path, %env));
}

sub try_in_container {
    my ($self, $path, %env) = @_;
    return _outcome($self->hold_in_container($path, %env));
}

my $got = 'held, exit 0';

# The situation on both kinds of directory; $code->($path, $on_lockfs).
sub situation {
    my ($self, $name, $code) = @_;
    subtest $name => sub {
        for my $on (qw(bare lockfs)) {
            my $path = "$self->{dir}{$on}/$self->{lock}";
            subtest $on => sub { $code->($path, $on eq 'lockfs') };
            system 'rm', '-rf', $path;
            ok !-e $path, "$on: nothing is left";
        }
    };
}

# --- the situations ---

sub works {
    my ($self) = @_;
    subtest 'undisturbed, and killed' => sub {
        local $ENV{RULES} = join ',', @{ $self->{rules} // [] };
        holds_well($self->{argv}, on => $self->{dir}{lockfs}, lock => $self->{lock}, kind => $self->{kind});
    };
}

# A holder that was killed, and a process that bears its number while $code runs.
sub _with_bearer {
    my ($self, $path, $code) = @_;
    for (1 .. 20) {
        my $holder = $self->hold($path);
        is $holder->{said}, 'held', 'a holder';
        my $pid = $holder->pid;
        $holder->kill9;
        my $bearer = eval { client_at_pid($pid) };
        if ($bearer) {
            $code->();
            $bearer->stop;
            return;
        }
        system 'rm', '-rf', $path;
    }
    fail 'no number could be used again';
}

sub number_is_used_again {
    my ($self, %env) = @_;
    my $name = 'the holder is killed and its number is used again' . ($env{rules} ? " (@{ $env{rules} })" : '');
    $self->situation($name, sub {
        my ($path, $on_lockfs) = @_;
        $self->_with_bearer($path, sub {
            is $self->try($path, %env), $on_lockfs ? $got : 'busy: held', 'the next one';
        });
    });
}

# limit_ms: when such a lock is given up on an ordinary directory; 0: never.
sub killed_before_its_record {
    my ($self, $limit_ms) = @_;
    $self->situation('the holder is killed before it has written who it is', sub {
        my ($path, $on_lockfs) = @_;
        my $holder = $self->hold($path, PAUSE => 'made');
        is $holder->{said}, 'at made', 'has made the lock';
        $holder->kill9;
        is $self->try($path), $on_lockfs ? $got : 'busy: held', 'the next one';
        return if $on_lockfs;
        is $self->try($path, LATER_MS => ($limit_ms || 86_400_000) + 1000), $limit_ms ? $got : 'busy: held', 'much later';
    });
}

sub same_number_in_the_next_container {
    my ($self) = @_;
    $self->situation('the container is killed and started again: the same number', sub {
        my ($path, $on_lockfs) = @_;
        my $holder = $self->hold_in_container($path);
        is $holder->{said}, 'held', 'process 7 of a container';
        kill_container($holder);
        is $self->try_in_container($path), $on_lockfs ? $got : 'busy: held', 'process 7 of the next one';
    });
}

# The holder lives and a contender calls it dead.
sub _robbery {
    my ($self, $path, $on_lockfs, $holder, $contender) = @_;
    is $holder->{said}, 'held', 'a holder';
    is $contender->(), $on_lockfs ? 'busy: refused EBUSY' : $got, 'a contender';
    is let_go($holder), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the holder at its end';
}

sub other_container {
    my ($self, %opt) = @_;
    my ($one, $two) = @{ $opt{hosts} // [ 'one', 'two' ] };
    $self->situation("a contender in another container ($one, $two) looks for the holder among its own processes", sub {
        my ($path, $on_lockfs) = @_;
        # Far above the numbers that the threads of the contender have in theirs.
        $self->_robbery($path, $on_lockfs, $self->hold_in_container($path, host => $one, pid => 700),
            sub { $self->try_in_container($path, host => $two) });
    });
}

sub eperm_is_dead {
    my ($self) = @_;
    $self->situation('a contender of another user takes EPERM for dead', sub {
        my ($path, $on_lockfs) = @_;
        $self->_robbery($path, $on_lockfs, $self->hold($path),
            sub { $self->try($path, user => unprivileged, rules => ['eperm-is-dead']) });
        return if !$on_lockfs;
        my $holder = $self->hold($path);
        $holder->kill9;
        is $self->try($path, user => unprivileged, rules => ['eperm-is-dead']), $got, 'a killed holder is not in the way';
    });
}

sub age_limit {
    my ($self, $limit_ms, %env) = @_;
    my $later = $limit_ms + 60_000;
    $self->situation('a living holder is at work for longer than the age limit', sub {
        my ($path, $on_lockfs) = @_;
        $self->_robbery($path, $on_lockfs, $self->hold($path), sub { $self->try($path, %env, LATER_MS => $later) });
    });
    $self->situation('and a stopped one', sub {
        my ($path, $on_lockfs) = @_;
        my $holder = $self->hold($path);
        $holder->kill('STOP');
        is $self->try($path, %env, LATER_MS => $later), $on_lockfs ? 'busy: refused EBUSY' : $got, 'a contender';
        $holder->kill('CONT');
        is let_go($holder), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the holder at its end';
    });
}

# Where the age is that of the entry, a contender on the mount does not even try.
sub age_of_the_entry {
    my ($self, $limit_ms, %env) = @_;
    $self->situation('the time of the lock is older than the age limit', sub {
        my ($path, $on_lockfs) = @_;
        my $holder = $self->hold($path, AGED_MS => $limit_ms + 60_000);
        is $holder->{said}, 'held', 'a holder';
        is $self->try($path, %env), $on_lockfs ? 'busy: held' : $got, 'a contender';
        is let_go($holder), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the holder at its end';
    });
}

# A judges the lock of a dead holder; before it acts on that, B has come and taken the lock.
sub judged_then_removed {
    my ($self) = @_;
    $self->situation('between the look at a dead holder\'s lock and its removal somebody else takes it', sub {
        my ($path, $on_lockfs) = @_;
        my $holder = $self->hold($path);
        my $slow = $self->hold($path, PAUSE => 'read,judged');
        is $slow->{said}, 'at read', 'a contender has read who holds it';
        $holder->kill9;
        $slow->send('');
        is $slow->recv, 'at judged', 'and sees that it is dead';
        my $next = $self->hold($path);
        is $next->{said}, 'held', 'another one takes the lock';
        $slow->send('');
        $slow->{said} = $slow->recv;
        is _outcome($slow, 1), $on_lockfs ? 'busy: refused EBUSY' : 'held', 'the first one goes on';
        is let_go($next), $on_lockfs ? 'exit 0' : 'robbed, exit 0', 'the other one at its end';
        $slow->kill9 if $slow->alive;
    });
}

# --- what the rules say of other names ---

# What a process makes under each of these names goes with it, or stays. $command is one of a client (mkdir, excl).
sub _after_its_maker {
    my ($self, $command, @names) = @_;
    my $maker = client();
    $self->_make_directories($_) for @names;
    expect ok => $maker, $command, "$self->{dir}{lockfs}/$_" for @names;
    $maker->kill9;
    return map { [ $_ => -e "$self->{dir}{lockfs}/$_" ] } @names;
}

sub heals {
    my ($self, $command, @names) = @_;
    ok !$_->[1], "$_->[0] ($command) is a lock" for $self->_after_its_maker($command, @names);
}

sub keeps {
    my ($self, $command, @names) = @_;
    ok $_->[1], "$_->[0] ($command) is data" for $self->_after_its_maker($command, @names);
}

sub done { my ($self) = @_; is $self->{mount}->umount, 'exit 0', 'the daemon ends well' }

1;
