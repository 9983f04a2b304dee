package Lockfs::Client;

# A process that does what the test tells it, one system call at a time: tests/helpers/client.c.

use v5.30;
use warnings;
use parent -norequire, 'Lockfs::Process';
use Lockfs::Process;
use Lockfs::Sys qw(encode decode helper pidfd_open wait_readable);
use POSIX ();

my $serial = 0;

sub new {
    my ($class, %opt) = @_;
    my @argv = @{ delete $opt{program} // [ helper('client') ] };
    push @argv, '--pidns', $opt{pidns} if $opt{pidns};
    if (defined $opt{user}) {    # by the client itself: a pid namespace comes first and takes root
        my $groups = join ',', @{ delete $opt{groups} // [] };
        push @argv, '--user', join(':', Lockfs::Sys::user_ids(delete $opt{user})), length $groups ? $groups : '-';
    }
    @argv = (@{ $opt{under} }, @argv) if $opt{under};
    my $self = $class->SUPER::new(\@argv, %opt, pipes => 1);
    @$self{qw(dir pidfile)} = @opt{qw(dir pidfile)};
    return $self->_greet;
}

# The helper at exactly this pid, which must be free.
sub new_at_pid {
    my ($class, $pid, %opt) = @_;
    return $class->new(%opt, under => [ helper('spawn-at-pid'), $pid ]);
}

# The number it gives itself.
sub _announced {
    my ($self) = @_;
    my $line = $self->recv // die 'client: ended before it was ready (' . $self->status_text . ")\n";
    $line =~ /^ready (\d+)$/ or die "client: expected 'ready PID', got '$line'\n";
    return $1;
}

sub _greet {
    my ($self) = @_;
    $self->{pid} = $self->_announced;
    return $self;
}

# What a client in a container sees differently: paths below its directory, and the numbers of its children.
sub inside { return $_[1] }

sub place_child { my ($self, $child, $number) = @_; $child->{pid} = $number }

# Starts a command and does not wait; the reply comes with reply().
sub start {
    my ($self, @command) = @_;
    $self->send(join ' ', map { encode($_) } @command);
}

sub reply {
    my ($self, $timeout) = @_;
    return $self->recv($timeout) // 'GONE';
}

# One command, its reply: 'ok', 'ok VALUE…' (encoded) or the name of the error.
sub do {
    my ($self, @command) = @_;
    $self->start(@command);
    return $self->reply;
}

# As do(), with a value: decoded words on success (in scalar context the first); dies on failure.
sub get {
    my ($self, @command) = @_;
    my ($ok, @words) = split / /, $self->do(@command);
    $ok eq 'ok' or die "@command: $ok\n";
    @words = map { decode($_) } @words;
    return wantarray ? @words : $words[0];
}

# The fields of lstat as a hash, or the name of the error.
sub stat {
    my ($self, $path) = @_;
    my $reply = $self->do('stat', $path);
    return $reply unless $reply =~ s/^ok //;
    return { map { split /=/, $_, 2 } split / /, $reply };
}

# Sorted names without . and .., or the name of the error in scalar context's place: ('!ENOENT').
sub list {
    my ($self, $path) = @_;
    my ($ok, @names) = split / /, $self->do('list', $path);
    return $ok eq 'ok' ? map { decode($_) } @names : "!$ok";
}

# A child (or, with detach => 1, an orphan whose parent has exited) of this client, as a client of its own
# that outlives its parent. Also: setsid => 1.
sub fork_client {
    my ($self, %opt) = @_;
    my $dir = $self->{dir} // die "this client has no directory for fifos\n";
    my @fifos = map { "$dir/fifo-$$-" . ++$serial } 1, 2;
    for my $fifo (@fifos) {
        POSIX::mkfifo($fifo, 0600) or die "$fifo: $!\n";
        chmod 0666, $fifo;
    }
    my $flags = join(',', grep { $opt{$_} } qw(detach setsid)) || 'plain';
    my $reply = $self->do('serve', (map { $self->inside($_) } @fifos), $flags);
    $reply eq 'ok' or die "serve: $reply\n";
    open my $to,   '>', $fifos[0] or die "$fifos[0]: $!\n";
    open my $from, '<', $fifos[1] or die "$fifos[1]: $!\n";
    unlink @fifos;
    $to->autoflush(1);
    my $child = bless {
        to => $to, from => $from, buffer => '', owner => $$, dir => $dir, origin => $self->{origin} // $self,
        parent => $opt{detach} ? undef : $self,
    }, 'Lockfs::Client::Forked';
    $self->place_child($child, $child->_announced);
    $child->{child} = $child->{pid};
    $Lockfs::Process::LIVE{ $child->{pid} } = $child;
    return $child;
}

# The client ends by itself: closes its descriptors and exits 0.
sub stop {
    my ($self) = @_;
    $self->start('stop');
    return $self->wait;
}

package Lockfs::Client::Forked;

# Not a child of the test: its end is seen through a pidfd, and its parent reaps it.

use parent -norequire, 'Lockfs::Client';

sub wait {
    my ($self, $timeout) = @_;
    return $self->{status} if defined $self->{status};
    $self->wait_dead($timeout) or die "process $self->{pid} does not end\n";
    delete $Lockfs::Process::LIVE{ $self->{pid} };
    $self->{status} = -1;
    my $parent = $self->{parent};
    if ($parent && $parent->{owner} == $$ && $parent->alive) {
        my $reply = eval { $parent->do('reap', $self->{number} // $self->{pid}) } // '';
        $self->{status} = $1 if $reply =~ /^ok (\d+)$/;
    }
    return $self->{status};
}

# In a container as there.
sub inside { my ($self, $path) = @_; return $self->{origin}->inside($path) }

sub place_child { my ($self, @child) = @_; return $self->{origin}->place_child(@child) }

# SIGKILL and wait for the end, without having it reaped: a zombie of its parent.
sub kill_zombie {
    my ($self) = @_;
    $self->kill('KILL');
    $self->wait_dead or die "process $self->{pid} does not end\n";
}

1;
