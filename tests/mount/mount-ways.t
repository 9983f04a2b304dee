# Every way to mount, by root and by an ordinary user, and what options, key files and presets then mean.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(mounts run_quiet);

need_root;
need_fuse;
need_program('fusermount3');

my $serial  = 0;
my $binary  = Lockfs::Mount::binary();
my $presets = Lockfs::Sys::root_dir() . '/packaging/presets';

sub dir { my $path = temp_path($_[0] // 'dir-' . ++$serial); mkdir $path or die "$path: $!\n"; return $path }

sub write_file {
    my ($path, $text) = @_;
    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
    return $path;
}

# A lock is what is gone with the process that made it.
sub is_lock {
    my ($path, $how, @as) = @_;
    my $owner  = client(@as);
    my $result = $owner->do($how, $path);
    die "$how $path: $result\n" if $result ne 'ok';
    $owner->kill9;
    my $other = client(@as);
    my $found = ref $other->stat($path);
    $other->do($how eq 'mkdir' ? 'rmdir' : 'unlink', $path) if $found;
    $other->stop;
    return $found ? 'data' : 'lock';
}

sub kinds {
    my ($m, $want, $how) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is is_lock($m->path . "/$_", $how // 'mkdir'), $want->{$_}, "$_ is $want->{$_}" for sort keys %$want;
}

# ---- the ways ----

for my $user (undef, unprivileged) {
    for my $way ('in place', 'elsewhere', 'none') {
        for my $background (0, 1) {
            my $name = join ', ', $way, $user ? 'an ordinary user' : 'root', $background ? 'background' : 'foreground';
            subtest $name => sub {
                my $m = mount_lockfs(
                    background => $background, user => $user, in_place => $way eq 'in place',
                    source     => $way eq 'none' ? 'none' : 'dir',
                );
                my $c     = client(user => $user // 'root');
                my $mount = Lockfs::Sys::mount_at($m->path);
                is $mount->{type}, 'fuse.lockfs', 'the type of filesystem';
                is $mount->{source}, $way eq 'none' ? 'none' : $m->source, 'the source is shown as the device';
                is is_lock($m->path . '/x.lock', 'mkdir', user => $user // 'root'), 'lock', 'locks heal';
                is is_lock($m->path . '/free',   'mkdir', user => $user // 'root'), $way eq 'none' ? 'lock' : 'data',
                    'another name';
                expect ok        => $c, 'put', $m->path . '/file', 'text';
                expect 'ok text' => $c, 'get', $m->path . '/file';
                is $m->log =~ s/^lockfs: heal .*\n//mgr, '', 'nothing was said but what was healed';
                my ($status, $sid) = split ' ', slurp('/proc/' . $m->pid . '/stat') =~ s/.*\) //sr;
                $sid = (split ' ', slurp('/proc/' . $m->pid . '/stat') =~ s/.*\) //sr)[3];
                if ($background) {
                    is $sid, $m->pid, 'the daemon has a session of its own';
                    is readlink('/proc/' . $m->pid . '/cwd'), '/', 'keeps no directory busy';
                    is readlink('/proc/' . $m->pid . '/fd/' . $_), '/dev/null', "descriptor $_ is let go" for 0 .. 2;
                }
                is $m->umount, $background ? 'ended' : 'exit 0', 'the daemon ends';
                ok !$m->is_mounted, 'unmounted';
                expect 'ok text' => $c, 'get', $m->source . '/file' if $way ne 'none';
                is_deeply [ $c->list($m->path) ], $way eq 'in place' ? ['file'] : [], 'what is under the mount';
            };
        }
    }
}

subtest 'memory of an ordinary user goes with the mount' => sub {
    my $before = join ' ', sort glob '/dev/shm/lockfs-none-*';
    my $m = mount_lockfs(user => unprivileged, source => 'none');
    my $c = client(user => unprivileged);
    expect ok => $c, 'times', 20, 'mkdir', $m->path . '/dir{}';
    expect ok => $c, 'put', $m->path . '/dir3/file', 'text';
    is $m->umount, 'exit 0', 'ended';
    is join(' ', sort glob '/dev/shm/lockfs-none-*'), $before, 'nothing is left in memory';
};

subtest 'odd names' => sub {
    for my $name ('a,b', 'a b', "new\nline", 'back\\slash', "quo'te\"", '-dash', "\xff\xfe", 'equal=sign', 'x' x 255) {
        for my $user (undef, unprivileged) {
            my $parent = dir();
            my $source = "$parent/$name";
            mkdir $source or die "$source: $!\n";
            chown Lockfs::Sys::user_ids($user), $parent, $source if $user;
            my $m = eval { mount_lockfs(source => $source, in_place => 1, user => $user) };
            ok $m, encode(substr $name, 0, 20) . ($user ? ' by a user' : ' by root') or diag $@;
            next unless $m;
            is is_lock("$source/x.lock", 'mkdir', user => $user // 'root'), 'lock', 'served';
            is $m->umount, 'exit 0', 'ended';
        }
    }
};

subtest 'a path that is not in its simplest form' => sub {
    my $dir = dir();
    symlink $dir, "$dir-link";
    mkdir "$dir/sub";
    my $process = run([ $binary, '../' . ($dir =~ s{.*/}{}r) . '-link/./sub/' ], cwd => $dir);
    is $process->{status}, 'exit 0', 'through a symbolic link, relative, with dots' or diag $process->{err};
    is is_lock("$dir/sub/x.lock", 'mkdir'), 'lock', 'served in place';
    ok run_quiet('umount', "$dir/sub"), 'unmounted';
};

# ---- the usual options ----

subtest 'help and version' => sub {
    for my $option (qw(-h --help -V --version)) {
        for my $more ([], [ temp_path('nowhere') ], [ '-o', 'nothing' ]) {
            my $r = run_lockfs([ $option, @$more ]);
            is $r->{status}, 'exit 0', "$option @$more";
            is $r->{err}, '', 'nothing to complain about';
        }
    }
    like run_lockfs(['--help'])->{out}, qr/^usage: lockfs .*SOURCE MOUNTPOINT.*-o lock=GLOB.*max_locks_per_uid/s, 'help';
    like run_lockfs(['-V'])->{out}, qr/^lockfs \d+\.\d+\S*\n\z/, 'version';
};

subtest 'as mount.fuse.lockfs' => sub {
    my ($source, $point) = (dir(), dir());
    my $helper = temp_path('mount.fuse.lockfs');
    symlink $binary, $helper;
    my %env = (LOCKFS_PRESETS => $presets);
    for my $options ('rw,allow_other,preset=git:pidfile', 'defaults,preset=pidfile,nofail,_netdev,x-systemd.automount,noatime') {
        my $r = run([ $helper, $source, $point, '-o', $options ], env => \%env);
        is $r->{status}, 'exit 0', $options or diag $r->{err};
        is $r->{err}, '', 'nothing said';
        is is_lock("$point/x.pid", 'excl'), 'lock', 'the preset is in force';
        ok run_quiet('umount', $point), 'unmounted';
    }
    my $r = run([ $helper, 'none', $point, '-o', 'defaults' ]);
    is $r->{status}, 'exit 0', 'none' or diag $r->{err};
    is is_lock("$point/anything", 'mkdir'), 'lock', 'every exclusive create is a lock';
    ok run_quiet('umount', $point), 'unmounted';
};

SKIP: {
    skip 'needs mount.fuse', 1 unless grep { -x "$_/mount.fuse" } qw(/sbin /usr/sbin);
    subtest 'by mount(8)' => sub {
        my ($source, $point, $bin) = (dir(), dir(), dir());
        symlink $binary, "$bin/lockfs";
        run_quiet('mount', '--bind', $bin, '/usr/local/sbin') or die "mount --bind\n";    # mount.fuse has a PATH of its own
        my %env = (LOCKFS_PRESETS => $presets);
        my $r = run([ 'mount', '-t', 'fuse.lockfs', $source, $point, '-o', 'allow_other,preset=git:pidfile' ], env => \%env);
        is $r->{status}, 'exit 0', 'mount -t fuse.lockfs' or diag $r->{err};
        is is_lock("$point/x.pid", 'excl'), 'lock', 'served with its options';
        ok run_quiet('umount', $point), 'unmounted';

        my $fstab = write_file(temp_path('fstab'), "$source  $source  fuse.lockfs  allow_other,preset=git:pidfile  0 0\n"
            . "none  $point  fuse.lockfs  defaults  0 0\n");
        for my $dir ($source, $point) {
            $r = run([ 'mount', '-T', $fstab, $dir ], env => \%env);
            is $r->{status}, 'exit 0', 'a line of fstab' or diag $r->{err};
            is is_lock("$dir/x.pid", 'excl'), 'lock', 'served';
            ok run_quiet('umount', $dir), 'unmounted';
        }
        $r = run([ 'mount', '-t', 'fuse.lockfs', $source, $point, '-o', 'nothing' ], env => \%env);
        isnt $r->{status}, 'exit 0', 'a mistake is told';
        like $r->{err}, qr/option nothing: unknown/, 'with what it is';
        run_quiet('umount', '/usr/local/sbin');
    };
}

subtest 'what the kernel is told' => sub {
    my $m = mount_lockfs(options => 'allow_other,noexec,nodev,noatime,fsname=my name,sync');
    my ($line) = grep { $_->{point} eq $m->path } mounts();
    like $line->{options}, qr/\b$_\b/, $_ for qw(noexec nodev noatime);
    like $line->{source}, qr/^my\\040name$/, 'fsname';
    my $c = client();
    expect ok => $c, 'put', $m->path . '/program', "#!/bin/sh\n";
    expect ok => $c, 'chmod', $m->path . '/program', '755';
    is run([ $m->path . '/program' ])->{status}, 'exit 127', 'noexec holds';
};

# ---- which names are locks ----

subtest 'the last rule that matches decides' => sub {
    my $m = mount_lockfs(options => 'lock=*.x,data=keep*.x,lock=keep-not.x,data=b.lock', args => [ '-o', 'lock=held', '-o', 'data=c.lock' ]);
    kinds $m, {
        'a.x' => 'lock', 'keep.x' => 'data', 'keep-not.x' => 'lock', 'a.lock' => 'lock', 'b.lock' => 'data',
        'c.lock' => 'data', 'held' => 'lock', 'Cargo.lock' => 'data', 'other' => 'data',
    };
};

subtest 'a key file comes before the command line, wherever that names it' => sub {
    my $config = write_file(temp_path('app.conf'), <<'CONF');
# rules of a test
[lockfs]
preset=pidfile
mtime=real
lock=from-options
[rules app]
lock=*.x;state/**/held
data=b.x;a.lock
[rules other]
lock=c.lock;any
create=any
CONF
    for my $order (0, 1) {
        my @args = ([ '-o', 'data=d.x' ], [ '-o', "config=$config,lock=b.x" ]);
        my $m = mount_lockfs(args => [ map { @$_ } $order ? @args : reverse @args ], env => { LOCKFS_PRESETS => $presets });
        my $c = client();
        expect ok => $c, 'mkdir', $m->path . "/$_" for 'state', 'state/deep';
        kinds $m, {
            'a.x' => 'lock', 'b.x' => 'lock', 'd.x' => 'data', 'a.lock' => 'data', 'c.lock' => 'lock', 'e.lock' => 'lock',
            'state/deep/held' => 'lock', 'held' => 'data', 'from-options' => 'lock', 'x.pid' => 'lock',
        };
        is is_lock($m->path . '/any', 'creat'), 'lock', 'create=any';
        expect ok => $c, 'mkdir', $m->path . '/t.lock';
        expect ok => $c, 'utimens', $m->path . '/t.lock', 1e9, 1e9;
        is client()->stat($m->path . '/t.lock')->{mtime}, 1e9, 'options of the file hold';
        $m->umount;
    }
};

subtest 'the key file of the system' => sub {
    my $etc = dir();
    run_quiet('cp', '-a', '/etc/.', $etc) or die "cp -a /etc\n";
    mkdir "$etc/lockfs";
    my $conf = write_file("$etc/lockfs/lockfs.conf", "[rules site]\nlock=site\n");
    run_quiet('mount', '--bind', $etc, '/etc') or die "mount --bind\n";
    kinds mount_lockfs(), { 'site' => 'lock', 'a.lock' => 'lock', 'other' => 'data' };
    kinds mount_lockfs(options => 'data=site'), { 'site' => 'data' };
    my $own = write_file(temp_path('own.conf'), "[rules own]\nlock=own\n");
    kinds mount_lockfs(options => "config=$own"), { 'site' => 'data', 'own' => 'lock' };
    write_file($conf, "[rules site]\nlokc=site\n");
    my $r = run_lockfs([ dir() ]);
    is $r->{status}, 'exit 2', 'a mistake in it stops the mount';
    like $r->{err}, qr{/etc/lockfs/lockfs\.conf: \[rules site\] lokc: unknown key; expected}, 'and is told';
    write_file($conf, "[rules site]\nlock=site\n");
    chmod 0600, $conf;
    $r = run_lockfs([ dir() ], user => unprivileged);
    like $r->{err}, qr{/etc/lockfs/lockfs\.conf: Permission denied}, 'one that cannot be read is not passed over';
    run_quiet('umount', '-l', '/etc');
};

subtest 'presets' => sub {
    my %env = (LOCKFS_PRESETS => $presets);
    my @git = ('.git', '.git/refs', '.git/refs/heads');
    for my $preset (undef, 'git', 'pidfile', 'git:pidfile') {
        my $m = mount_lockfs(env => \%env, options => $preset ? "preset=$preset" : '');
        my $c = client();
        expect ok => $c, 'mkdir', $m->path . "/$_" for @git;
        my %has = map { $_ => 1 } split /:/, $preset // '';
        kinds $m, {
            'x.pid'                   => $has{pidfile} ? 'lock' : 'data',
            '.git/refs/heads/mix.lock' => $has{git} ? 'lock' : 'data',
            '.git/index.lock'          => 'lock',
            'mix.lock'                 => 'data',
        }, 'excl';
    }
    kinds mount_lockfs(env => \%env, options => 'data=x.pid,preset=pidfile'), { 'x.pid' => 'lock' }, 'excl';
    kinds mount_lockfs(env => \%env, options => 'preset=pidfile,data=x.pid'), { 'x.pid' => 'data' }, 'excl';
    my $m = eval { mount_lockfs(env => \%env, options => 'preset=' . join ':', map { s{.*/}{}r =~ s/\.preset//r } glob "$presets/*.preset") };
    ok $m, 'all that are shipped, together' or diag $@;
};

subtest 'two sources side by side' => sub {
    my ($a, $b) = map { mount_lockfs() } 1, 2;
    my ($one, $other) = (client(), client());
    expect ok     => $one,   'mkdir', $a->path . '/x.lock';
    expect ok     => $other, 'mkdir', $b->path . '/x.lock';
    expect EXDEV  => $one,   'rename', $a->path . '/x.lock', $b->path . '/y.lock';
    is $a->umount, 'exit 0', 'one ends';
    expect EEXIST => $one,   'mkdir', $b->path . '/x.lock';
    $other->kill9;
    expect ok     => $one,   'mkdir', $b->path . '/x.lock';
};

done_testing;
