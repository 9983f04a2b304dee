# A request that kills whoever serves it fails with EIO after a few workers, the log names it, and all else goes on.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::CrashPoint;

need_root;
need_fuse;
need_crash_points;

# point => what makes ready, the call, and what holds afterwards. $p stands for the mount.
my @calls = (
    'made-claimed' => {
        call => [ 'mkdir', '$p/x.lock' ],
        then => [ [ ok => 'mkdir', '$p/x.lock' ], [ ok => 'rmdir', '$p/x.lock' ] ],
    },
    'made-known' => {
        call => [ 'excl', '$p/f' ],
        then => [ [ ENOENT => 'stat', '$p/f' ] ],
    },
    'removal-prepared' => {
        ready => [ [ 'mkdir', '$p/x.lock' ] ],
        call  => [ 'rmdir', '$p/x.lock' ],
        then  => [ [ EBUSY => 'rmdir', '$p/x.lock' ] ],
        owner => [ [ ok => 'rmdir', '$p/x.lock' ] ],
    },
    'removed' => {
        ready => [ [ 'mkdir', '$p/x.lock' ] ],
        call  => [ 'rmdir', '$p/x.lock' ],
        owner => [ [ ENOENT => 'rmdir', '$p/x.lock' ], [ ok => 'mkdir', '$p/x.lock' ], [ ok => 'rmdir', '$p/x.lock' ] ],
    },
    'rename-moved' => {
        ready => [ [ 'put', '$p/a', 'text' ] ],
        call  => [ 'rename', '$p/a', '$p/b' ],
        then  => [ [ 'ok text' => 'get', '$p/a' ], [ ENOENT => 'get', '$p/b' ], [ ok => 'unlink', '$p/a' ] ],
    },
    'offload-running' => {
        ready => [ [ 'creat', '$p/a' ] ],
        fd    => '$p/a',
        call  => [ 'fsync', '$fd' ],
        then  => [ [ ok => 'unlink', '$p/a' ] ],
    },
);

for my $way (undef, 'resend') {
    subtest $way ? "without $way" : 'with what the kernel offers' => sub {
        my $m = mount_crashing(source => 'tmpfs', in_place => 1, env => { LOCKFS_WITHOUT => $way });
        my $p = $m->path;
        my ($owner, $other, $busy) = (client(), client(), client());
        my @table = @calls;
        while (my ($point, $case) = splice @table, 0, 2) {
            my $fd;
            my $words = sub { return map { s/^\$p/$p/r =~ s/^\$fd$/$fd/r } @_ };
            $owner->do($words->(@$_)) for @{ $case->{ready} // [] };
            $fd = $owner->get('open', 'rw', $words->($case->{fd})) if $case->{fd};
            my $said = () = $m->log =~ /fails with EIO/g;
            arm("always $point");
            $owner->start($words->(@{ $case->{call} }));
            expect ok => $busy, 'put', "$p/busy", "at $point";
            is $owner->reply(30), 'EIO', "killed at $point each time: @{ $case->{call} }";
            ok disarm(), 'and would be still';
            is scalar(() = $m->log =~ /fails with EIO/g), $said + 1, 'the log says so, once';
            expect "ok at%20$point" => $busy, 'get', "$p/busy";
            $owner->do('close', $fd) if $fd;
            expect $_->[0] => $other, $words->(@$_[ 1 .. $#$_ ]) for @{ $case->{then} // [] };
            expect $_->[0] => $owner, $words->(@$_[ 1 .. $#$_ ]) for @{ $case->{owner} // [] };
        }
        is_deeply [ $other->list($p) ], ['busy'], 'nothing is left';
        is $m->umount, 'exit 0', 'the keeper ends well';
    };
}
done_testing;
