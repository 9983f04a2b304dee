# pacman: db.lck, the lock of a package database, which the built-in rules know. It never looks whose it is.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program('pacman');

# pacman with a database in this directory; it fetches with that program.
sub pacman {
    my ($dir, $fetch, @args) = @_;
    my $conf = "$dir/pacman.conf";
    put($conf, "[options]\nArchitecture = auto\nSigLevel = Never\nXferCommand = $fetch %o\n[core]\nServer = file://$dir/server\n");
    return [ 'pacman', '--config', $conf, '-b', "$dir/db", '-r', "$dir/root", '--cachedir', "$dir/cache", '--noconfirm', @args ];
}

heals 'pacman that fetches a database', places(undef),
    set_up => sub { my ($dir) = @_; mkdir "$dir/$_" for qw(db root cache server) },
    hold   => sub { my ($dir, $pause) = @_; return paused($pause, pacman($dir, $pause->{script}, '-Sy')) },
    lock   => 'db/db.lck',
    next   => sub { my ($dir) = @_; return pacman($dir, 'tar -T /dev/null -cf', '-Sy') },
    busy   => qr/^exit 1: .*could not lock database: File exists|unable to lock database/s,
    ends   => qr/^exit/;

done_testing;
