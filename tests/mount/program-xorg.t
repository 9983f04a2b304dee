# Xvfb: the lock of a display number in /tmp, which is a directory of the mount here.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(Xvfb unshare));

my $display = 100 + $$ % 20000;

# A shell command with this directory as its /tmp.
sub with_tmp {
    my ($dir, $command) = @_;
    return [ 'unshare', '--mount', 'sh', '-c', "mount --bind '$dir' /tmp && $command" ];
}

# An X server that was started with SIGUSR1 ignored sends that to its parent when it is ready.
my $server = "trap '' USR1; exec Xvfb :$display -nolisten tcp";
pipe my $ready, my $is_ready or die "pipe: $!\n";
$SIG{USR1} = sub { syswrite $is_ready, '.' };

sub server {
    my ($dir) = @_;
    my $holder = held(with_tmp($dir, $server), end => 'TERM');
    ok wait_readable($ready, 60), 'Xvfb is ready';
    sysread $ready, my $signal, 1;
    return $holder;
}

heals 'Xvfb, the pid is used again', places('xorg'),
    hold => \&server,
    lock => ".X$display-lock",
    # It is ended when it is ready: the first wait may have been interrupted by that.
    next     => sub { my ($dir) = @_; return with_tmp($dir, "{ trap 'kill \$!' USR1; ($server) & wait \$! || wait \$!; }") },
    busy     => qr/^exit 1: .*Server is already active for display $display/s,
    recycled => 1;

done_testing;
