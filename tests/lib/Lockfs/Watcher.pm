package Lockfs::Watcher;

# inotify through tests/helpers/watch.c.

use v5.30;
use warnings;
use parent -norequire, 'Lockfs::Process';
use Lockfs::Process;
use Lockfs::Sys qw(decode helper now wait_readable);

sub new {
    my ($class, @paths) = @_;
    my $self = $class->SUPER::new([ helper('watch'), @paths ], pipes => 1);
    $self->{paths} = \@paths;
    my $line = $self->recv // '';
    if ($line ne 'ready') {
        $self->wait;
        die "watch @paths: $line\n";
    }
    return $self;
}

# The next event, or undef when none comes in time.
sub next {
    my ($self, $timeout) = @_;
    if ($self->{buffer} !~ /\n/) {
        return undef unless wait_readable($self->{from}, $timeout // 10);
    }
    my $line = $self->recv // return undef;
    my ($at, $index, $mask, $isdir, $name) = split / /, $line;
    return {
        at   => $at / 1e9, path => $self->{paths}[$index], mask => $mask,
        isdir => $isdir + 0, name => decode($name),
    };
}

sub until {
    my ($self, $mask, $name, $timeout) = @_;
    my $deadline = now() + ($timeout // 10);
    my @events;
    while ((my $left = $deadline - now()) > 0) {
        my $event = $self->next($left) // last;
        push @events, $event;
        return @events if $event->{mask} eq $mask && (!defined $name || $event->{name} eq $name);
    }
    return;
}

# Ends it and returns the events that were not read yet.
sub stop {
    my ($self) = @_;
    close delete $self->{to};
    my @rest;
    while (my $event = $self->next(10)) { push @rest, $event }
    $self->wait;
    return @rest;
}

1;
