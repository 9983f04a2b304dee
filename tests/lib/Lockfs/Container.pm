package Lockfs::Container;

=head1 NAME

Lockfs::Container - clients inside containers of real runtimes

=head1 SYNOPSIS

    use Lockfs::Container;

    need_crun;
    my $c = container(binds => { '/state' => "$p/sub" }, userns => first_uid, readonly => 1, hostname => 'box', pid => 7);
    expect ok => $c, 'mkdir', '/state/x.lock';
    my $e = exec_client($c);                 # as `docker exec` does
    my $s = sandbox(binds => {...}, args => ['--unshare-user']);   # bubblewrap
    $c->kill_init;

=head1 DESCRIPTION

A container of crun's has a mount, pid, IPC and UTS namespace of its own (with C<userns> a
user namespace), the machine's F</usr> for its programs, and C</client>. The client is process 1,
or the process with that C<pid>, of a busybox shell. C<binds> are read-write bind mounts, C<propagation> is theirs.
C<into> is a cgroup to start it in. C<userns> is the uid outside of its root, as a rule C<first_uid>; C<caps> are
further capabilities.

What is returned is a client (L<Lockfs::Test>): its C<pid> is that outside, C<init> is the container's first process,
and C<wait> waits for the runtime, which ends when the container has.

=cut

use v5.30;
use warnings;
use parent -norequire, 'Lockfs::Client';
use Exporter qw(import);
use JSON::PP ();
use Lockfs::Client;
use Lockfs::Sys qw(fs_type helper run_quiet slurp user_ids);
use Lockfs::Test;

our @EXPORT = qw(need_crun need_bwrap container exec_client podman sandbox children_of first_uid unified_cgroups);

use constant first_uid => 100_000;

my $serial = 0;

# crun takes the unified hierarchy or the old ones, not both beside each other. In the mount namespace of the
# test there is only the former; its path.
sub unified_cgroups {
    my $place = '/sys/fs/cgroup';
    return $place if fs_type($place) eq 'cgroup2';
    return run_quiet('mount', '-t', 'cgroup2', 'none', $place) ? $place : undef;
}

sub need_crun {
    need_root;
    need_fuse;
    need_program('crun', 'busybox');
    plan skip_all => 'needs a cgroup2 hierarchy' if !unified_cgroups();
}

sub need_bwrap {
    need_root;
    need_fuse;
    need_program('bwrap');
}

sub _directories {
    my (@paths) = @_;
    for (@paths) { mkdir $_ or die "$_: $!\n" }
}

# A root directory that borrows the machine's programs.
sub _root {
    my ($root, @points) = @_;
    _directories($root, map { "$root/$_" } qw(usr proc dev tmp), map { s{^/}{}r } @points);
    for my $name (qw(bin sbin lib lib64)) {
        symlink readlink("/$name"), "$root/$name" if -l "/$name";
    }
    for my $file (qw(client lockfs-ctl)) { open my $fh, '>', "$root/$file" or die "$root/$file: $!\n" }
}

sub _bind { my ($to, $from, @options) = @_; return { destination => $to, source => $from, type => 'bind', options => [ 'rbind', @options ] } }

sub _mounts {
    my (%opt) = @_;
    my %binds = %{ $opt{binds} };
    return [
        { destination => '/proc', source => 'proc', type => 'proc' },
        { destination => '/dev', source => 'tmpfs', type => 'tmpfs', options => [ 'nosuid', 'mode=755' ] },
        _bind('/usr', '/usr', 'ro'),
        _bind('/client', helper('client'), 'ro'),
        _bind('/lockfs-ctl', Lockfs::Sys::build_dir() . '/cli/lockfs-ctl', 'ro'),
        map { _bind($_, $binds{$_}, $opt{propagation} // 'rprivate') } sort keys %binds,
    ];
}

# Process 1 is a shell when the client is to be another: the numbers before it are used up.
sub _command {
    my (%opt) = @_;
    return ['/client'] if !$opt{pid};
    return [ '/usr/bin/busybox', 'sh', '-c', ('/usr/bin/busybox true; ' x ($opt{pid} - 2)) . '/client; exit $?' ];
}

sub _config {
    my (%opt) = @_;
    my @caps = map { "CAP_$_" } qw(CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SYS_CHROOT MKNOD), @{ $opt{caps} // [] };
    my %linux = (namespaces => [ map { { type => $_ } } qw(pid mount ipc uts), $opt{userns} ? 'user' : () ]);
    if ($opt{userns}) {
        my $map = [ { containerID => 0, hostID => $opt{userns}, size => 65536 } ];
        @linux{qw(uidMappings gidMappings)} = ($map, $map);
    }
    $linux{rootfsPropagation} = $opt{propagation} if $opt{propagation};
    return {
        ociVersion => '1.0.0',
        process    => {
            terminal => JSON::PP::false, user => { uid => 0, gid => 0 }, cwd => '/', args => _command(%opt),
            env => ['PATH=/usr/bin:/bin'], noNewPrivileges => JSON::PP::true,
            capabilities => { map { $_ => \@caps } qw(bounding effective permitted) },
        },
        root     => { path => 'root', readonly => $opt{readonly} ? JSON::PP::true : JSON::PP::false },
        hostname => $opt{hostname} // 'box',
        mounts   => _mounts(%opt),
        linux    => \%linux,
    };
}

sub _write { my ($path, $text) = @_; open my $fh, '>', $path or die "$path: $!\n"; print {$fh} $text; close $fh }

# The runtime keeps its hands off cgroups: not every machine that runs this has the layout it wants.
sub runtime { return ('crun', '--cgroup-manager=disabled', '--root', temp_path('crun')) }

sub children_of {
    my ($pid) = @_;
    return map { split ' ', slurp($_) } glob "/proc/$pid/task/*/children";
}

# The process that bears this number in the pid namespace of another one; as seen from outside.
sub host_pid {
    my ($neighbour, $number) = @_;
    my $ns = readlink "/proc/$neighbour/ns/pid" // die "no process $neighbour\n";
    for my $pid (map { s{^/proc/}{}r } glob '/proc/[1-9]*') {
        next if (readlink "/proc/$pid/ns/pid" // '') ne $ns;
        return $pid if slurp("/proc/$pid/status") =~ /^NSpid:.*\s$number$/m;
    }
    die "no process $number there\n";
}

sub _greet {
    my ($self) = @_;
    my $number = $self->_announced;
    $self->{init} = $self->{pidfile} ? slurp($self->{pidfile}) + 0 : (children_of($self->{child}))[0];
    $self->{pid} = host_pid($self->{init}, $number);
    return $self;
}

sub init { return $_[0]{init} }

# kill -9 of the container's first process, and the end of the runtime.
sub kill_init {
    my ($self) = @_;
    kill 'KILL', $self->{init};
    return $self->wait;
}

sub inside {
    my ($self, $path) = @_;
    return $self->{bundle} ? $path =~ s{^\Q$self->{bundle}/root\E}{}r : $path;
}

sub place_child {
    my ($self, $child, $number) = @_;
    $child->{number} = $number;
    $child->{pid} = host_pid($self->{init}, $number);
}

sub container {
    my (%opt) = @_;
    my $name   = 'c' . ++$serial;
    my $bundle = temp_path($name);
    _directories($bundle);
    _root("$bundle/root", keys %{ $opt{binds} });
    _write("$bundle/config.json", JSON::PP->new->canonical->encode(_config(%opt)));
    my @argv = (runtime(), 'run', '--bundle', $bundle, $name);
    @argv = ('sh', '-c', 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', 'sh', $opt{into}, @argv) if $opt{into};
    my $self = __PACKAGE__->new(program => \@argv, dir => "$bundle/root/tmp", stderr => $opt{stderr});
    @$self{qw(name bundle)} = ($name, $bundle);
    return $self;
}

# A helper that enters a running container, started from outside of it.
sub exec_client {
    my ($container, %opt) = @_;
    my $self = __PACKAGE__->new(
        program => [ runtime(), 'exec', $container->{name}, @{ $opt{under} // [] }, '/client' ],
        dir     => $container->{dir}, stderr => $opt{stderr},
    );
    $self->{bundle} = $container->{bundle};
    return $self;
}

# podman runs crun under a monitor of its own, which is nobody's child. Everything it writes is the test's.
sub podman {
    my (%opt) = @_;
    my $name   = 'p' . ++$serial;
    my $bundle = temp_path($name);
    _directories($bundle);
    _root("$bundle/root", keys %{ $opt{binds} });
    my %volumes = (%{ $opt{binds} }, '/usr' => '/usr', '/client' => helper('client'));
    my @volumes = map { ('--volume', "$volumes{$_}:$_" . ($opt{binds}{$_} ? '' : ':ro')) } sort keys %volumes;
    my $self = __PACKAGE__->new(
        program => [
            'podman', '--root', temp_path('podman'), '--runroot', temp_path('podman-run'), '--storage-driver', 'vfs',
            '--runtime', 'crun', '--cgroup-manager', 'cgroupfs', 'run', '--rm', '--interactive', '--name', $name,
            '--pidfile', "$bundle/pid", '--cgroups', 'disabled', '--network', 'none', '--log-driver', 'none',
            (map { ('--ulimit', "$_=1024:1024") } qw(nofile nproc)), @volumes, @{ $opt{args} // [] },
            '--rootfs', "$bundle/root", '/client',
        ],
        dir => "$bundle/root/tmp", pidfile => "$bundle/pid", stderr => $opt{stderr},
    );
    $self->{bundle} = $bundle;
    return $self;
}

# bubblewrap, as that user: the machine's files read-only, and a pid namespace whose process 1 is its own.
sub sandbox {
    my (%opt) = @_;
    my @binds = map { ('--bind', $opt{binds}{$_}, $_) } sort keys %{ $opt{binds} // {} };
    my @as;
    if (defined $opt{user}) {
        my ($uid, $gid) = user_ids($opt{user});
        @as = ('setpriv', '--reuid', $uid, '--regid', $gid, '--clear-groups', '--');
    }
    return __PACKAGE__->new(
        program => [
            @as, 'bwrap', '--unshare-pid', @{ $opt{args} // [] }, '--ro-bind', '/', '/', '--proc', '/proc',
            '--tmpfs', '/mnt', @binds, helper('client')
        ],
        dir     => temp_path('.'), stderr => $opt{stderr},
    );
}

1;
