# PostgreSQL: postmaster.pid and the lock of a socket, when the pid of a killed server is used again by the same user.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
my ($bin) = map { s{/[^/]*$}{}r } sort glob '/usr/lib/postgresql/*/bin/postgres';
plan skip_all => 'needs PostgreSQL' if !$bin;

my @as = (user => 'postgres');
my $template = temp_path('template');
mkdir $template;
chown Lockfs::Sys::user_ids('postgres'), $template;
must([ "$bin/initdb", '-D', "$template/data", '--no-sync', '-A', 'trust', '-E', 'UTF8', '--locale=C' ], @as);

heals 'postgres, the pid is used again', places('postgres', options => 'allow_other'),
    set_up => sub {
        my ($dir) = @_;
        must([ 'cp', '-a', "$template/.", $dir ]);
        must([ 'install', '-d', '-o', 'postgres', "$dir/run" ]);
    },
    hold => sub {
        my ($dir) = @_;
        my @server = ("$bin/postgres", '-D', "$dir/data", '-k', "$dir/run", '-c', 'listen_addresses=', '-F');
        return says(qr/ready to accept connections/, \@server, @as, end => 'TERM');
    },
    lock => [ 'data/postmaster.pid', 'run/.s.PGSQL.5432.lock' ],
    # A server for one session, which reads its commands from /dev/null.
    next     => sub { my ($dir) = @_; return ([ "$bin/postgres", '--single', '-F', '-D', "$dir/data", 'postgres' ], @as) },
    busy     => qr/^exit 1: .*lock file "postmaster.pid" already exists/s,
    brood    => 1,
    recycled => 1,
    @as;

done_testing;
