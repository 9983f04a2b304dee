package Lockfs::Process;

# A child of the test: started, signalled and waited for by pid, never by name.

use v5.30;
use warnings;
use Errno qw(EINTR);
use IO::Handle;
use POSIX       ();
use Lockfs::Sys qw(become exit_text pidfd_open wait_readable);

our %LIVE;    # pid => object, what the end of the test has to kill

# new(CODE | [argv], %options): user, groups, env, cwd, stdout, stderr (paths or handles), pipes (talk over stdin/stdout).
sub new {
    my ($class, $what, %opt) = @_;
    my ($in_r, $in_w, $out_r, $out_w);
    if ($opt{pipes}) {
        pipe $in_r,  $in_w  or die "pipe: $!\n";
        pipe $out_r, $out_w or die "pipe: $!\n";
    }
    STDOUT->flush;
    STDERR->flush;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $done = eval {
            if ($opt{pipes}) {
                open STDIN,  '<&', $in_r  or die "stdin: $!\n";
                open STDOUT, '>&', $out_w or die "stdout: $!\n";
            } else {
                open STDIN, '<', '/dev/null';
            }
            _child($what, %opt);
            1;
        };
        print {*STDERR} $@ unless $done;
        POSIX::_exit($done ? 0 : 127);
    }
    my $self = bless { pid => $pid, child => $pid, owner => $$, buffer => '', daemon => $opt{daemon} }, $class;
    if ($opt{pipes}) {
        $in_w->autoflush(1);
        @$self{qw(to from)} = ($in_w, $out_r);
    }
    $LIVE{$pid} = $self;
    return $self;
}

sub _child {
    my ($what, %opt) = @_;
    for my $stream ([ stdout => \*STDOUT ], [ stderr => \*STDERR ]) {
        my $target = $opt{ $stream->[0] } // next;
        open $stream->[1], ref $target ? '>&' : '>>', $target or die "$stream->[0]: $!\n";
    }
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE CHLD);
    if (my $env = $opt{env}) {
        defined $env->{$_} ? $ENV{$_} = $env->{$_} : delete $ENV{$_} for keys %$env;
    }
    if (defined $opt{cwd}) { chdir $opt{cwd} or die "$opt{cwd}: $!\n" }
    become($opt{user}, @{ $opt{groups} // [] }) if defined $opt{user};
    if (ref $what eq 'CODE') { $what->(); return }
    exec { $what->[0] } @$what or die "$what->[0]: $!\n";
}

sub pid { return $_[0]{pid} }

# Sends a signal; true when it was delivered.
sub kill {
    my ($self, $signal) = @_;
    return CORE::kill($signal // 'KILL', $self->{pid});
}

# Reaps, and returns the wait status ($? style). Dies when it takes too long.
sub wait {
    my ($self, $timeout) = @_;
    return $self->{status} if defined $self->{status};
    $self->wait_dead($timeout) or die "process $self->{child} does not end\n";
    local $?;
    while (waitpid($self->{child}, 0) < 0) {
        die "waitpid $self->{child}: $!\n" if $! != EINTR;
    }
    $self->{status} = $?;
    delete $LIVE{ $self->{child} };
    return $self->{status};
}

# Waits until the process has ended and leaves it a zombie.
sub wait_dead {
    my ($self, $timeout) = @_;
    return 1 if defined $self->{status};
    my $pidfd = pidfd_open($self->{child}) or return 1;
    return wait_readable($pidfd, $timeout // 60);
}

# SIGKILL, then the return of waitpid.
sub kill9 {
    my ($self) = @_;
    $self->kill('KILL');
    return $self->wait;
}

sub alive { return !defined $_[0]{status} && CORE::kill(0, $_[0]{pid}) }

sub status_text { return exit_text($_[0]->wait) }

# ---- lines over the pipes ----

sub send {
    my ($self, $line) = @_;
    local $SIG{PIPE} = 'IGNORE';
    print { $self->{to} } "$line\n";
}

# The next line without its newline; undef at the end of file. Dies when nothing comes in time.
sub recv {
    my ($self, $timeout) = @_;
    my $end;
    while (($end = index $self->{buffer}, "\n") < 0) {
        wait_readable($self->{from}, $timeout // 60) or die "process $self->{pid} does not answer\n";
        my $n = sysread $self->{from}, $self->{buffer}, 65536, length $self->{buffer};
        next if !defined $n && $! == EINTR;
        return undef unless $n;
    }
    my $line = substr $self->{buffer}, 0, $end + 1, '';
    chomp $line;
    return $line;
}

sub close_pipes {
    my ($self) = @_;
    close delete $self->{to}   if $self->{to};
    close delete $self->{from} if $self->{from};
}

# Ends everything this process (the test, not a fork of it) started.
sub end_all { _end(grep { $_->{owner} == $$ } values %LIVE) }

# The same for clients only, so that a daemon can be unmounted and seen to end by itself.
sub end_all_but_daemons { _end(grep { $_->{owner} == $$ && !$_->{daemon} } values %LIVE) }

sub _end {
    my @mine = @_;
    for my $self (@mine) {
        CORE::kill('KILL', $_) for $self->{pid}, $self->{child};
        delete $self->{parent};    # it is being killed too and answers no more
    }
    for my $self (@mine) {
        eval { $self->wait(20); 1 } or print {*STDERR} "# $@";
    }
}

1;
