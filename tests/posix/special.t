# FIFOs, sockets, devices; statfs; and a mount that is read-only.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

my %source;    # what statfs says of each

sub fields { return { map { split /=/, $_, 2 } split / /, $_[0] =~ s/^ok //r } }

everywhere {
    my ($w) = @_;
    my ($root, $other, $ann) = ($w->root, $w->another, $w->user(1));

    # A FIFO connects two processes.
    $root->get('umask', '000');
    $root->get('mknod', 'fifo', 'fifo', '0666');
    try ENXIO => $root, 'open', 'w,nonblock', 'fifo';
    my $in = $root->get('open', 'r,nonblock', 'fifo');
    my $out = $ann->get('open', 'w', 'fifo');
    try ok => $ann, 'write', $out, 'through';
    try 'ok through' => $root, 'read', $in, 100;
    try ok => $root, 'rename', 'fifo', 'renamed';
    try ok => $ann, 'write', $out, 'again';
    try 'ok again' => $root, 'read', $in, 100;
    try ESPIPE => $root, 'lseek', $in, 0, 'set';
    try ok => $root, 'unlink', 'renamed';
    try ok => $ann, 'write', $out, 'gone';
    try 'ok gone' => $root, 'read', $in, 100;
    try ok => $ann, 'close', $out;
    try 'ok %' => $root, 'read', $in, 100;

    # A socket is reached by its name.
    my $listening = $root->get('bind', 'sock');
    has $root, 'sock', type => 'sock';
    try ok => $other, 'connect', 'sock';
    try EADDRINUSE => $other, 'bind', 'sock';
    $root->get('chmod', 'sock', '0700');
    try EACCES => $ann, 'connect', 'sock';
    $root->get('chmod', 'sock', '0777');
    try ok => $ann, 'connect', 'sock';
    try ok => $root, 'rename', 'sock', 'moved';
    try ok => $other, 'connect', 'moved';
    try ok => $root, 'close', $listening;
    try ECONNREFUSED => $other, 'connect', 'moved';
    try ENXIO => $root, 'get', 'moved';
    try ok => $root, 'unlink', 'moved';
    try ENOENT => $other, 'connect', 'moved';
    $root->get('put', 'file', 'text');
    try ECONNREFUSED => $other, 'connect', 'file';

    # statfs is the source's, whatever it is asked of.
    my %at = map { ($_ => fields($root->do('statfs', $_))) } '.', 'file';
    is $at{file}{$_}, $at{'.'}{$_}, place_label . ": statfs: $_" for qw(bsize blocks files namelen);
    is $at{'.'}{namelen}, 255, place_label . ': names of 255 bytes';
    my ($backing) = place_label =~ /^(\w+)/;
    if (!on_mount) {
        $source{$backing} = $at{'.'};
    } elsif (place_label =~ /mount/) {
        my $source = $source{$backing};
        is $at{'.'}{$_}, $source->{$_}, place_label . ": statfs: the source's $_" for qw(bsize blocks files namelen);
    }
};
