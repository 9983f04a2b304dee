package Lockfs::Screen;

# A program on a terminal, and what stands there. The terminal is a pane of tmux in control mode: tmux says when
# something was written, so nobody has to look again and again.
#
#     my $s = Lockfs::Screen->new(columns => 80, rows => 24, env => { ... });   # a shell
#     $s->type('lockfs-ctl top /mnt');            # and Enter
#     my $text = $s->until(qr/0 held/, 20);       # the screen when it looks like that (or, [...], all of that); or dies
#     $s->keys('q', 'PageDown'); $s->resize(60, 15);
#     $s->get('#{alternate_on}');                 # a variable of tmux
#     $s->end;

use v5.30;
use warnings;
use Lockfs::Test;

my $PROMPT = qr/^[\$#]\z/m;      # blanks at the end are not shown

sub new {
    my ($class, %opt) = @_;
    my $socket = temp_path('tmux-' . ++state $count);
    my @env = map {"$_=$opt{env}{$_}"} keys %{ $opt{env} // {} };
    my $tmux = spawn([ 'env', '-u', 'TMUX', 'LC_ALL=C.UTF-8', 'TERM=screen', @env, 'tmux', '-C', '-u', '-S', $socket,
        '-f', '/dev/null', 'new-session', '-x', $opt{columns} // 80, '-y', $opt{rows} // 24, 'sh' ]);
    my $self = bless { tmux => $tmux }, $class;
    $self->answer;    # of new-session
    $self->resize($opt{columns} // 80, $opt{rows} // 24);
    $self->{server} = $self->get('#{pid}');
    $self->until($PROMPT, 20);
    return $self;
}

sub line {
    my ($self, $seconds) = @_;
    my $line = eval { $self->{tmux}->recv($seconds) } // return undef;
    $self->{written}++ if $line =~ /^%(?:output|layout-change|window)/;
    return $line;
}

# The lines of the next answer.
sub answer {
    my ($self) = @_;
    my @lines;
    while (defined(my $line = $self->line(20))) { last if $line =~ /^%begin / }
    while (defined(my $line = $self->line(20))) {
        return @lines if $line =~ /^%end /;
        die "tmux: @lines\n" if $line =~ /^%error /;
        push @lines, $line;
    }
    die "tmux does not answer\n";
}

sub command {
    my ($self, $command) = @_;
    $self->{tmux}->send($command);
    return $self->answer;
}

sub get { my ($self, $format) = @_; return ($self->command("display-message -p '$format'"))[0] }

sub text {
    my ($self) = @_;
    my $text = join("\n", $self->command('capture-pane -p')) =~ s/\n+\z//r;
    utf8::decode($text);
    return $text;
}

# A screen is drawn in parts: all that shall be seen is to be waited for.
sub until {
    my ($self, $wanted, $seconds) = @_;
    my @wanted = ref $wanted eq 'ARRAY' ? @$wanted : $wanted;
    my $end = now() + $seconds;
    while (1) {
        $self->{written} = 0;
        my $text = $self->text;
        my @missing = grep { $text !~ $_ } @wanted or return $text;
        my $shown = $text;
        utf8::encode($shown);
        while (!$self->{written}) {
            my $left = $end - now();
            my $line = $left > 0 ? $self->line($left) : undef;
            die "the screen does not show @missing but:\n$shown\n" if !defined $line;
        }
    }
}

sub keys { my ($self, @keys) = @_; $self->command("send-keys @keys"); return }

sub type {
    my ($self, $text) = @_;
    $self->command('send-keys -l ' . "'" . $text =~ s/'/'\\''/gr . "'");
    $self->keys('Enter');
    return;
}

sub resize {
    my ($self, $columns, $rows) = @_;
    $self->command("refresh-client -C ${columns}x$rows");
    return;
}

sub end {
    my ($self) = @_;
    $self->{tmux}->send('kill-server');
    $self->{tmux}->wait(20);
    wait_dead($self->{server}, 20);
    return;
}

1;
