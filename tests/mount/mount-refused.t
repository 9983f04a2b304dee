# What cannot be mounted is refused with one clear line, the documented exit status, no mount and no process left.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(mounts run_quiet);

need_root;
need_fuse;

my $serial = 0;
my $config = temp_path('test.conf');

sub dir { my $path = temp_path('dir-' . ++$serial); mkdir $path or die "$path: $!\n"; return $path }

sub write_file {
    my ($path, $text) = @_;
    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
    return $path;
}

sub mount_list { return join "\n", map { "$_->{point} $_->{dev}" } mounts() }

sub daemons {
    my $exe = Lockfs::Mount::binary();
    return grep { (readlink($_) // '') eq $exe } glob '/proc/[0-9]*/exe';
}

# One assertion group a line: refused WHAT, STATUS, qr/MESSAGE/, ARGS, %options of run().
sub refused {
    my ($what, $status, $message, $args, %opt) = @_;
    subtest $what => sub {
        my ($mounts, $daemons) = (mount_list(), scalar daemons());
        for my $foreground (0, 1) {
            my $r = run_lockfs([ $foreground ? '-f' : (), @$args ], %opt);
            my $how = $foreground ? 'in the foreground' : 'in the background';
            is $r->{status}, "exit $status", "$how: exit status";
            like $r->{err}, $message, "$how: the message";
            is $r->{err} =~ tr/\n//, 1, "$how: one line" or diag $r->{err};
            is $r->{out}, '', "$how: nothing else said";
        }
        is mount_list(), $mounts, 'nothing is mounted';
        is scalar(daemons()), $daemons, 'no process is left';
    };
}

sub refused_option {
    my ($option, $message) = @_;
    my ($name) = $option =~ /^([^=]*)/;
    return refused("-o $option", 2, qr/\boption \Q$option\E: .*$message/, [ '-o', $option, dir() ]);
}

sub refused_config {
    my ($what, $text, $message) = @_;
    write_file($config, $text);
    return refused("a configuration with $what", 2, qr/\Q$config\E: $message/, [ '-o', "config=$config", dir() ]);
}

# ---- the command line ----

refused 'nothing to serve', 2, qr/--help/, [];
refused 'three directories', 2, qr/--help/, [ dir(), dir(), dir() ];
refused 'an unknown short option', 2, qr/-Q\b.*--help/, [ '-Q', dir() ];
refused 'an unknown long option', 2, qr/--nothing\b.*--help/, [ '--nothing', dir() ];
refused '-o without its argument', 2, qr/-o\b/, [ dir(), '-o' ];

refused_option @$_ for (
    [ 'nothing',              qr/unknown.*--help/ ],
    [ 'lokc=*.x',             qr/unknown.*--help/ ],
    [ 'lock=',                qr/expected lock=GLOB/ ],
    [ 'lock',                 qr/expected lock=GLOB/ ],
    [ 'lock=a[b',             qr/pattern "a\[b"/ ],
    [ 'data=../x',            qr/pattern "\.\.\/x"/ ],
    [ 'preset=',              qr/expected preset=/ ],
    [ 'observe=maybe',        qr/takes no value/ ],
    [ 'unowned=sometimes',    qr/expected / ],
    [ 'retain=soon',          qr/expected .*10m/ ],
    [ 'retain_max=much',      qr/expected .*64m/ ],
    [ 'retain=-1s',           qr/expected .*10m/ ],
    [ 'retain=99999999999d',  qr/expected .*10m/ ],
    [ 'mtime=old',            qr/expected live or real/ ],
    [ 'max_locks=0',          qr/expected a number/ ],
    [ 'max_locks=-5',         qr/expected a number/ ],
    [ 'max_locks=many',       qr/expected a number/ ],
    [ 'max_locks=99999999999999999999', qr/expected a number/ ],
    [ 'max_locks_per_uid=1x', qr/expected a number/ ],
    [ 'max_locks',            qr/expected max_locks=N/ ],
    [ 'fsname=',              qr/expected fsname=/ ],
);

refused 'an unknown preset', 2, qr/option preset=git:nosuch: .*"nosuch".*git, .*pidfile/, [ '-o', 'preset=git:nosuch', dir() ];
refused 'a preset named as a path', 2, qr/option preset=\.\.\/x: .*"\.\.\/x"/, [ '-o', 'preset=../x', dir() ];
{
    my $presets = dir();
    write_file("$presets/broken.preset", "[preset]\ndescription=x\n[rules broken]\nlock=a[b\n");
    refused 'a broken preset', 2, qr/\Q$presets\E\/broken\.preset: \[rules broken\] lock: .*"a\[b"/,
        [ '-o', 'preset=broken', dir() ], env => { LOCKFS_PRESETS => $presets };
}

# ---- the key file: file, group, key, expectation ----

refused 'a configuration that is not there', 2, qr/\Q$config\E.none: No such file/, [ '-o', "config=$config.none", dir() ];
refused 'a configuration that is a directory', 2, qr/\/dir-\d+: Is a directory/, [ '-o', 'config=' . dir(), dir() ];
refused 'config= without a file', 2, qr/option config=: expected config=FILE/, [ '-o', 'config=', dir() ];

refused_config @$_ for (
    [ 'an unknown group',  "[locks]\nlock=x\n",              qr/\[locks\]: unknown group; expected \[lockfs\]/ ],
    [ 'an unknown key',    "[rules a]\nlokc=x\n",            qr/\[rules a\] lokc: unknown key; expected lock, / ],
    [ 'an unknown option', "[lockfs]\nnothing=1\n",          qr/\[lockfs\] nothing: .*expected an option/ ],
    [ 'config in it',      "[lockfs]\nconfig=/etc/passwd\n", qr/\[lockfs\] config: .*expected/ ],
    [ 'a bad value',       "[rules a]\nlock=x\nowner=me\n",  qr/\[rules a\] owner: .*"me"; expected process/ ],
    [ 'a bad flag',        "[lockfs]\nobserve=perhaps\n",    qr/\[lockfs\] observe: .*expected true or false/ ],
    [ 'a bad number',      "[lockfs]\nmax_locks=x\n",        qr/\[lockfs\] max_locks: .*expected a number/ ],
    [ 'a bad time',        "[lockfs]\nretain=x\n",           qr/\[lockfs\] retain: .*expected a span of time/ ],
    [ 'an unknown preset', "[lockfs]\npreset=nosuch\n",      qr/\[lockfs\] preset: .*"nosuch".*expected one of/ ],
    [ 'no value',          "[rules a]\nlock=\n",             qr/\[rules a\] lock: no value; expected globs/ ],
    [ 'no value for an option', "[lockfs]\nmtime=\n",        qr/\[lockfs\] mtime: .*expected mtime=live\|real/ ],
    [ 'a bad glob',        "[rules a]\nlock=ok;a[b\n",       qr/\[rules a\] lock: .*"a\[b"/ ],
    [ 'a bad glob among the options', "[lockfs]\nlock=a[b\n", qr/\[lockfs\] lock: .*"a\[b"/ ],
    [ 'the same key twice', "[rules a]\nlock=x\nlock=y\n",   qr/\[rules a\] lock: line 3 .*expected once/ ],
    [ 'no group',          "lock=x\n",                       qr/.*group/ ],
    [ 'a line of prose',   "[lockfs]\nserve it well\n",      qr/.*serve it well/ ],
    [ 'other bytes than text', "[lockfs]\nfsname=\xff\xfe\n", qr/line 2 is not text/ ],
);

# ---- what is to be served ----

my $missing = temp_path('missing');
my $file    = write_file(temp_path('file'), '');
refused 'no such directory', 2, qr/\Q$missing\E: No such file or directory; /, [$missing];
refused 'no such source', 2, qr/\Q$missing\E: No such file or directory; /, [ $missing, dir() ];
refused 'no such mount point', 2, qr/\Q$missing\E: No such file or directory; /, [ dir(), $missing ];
refused 'no such mount point for none', 2, qr/\Q$missing\E: No such file or directory; /, [ 'none', $missing ];
refused 'a file', 2, qr/\Q$file\E: Not a directory; /, [$file];
refused 'a file as the source', 2, qr/\Q$file\E: Not a directory; /, [ $file, dir() ];
refused 'a file as the mount point', 2, qr/\Q$file\E: Not a directory; /, [ dir(), $file ];
refused 'an empty name', 2, qr/No such file or directory; /, [''];
{
    my $loop = temp_path('loop');
    symlink 'loop', $loop;
    refused 'a symbolic link to itself', 2, qr/\Q$loop\E: Too many levels of symbolic links; /, [$loop];
}
{
    my $below = dir();
    mkdir "$below/inside";
    refused 'a mount point inside the source', 2, qr/\Q$below\E\/inside: .*inside/, [ $below, "$below/inside" ];
    my $alias = dir();
    run_quiet('mount', '--bind', $below, $alias) or die "mount --bind\n";
    refused 'a mount point inside the source, by another path', 2, qr/\Q$alias\E\/inside: .*inside/,
        [ $below, "$alias/inside" ];
    run_quiet('umount', $alias);
}

# ---- served already ----

subtest 'served already' => sub {
    my $m = mount_lockfs(options => 'allow_other');
    my ($source, $path) = ($m->source, $m->path);
    my $c = client();
    expect ok => $c, 'mkdir', "$path/sub";
    my $again = qr/already served by .*lockfs/;

    refused 'the same source elsewhere', 1, qr/\Q$source\E: $again/, [ $source, dir() ];
    refused 'the same source in place', 1, qr/\Q$source\E: $again/, [$source];
    refused 'the same mount point in place', 1, qr/\Q$path\E: $again/, [$path];
    refused 'another source at the same mount point', 1, qr/\Q$path\E: $again/, [ dir(), $path ];
    refused 'memory at the same mount point', 1, qr/\Q$path\E: $again/, [ 'none', $path ];
    refused 'the mount as a source', 1, qr/\Q$path\E: $again/, [ $path, dir() ];
    refused 'a directory of the mount', 1, qr/\Q$path\E\/sub: $again/, ["$path/sub"];
    refused 'a directory of the mount as a source', 1, qr/\Q$path\E\/sub: $again/, [ "$path/sub", dir() ];

    my $alias = dir();
    run_quiet('mount', '--bind', $source, $alias) or die "mount --bind\n";
    refused 'the source through a bind mount', 1, qr/\Q$alias\E: $again/, [ $alias, dir() ];
    refused 'the source through a bind mount, in place', 1, qr/\Q$alias\E: $again/, [$alias];
    run_quiet('umount', $alias);

    run_quiet('mount', '--bind', "$path/sub", $alias) or die "mount --bind\n";
    refused 'a directory of the mount through a bind mount', 1, qr/\Q$alias\E: $again/, [$alias];
    run_quiet('umount', $alias);

    expect ok => $c, 'mkdir', "$path/x.lock";
    is $m->umount, 'exit 0', 'the first one was not disturbed';
    my $next = mount_lockfs(source => $source);
    ok $next->is_mounted, 'and when it has ended the source can be served again';
};

# ---- the means ----

sub in_broken_world {
    my ($break, $code) = @_;
    run_quiet(@$break) or die "@$break\n";
    $code->();
    run_quiet('umount', '-l', $break->[-1]) or die "umount $break->[-1]\n";
}

sub user_dirs {
    my ($uid, $gid) = Lockfs::Sys::user_ids(unprivileged);
    return map { my $d = dir(); chown $uid, $gid, $d; $d } 1, 2;
}

subtest '/dev/fuse is something else' => sub {
    in_broken_world([ 'mount', '--bind', '/dev/null', '/dev/fuse' ], sub {
        refused 'as root', 1, qr/\/dev\/fuse: not the device .*; /, [ dir() ];
    });
};

subtest '/dev/fuse is closed to users' => sub {
    in_broken_world([ 'mount', '-t', 'tmpfs', 'lockfs-test', '/dev' ], sub {
        run_quiet('mknod', '-m', '666', '/dev/null', 'c', 1, 3);
        run_quiet('mknod', '-m', '600', '/dev/fuse', 'c', 10, 229);
        refused 'as a user', 1, qr/\/dev\/fuse: Permission denied; .*chmod 666/, [ user_dirs() ], user => unprivileged;
    });
};

subtest 'no /dev/fuse' => sub {
    in_broken_world([ 'mount', '-t', 'tmpfs', 'lockfs-test', '/dev' ], sub {
        run_quiet('mknod', '-m', '666', '/dev/null', 'c', 1, 3);
        refused 'as root', 1, qr/\/dev\/fuse: No such file or directory; .*modprobe fuse/, [ dir() ];
        refused 'as a user', 1, qr/\/dev\/fuse: No such file or directory; .*modprobe fuse/, [ user_dirs() ],
            user => unprivileged;
    });
};

SKIP: {
    skip 'needs fusermount3', 1 unless -x '/usr/bin/fusermount3';
    my $file = write_file(temp_path('not-a-program'), '');
    in_broken_world([ 'mount', '--bind', $file, '/usr/bin/fusermount3' ], sub {
        refused 'no fusermount3', 1, qr/fusermount3: not found; .*package fuse3/, [ user_dirs() ], user => unprivileged;
    });
}

subtest 'as an ordinary user' => sub {
    my ($mine, $other) = user_dirs();
    my @as = (user => unprivileged);
    my $foreign = dir();
    my $shut    = dir();
    chmod 0700, $shut;
    in_broken_world([ 'mount', '--bind', write_file(temp_path('fuse.conf'), "#user_allow_other\n"), '/etc/fuse.conf' ], sub {
        refused 'allow_other without user_allow_other', 1, qr/option allow_other: .*user_allow_other.*\/etc\/fuse\.conf/,
            [ '-o', 'allow_other', $mine, $other ], @as;
    });
    refused "over somebody else's directory", 1, qr/\Q$foreign\E: Permission denied; /, [ $mine, $foreign ], @as;
    refused "somebody else's directory in place", 1, qr/\Q$foreign\E: Permission denied; /, [$foreign], @as;
    refused 'a source that cannot be read', 1, qr/\Q$shut\E: .*Permission denied/, [ $shut, $mine ], @as;
    refused 'below a directory that cannot be entered', 2, qr/\Q$shut\E\/x: Permission denied; /, ["$shut/x"], @as;
};

done_testing;
