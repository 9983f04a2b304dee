# Chromium: a profile whose browser was killed in one container is not locked for the next one, which has another host name.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program(qw(chromium unshare));

%ENV = (%ENV, HOME => temp_path('home'), TMPDIR => temp_path('tmp'));
mkdir $ENV{$_} for qw(HOME TMPDIR);

# With a host name and temporary files of its own.
my $contained = 'hostname "$1" && shift && mount -t tmpfs tmp "$TMPDIR" && exec "$@"';

sub chromium {
    my ($host, $dir, @args) = @_;
    return [ 'unshare', '--uts', '--mount', 'sh', '-c', $contained, 'sh', $host, 'chromium', '--headless', '--no-sandbox',
        '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
        "--user-data-dir=$dir/profile", @args ];
}

heals 'chromium in a container of another name', places('chromium'),
    hold => sub {
        my ($dir) = @_;
        return says(qr/DevTools listening/, chromium('old', $dir, '--remote-debugging-port=0', 'about:blank'), end => 'TERM');
    },
    lock  => [ map {"profile/Singleton$_"} qw(Lock Cookie Socket) ],
    next  => sub { my ($dir) = @_; return chromium('new', $dir, '--dump-dom', 'about:blank') },
    busy  => qr/^exit 21: .*profile appears to be in use by another Chromium process \(\d+\) on another computer \(old\)/s,
    brood => 1;

done_testing;
