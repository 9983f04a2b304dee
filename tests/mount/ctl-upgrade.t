# lockfs-ctl upgrade: the installed program takes over, and whoever asked is told what came of it.
use v5.30;
use warnings;
use File::Copy qw(copy);
use POSIX ();
use Lockfs::Ctl;
use Lockfs::Sys qw(build_dir slurp worker_of);
use Lockfs::Test;

need_root;
need_fuse;

my $serial = 0;

# A daemon of a program of its own, which can be replaced.
sub mount_own {
    my (%opt) = @_;
    my $program = temp_path('lockfs-' . ++$serial);
    copy(build_dir() . '/fs/daemon/lockfs', $program) or die "$program: $!";
    chmod 0755, $program;
    return ($program, mount_lockfs(program => $program, %opt));
}

# Without a text: another copy of the program.
sub install {
    my ($program, $text) = @_;
    if (defined $text) { open my $fh, '>', "$program.new" or die $!; print {$fh} $text }
    else { copy(build_dir() . '/fs/daemon/lockfs', "$program.new") or die $! }
    chmod 0755, "$program.new";
    rename "$program.new", $program or die $!;
    return (stat $program)[1];
}

sub runs { my ($m) = @_; return (stat '/proc/' . $m->pid . '/exe')[1] // 0 }

for my $user (undef, unprivileged()) {
    subtest 'the same version again, ' . ($user // 'root') => sub {
        my ($program, $m) = mount_own(user => $user);
        my ($p, $c) = ($m->path, client(user => $user));
        expect ok => $c, 'mkdir', "$p/x.lock";
        my $fd = $c->get('open', 'rw,creat', "$p/file");
        expect ok => $c, 'write', $fd, 'text';
        my $ino = install($program);
        my $r = ctl([ 'upgrade', $p ], user => $user);
        is $r->{status}, 'exit 0', 'done' or diag $r->{err};
        like $r->{out}, qr/^\Q$p\E: version \S+ \(layout 3\) has taken over from version \S+ \(layout 3\) in [\d.]+ ms\n\z/, 'and told';
        is runs($m), $ino, 'the new program runs';
        like $m->log, qr/has taken over from version/, 'the log says so';
        expect 'ok text' => $c, 'pread', $fd, 4, 0;
        expect EEXIST => client(user => $user), 'mkdir', "$p/x.lock";
        $ino = install($program);
        my $json = ctl_json([ 'upgrade', '--json', $p ], user => $user);
        is $json->{outcome}, 'done', 'again, as an object';
        is $json->{number}, 2, 'the second';
        is $json->{new_layout}, 3, 'its layout';
        cmp_ok $json->{took_us}, '>', 0, 'its time';
        is runs($m), $ino, 'the new program runs';
        expect ok => $c, 'close', $fd;
        expect ok => $c, 'rmdir', "$p/x.lock";
        is $m->umount, 'exit 0', 'it ends well';
    };
}

my %bad = (
    'cannot read the state'  => [ undef, qr/another version of lockfs.*layout 99/, LOCKFS_STATE_VERSION => 99 ],
    'cannot be run'          => [ "no program\n",                 qr/cannot be run/ ],
    'says nothing'           => [ "#!/bin/sh\nexit 0\n",          qr/does not answer/ ],
    'is another program'     => [ "#!/bin/sh\necho me too\n",     qr/me too/ ],
    'does not end'           => [ "#!/bin/sh\nexec >&- 2>&-; while :; do read x < '%fifo'; done\n", qr/does not answer/ ],
);

for my $what (sort keys %bad) {
    subtest "a program that $what is refused" => sub {
        my ($text, $reason, %env) = @{ $bad{$what} };
        my ($program, $m) = mount_own(env => \%env);
        my ($p, $c) = ($m->path, client());
        expect ok => $c, 'mkdir', "$p/x.lock";
        my $worker = worker_of($m->pid);
        my $fifo = temp_path("fifo-$serial");
        POSIX::mkfifo($fifo, 0600) or die;
        install($program, defined $text ? $text =~ s/%fifo/$fifo/r : undef);
        ctl_status 1, [ 'upgrade', $p ], qr/^lockfs-ctl: \Q$p\E: the installed program does not take over, nothing has changed: .*$reason/;
        is worker_of($m->pid), $worker, 'the worker goes on';
        like $m->log, $reason, 'the log says so, too';
        expect EEXIST => client(), 'mkdir', "$p/x.lock";
        expect ok => $c, 'rmdir', "$p/x.lock";
        is $m->umount, 'exit 0', 'it ends well';
    };
}

subtest 'who may not' => sub {
    my $m = mount_lockfs(options => 'allow_other');
    my $p = $m->path;
    ctl_status 6, [ 'upgrade', $p ], qr/not permitted: it takes root or the owner of the mount/, user => unprivileged();
    ctl_status 3, [ 'upgrade', temp_path('.') ], qr/not on a lockfs mount/;
    ctl_status 2, ['upgrade'], qr/expected: lockfs-ctl upgrade DIR/;
    is((control($p, 'upgrade what'))[0], 'Invalid argument', 'not a number');
    like +(control($p, 'upgrade 7'))[1], qr/"outcome":"none"/, 'an attempt that was not made';
};

subtest 'a daemon without a keeper' => sub {
    my $m = mount_lockfs(env => { LOCKFS_WORKER => 'inline' });
    ctl_status 1, [ 'upgrade', $m->path ], qr/has no keeper/;
};

done_testing;
