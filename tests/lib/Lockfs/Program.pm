package Lockfs::Program;

# Real programs, unmodified, in two places: a bare directory, where the lock of a killed holder keeps the next run
# out, and a mount with the shipped preset, where it is gone with its holder.
#
#     my $at = places('mercurial');
#     heals 'hg commit in its editor', $at,
#         set_up   => sub { my ($dir) = @_; ... },                      # once in either place
#         hold     => sub { my ($dir, $pause) = @_; paused($pause, [...]) },    # a process that holds the lock
#         lock     => '.hg/wlock',                                      # below $dir; a glob, or several in []
#         next     => sub { my ($dir) = @_; [...] },                    # the next run: [argv, options of run()...]
#         busy     => qr/.../,                                          # what it says when it does not get the lock
#         recycled => 1;                                                # another process has the dead holder's pid meanwhile
#
# Also: user => whose process that is; until => PATTERN: the next run does not end by itself, see outcome(); works => PATTERN of
# a next run that works, ends => PATTERN of how a holder ends that is left alone (exit 0); brood => 1: what the holder had
# started ends a moment later than it; anyone => 1: the preset lets others release; sound => CODE: is all well in the end?
#
#     undisturbed 'a day with hg', $at, SCRIPT;
#
# How a holder is known to hold, and how it goes on: it has come to a program of ours that it runs (paused), it has said
# so (says), or its lock is there (makes). Nothing is timed.

use v5.30;
use warnings;
use Exporter qw(import);
use IO::Poll qw(POLLIN);
use POSIX ();
use Lockfs::Holder;
use Lockfs::Process;
use Lockfs::Sys qw(exit_text now pidfd_open);
use Lockfs::Test;

our @EXPORT = qw(places heals undisturbed outcome must put pause reached go_on paused says makes held);

use constant NEVER => qr/(?!)/;

my $serial = 0;

# A mount with this preset (or none) and a bare directory: { on => PATH, bare => PATH }. Options as of mount_lockfs().
sub places {
    my ($preset, %opt) = @_;
    my $options = join ',', grep { defined } $preset && "preset=$preset", delete $opt{options};
    my %env = (LOCKFS_PRESETS => Lockfs::Sys::root_dir() . '/packaging/presets');
    my $mount = mount_lockfs(source => 'tmpfs', options => $options, env => \%env, %opt);
    my $bare = temp_path('bare-' . ++$serial);
    mkdir $bare or die "$bare: $!\n";
    return { on => $mount->path, bare => $bare };
}

# Runs what has to work before there is anything to test.
sub must {
    my ($argv, %opt) = @_;
    my $r = run($argv, %opt);
    die "@$argv: $r->{status}: $r->{err}" if $r->{status} ne 'exit 0';
}

sub put { my ($path, $text) = @_; open my $fh, '>', $path or die "$path: $!\n"; print $fh $text; close $fh or die "$path: $!\n" }

# ---- holders ----

# A program to be run by the one under test, as its editor, hook or command: {script}. It writes a first line into the file that it is
# to edit, tells that it runs, and goes on when it is told to; through fifos, because not every program passes on its descriptors.
sub pause {
    my $fifo = temp_path('pause-' . ++$serial);
    my %pause;
    for my $end (qw(here go)) {
        POSIX::mkfifo("$fifo.$end", 0666) or die "$fifo.$end: $!\n";
        chmod 0666, "$fifo.$end";
        open $pause{$end}, '+<', "$fifo.$end" or die "$fifo.$end: $!\n";
    }
    $pause{script} = script(<<"END", "pause-$serial.sh");
#!/bin/sh
[ ! -f "\$1" ] || sed -i '1s/^\$/held/' "\$1"
echo here >$fifo.here
read line <$fifo.go
exit 0
END
    return \%pause;
}

# Waits until it runs.
sub reached {
    my ($pause, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok wait_readable($pause->{here}, 60), $what or return 0;
    sysread $pause->{here}, my $line, 100;
    return 1;
}

# Lets it go on.
sub go_on { my ($pause) = @_; syswrite $pause->{go}, "\n" }

# Starts a program that holds its lock, when is left to the caller. It goes on at the end of its input, or with end => 'TERM'
# at that signal.
sub held {
    my ($argv, %opt) = @_;
    my $end = delete $opt{end};
    my $holder = spawn($argv, stderr => \*STDOUT, %opt);
    $holder->{go_on} = sub { $end ? $holder->kill($end) : _end_input($holder) };
    return $holder;
}

# ... when it has come to the pause, which keeps it.
sub paused {
    my ($pause, $argv, %opt) = @_;
    my $holder = held($argv, %opt);
    $holder->{go_on} = sub { go_on($pause) };
    reached($pause, _name($argv) . ' has come so far') or _complain($holder);
    return $holder;
}

# ... when its output is like the pattern.
sub says {
    my ($pattern, $argv, %opt) = @_;
    my $holder = held($argv, %opt);
    _read_until($holder, $holder->{from}, $pattern);
    like $holder->{buffer}, $pattern, _name($argv) . ' has said so';
    return $holder;
}

# ... when this path is there.
sub makes {
    my ($path, $argv, %opt) = @_;
    my $holder = held($argv, %opt);
    ok wait_for(sub { _is_there($path) }, watch => $path =~ s{/[^/]*$}{}r), _name($argv) . ' has made its lock' or _complain($holder);
    return $holder;
}

sub _end_input {
    my ($holder) = @_;
    $holder->send('.');
    close delete $holder->{to};
    _read_until($holder, $holder->{from}, NEVER);
}

sub _name { my ($argv) = @_; return $argv->[0] =~ s{.*/}{}r }

# The path may be a glob.
sub _is_there { return scalar grep { -l || -e } glob $_[0] }

sub _complain {
    my ($holder) = @_;
    $holder->kill9;
    _read_until($holder, $holder->{from}, NEVER);
    diag($holder->{buffer});
}

# Reads into the process's buffer until it matches, the process has ended, or a minute is over.
sub _read_until {
    my ($process, $from, $pattern) = @_;
    my $ended = pidfd_open($process->pid);
    my $deadline = now() + 60;
    while ($process->{buffer} !~ $pattern) {
        my $poll = IO::Poll->new;
        $poll->mask($_ => POLLIN) for $from, grep { defined } $ended;
        my $left = $deadline - now();
        return if $left <= 0 || $poll->poll($left) <= 0;
        if ($poll->events($from)) { sysread $from, $process->{buffer}, 65536, length $process->{buffer} or return }
        else { return }
    }
}

# ---- the next run ----

# How a program ends and what it says, in one string: 'exit 0: ...'. With until => PATTERN it is ended as soon as its output is like
# that: 'running: ...'.
sub outcome {
    my ($argv, %opt) = @_;
    my $until = delete $opt{until} // NEVER;
    pipe my $from, my $to or die "pipe: $!\n";
    my $process = Lockfs::Process->new($argv, stdout => $to, stderr => $to, %opt);
    close $to;
    _read_until($process, $from, $until);
    my $state;
    if ($process->{buffer} =~ $until) {
        $process->kill('TERM');
        $state = 'running';
    }
    $process->wait_dead(60) or $state = 'timeout';
    $process->kill9;
    return ($state // exit_text($process->wait)) . ": $process->{buffer}";
}

sub _next {
    my ($case, $dir) = @_;
    my ($argv, %opt) = $case->{next}->($dir);
    return outcome($argv, %opt, $case->{until} ? (until => $case->{until}) : ());
}

# ---- the life of a lock ----

sub _locks { my ($case, $dir) = @_; return map { "$dir/$_" } ref $case->{lock} ? @{ $case->{lock} } : $case->{lock} }

# SIGKILL. Where its children end by themselves, but later, so does this return later.
sub _kill_holder {
    my ($case, $holder) = @_;
    my @brood = $case->{brood} ? map { pidfd_open($_) // () } _descendants($holder->pid) : ();
    $holder->kill9;
    wait_readable($_, 60) or die "what the holder had started does not end\n" for @brood;
}

sub _descendants {
    my ($pid) = @_;
    my @children = map { split ' ', slurp($_) } glob "/proc/$pid/task/*/children";
    return map { ($_, _descendants($_)) } @children;
}

# The next run after the holder was killed; its pid used again meanwhile, where that is the case to be shown.
sub _next_after {
    my ($case, $holder, $dir) = @_;
    return _next($case, $dir) if !$case->{recycled};
    return scalar reuse_pid($holder->pid, sub { _next($case, $dir) }, $case->{user} ? (user => $case->{user}) : ());
}

sub _hold {
    my ($case, $dir) = @_;
    my $pause = pause();
    return $case->{hold}->($dir, $pause);
}

sub _fails_on_bare {
    my ($case, $dir) = @_;
    my $holder = _hold($case, $dir);
    _kill_holder($case, $holder);
    ok scalar(grep { _is_there($_) } _locks($case, $dir)), 'bare: the lock of a killed holder stays';
    like _next_after($case, $holder, $dir), $case->{busy}, 'bare: and keeps the next one out';
    $holder->{go_on}->();
    $holder->close_pipes;
}

sub _is_held {
    my ($case, $dir) = @_;
    my $thief = client();
    for my $lock (_locks($case, $dir)) {
        ok _is_there($lock), 'the lock is there' or next;
        cannot_be_robbed($_, $thief) for $case->{anyone} ? () : glob $lock;
    }
    $thief->stop;
    like _next($case, $dir), $case->{busy}, 'a live holder keeps the next one out';
    ok _is_there($_), 'and still has its lock' for _locks($case, $dir);
}

sub _works_on_lockfs {
    my ($case, $dir) = @_;
    my $works = $case->{works} // qr/^exit 0/;
    like _next($case, $dir), $works, 'it works, undisturbed';
    my $holder = _hold($case, $dir);
    _is_held($case, $dir);
    _kill_holder($case, $holder);
    ok !_is_there($_), 'the lock of a killed holder is gone' for _locks($case, $dir);
    like _next_after($case, $holder, $dir), $works, 'the next one works at once';
    $holder->{go_on}->();
    $holder->close_pipes;

    $holder = _hold($case, $dir);
    $holder->{go_on}->();
    my $ended = $case->{ends} // qr/^exit 0/;
    like $holder->status_text, $ended, 'a holder that is left alone ends well' or diag($holder->{buffer});
    ok !_is_there($_), 'without its lock' for _locks($case, $dir);
    $holder->close_pipes;
}

# Daily work, as a shell script in a new directory: it ends well in either place, says the same, and holds nothing after.
sub undisturbed {
    my ($what, $at, $text) = @_;
    my $name = $serial++;
    my @work = ('sh', '-e', script($text));
    subtest $what => sub {
        my ($bare, $on) = map { mkdir "$_/$name"; run(\@work, cwd => "$_/$name") } @$at{qw(bare on)};
        is "$_->{status}: $_->{err}", 'exit 0: ', 'all of it works' for $bare, $on;
        is $on->{out}, $bare->{out}, 'with the same result';
        is slurp("$at->{on}/.lockfs/locks"), '', 'nothing is held any more';
    };
}

# The life of a lock: see the top.
sub heals {
    my ($what, $at, %case) = @_;
    my $name = $serial++;
    subtest $what => sub {
        for my $place (qw(bare on)) {
            my $dir = "$at->{$place}/$name";
            mkdir $dir or die "$dir: $!\n";
            $case{set_up}->($dir) if $case{set_up};
            $place eq 'bare' ? _fails_on_bare(\%case, $dir) : _works_on_lockfs(\%case, $dir);
            $case{sound}->($dir) if $case{sound} && $place eq 'on';
        }
        is slurp("$at->{on}/.lockfs/locks"), '', 'nothing is held any more';
    };
}

1;
