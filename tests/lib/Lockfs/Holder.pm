package Lockfs::Holder;

# Programs that take a lock and hold it, as they are found in the wild.
#
# Such a program tries once. It prints "held" or "busy"; when it has the lock it reads a line, releases, prints
# "released" and exits with 0. Its last argument is the path of the lock.

use v5.30;
use warnings;
use Exporter qw(import);
use Lockfs::Process;
use Lockfs::Test;

our @EXPORT = qw(script hold try_once let_go holds_well cannot_be_robbed);

my $serial = 0;

# A file with this text; its path.
sub script {
    my ($text, $name) = @_;
    my $path = temp_path($name // 'script-' . ++$serial);
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh $text;
    close $fh;
    chmod 0755, $path;
    return $path;
}

# Starts the program; what it said is in {said}.
sub hold {
    my ($argv, %opt) = @_;
    my $holder = spawn($argv, stderr => temp_path('stderr'), %opt);
    $holder->{said} = $holder->recv // 'nothing';
    return $holder;
}

# What it says when it is run to its end.
sub try_once {
    my ($argv, %opt) = @_;
    my $holder = hold($argv, %opt);
    my $said = $holder->{said};
    $holder->close_pipes;
    $holder->wait;
    return $said;
}

# The holder is told to let go: it releases and exits by itself. How it ended, or what went wrong.
sub let_go {
    my ($holder) = @_;
    $holder->send('');
    close delete $holder->{to};
    my $said = $holder->recv // 'nothing';
    my $status = $holder->status_text;
    return $said eq 'released' ? $status : "$said, $status";
}

sub _is_there { return -l $_[0] || -e $_[0] }

# What happens without lockfs: a holder that was killed leaves its lock behind for good.
sub _fails_on_bare {
    my ($argv, $dir, $lock) = @_;
    my $holder = hold([ @$argv, "$dir/$lock" ]);
    is $holder->{said}, 'held', 'bare: takes the lock';
    $holder->kill9;
    is try_once([ @$argv, "$dir/$lock" ]), 'busy', 'bare: the lock of a killed holder stays';
    system 'rm', '-rf', "$dir/$lock";
}

# A stranger does not get rid of a lock that is held.
sub cannot_be_robbed {
    my ($lock, $thief) = @_;
    my $is_dir = -d $lock && !-l $lock;
    expect EBUSY => $thief, $is_dir ? 'rmdir' : 'unlink', $lock;
    expect EBUSY => $thief, 'rename', $lock, "$lock.stolen";
    isnt run([ 'rm', '-rf', $lock ])->{status}, 'exit 0', 'rm -rf fails';
    ok _is_there($lock), 'and the lock is there';
}

# The whole life of one program's lock in the directory $on of a mount, beside an ordinary directory $bare:
# undisturbed work, a holder that is killed, thieves.
sub holds_well {
    my ($argv, %opt) = @_;
    my ($on, $lock) = ($opt{on}, $opt{lock} // 'x.lock');
    my $path = "$on/$lock";
    my $thief = $opt{thief} // client();
    _fails_on_bare($argv, $opt{bare}, $lock) if $opt{bare};

    my $holder = hold([ @$argv, $path ]);
    is $holder->{said}, 'held', 'takes the lock';
    is try_once([ @$argv, $path ]), 'busy', 'the next one does not';
    cannot_be_robbed($path, $thief);
    is let_go($holder), 'exit 0', 'releases';
    ok !_is_there($path), 'nothing is left';

    $holder = hold([ @$argv, $path ]);
    is $holder->{said}, 'held', 'takes it again';
    $holder->kill9;
    my $next = hold([ @$argv, $path ]);
    is $next->{said}, 'held', 'the next one has the lock at once when the holder was killed';
    cannot_be_robbed($path, $thief);
    is let_go($next), 'exit 0', 'and releases';
    ok !_is_there($path), 'nothing is left of either';
    $thief->stop unless $opt{thief};
}

1;
