# What /proc keeps back of other users' processes, .lockfs keeps back as well.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::Sys qw(run_quiet user_ids);

need_root;
need_fuse;

# A /proc of this test's own, whose options are nobody else's.
run_quiet('mount', '-t', 'proc', 'proc', '/proc') or plan skip_all => 'needs the right to mount proc';
my ($uid, $gid) = user_ids(unprivileged);
my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
chmod 0777, $p;

sub hide { run_quiet('mount', '-o', "remount,$_[0]", '/proc') or die "remount /proc: $_[0]\n" }

my $theirs = client();
my $own    = client(user => unprivileged);
expect ok     => $own,    'exec';    # until then it is protected: it was root's
expect ok     => $theirs, 'mkdir', "$p/theirs.lock";
expect ok     => $own,    'mkdir', "$p/own.lock";
expect EEXIST => $theirs, 'mkdir', "$p/own.lock";

sub seen_by { my (%who) = @_; return map { $_->{path} => $_ } @{ ctl_json([ 'list', '--json', $p ], %who) } }

sub event_by {
    my (%who) = @_;
    my $watch = spawn([ ctl_program(), 'watch', '--json', $p ], %who);
    my $c     = client();
    my $line;
    until ($line) {
        $c->do('mkdir', "$p/event.lock");
        $c->do('rmdir', "$p/event.lock");
        $line = eval { $watch->recv(0.1) };
    }
    $watch->kill9;
    return from_json($line);
}

my @keys = qw(pid comm start_time exe cgroup);
my %expected = (
    'hidepid=0'          => [ 1, 1, 1, 0, 1 ],
    'hidepid=1,gid=0'    => [ 1, 0, 0, 0, 0 ],
    'hidepid=2,gid=0'    => [ 0, 0, 0, 0, 0 ],
    'hidepid=4,gid=0'    => [ 0, 0, 0, 0, 0 ],
    "hidepid=2,gid=$gid" => [ 1, 1, 1, 0, 1 ],
);

for my $options (sort keys %expected) {
    subtest $options => sub {
        hide($options);
        my %seen  = seen_by(user => unprivileged);
        my $owner = $seen{'theirs.lock'}{owner};
        my $want  = $expected{$options};
        is_deeply [ map { defined $owner->{$_} ? 1 : 0 } @keys ], $want, 'what is told of another user';
        is $owner->{uid}, 0, 'whose it is anybody sees';
        is $owner->{pid}, $want->[0] ? $theirs->pid : undef, 'the number';
        my $caller = $seen{'theirs.lock'}{caller};
        is_deeply [ map { defined $caller->{$_} ? 1 : 0 } qw(pid comm) ], [ @$want[ 0, 1 ] ], 'who called';
        my $waiter = $seen{'own.lock'}{waiters}[0];
        is_deeply [ map { defined $waiter->{$_} ? 1 : 0 } qw(pid comm) ], [ @$want[ 0, 1 ] ], 'who waits';
        my $event = event_by(user => unprivileged);
        is_deeply [ map { defined $event->{owner}{$_} ? 1 : 0 } qw(pid comm) ], [ @$want[ 0, 1 ] ], 'who in events';

        is_deeply [ map { defined $seen{'own.lock'}{owner}{$_} ? 1 : 0 } @keys ], [ 1, 1, 1, 1, 1 ], 'all is told of its own';
        my %root = seen_by();
        is_deeply [ map { defined $root{'theirs.lock'}{owner}{$_} ? 1 : 0 } @keys ], [ 1, 1, 1, 1, 1 ], 'and of all to root';
    };
}

hide('hidepid=2,gid=0');
like ctl([ 'show', "$p/theirs.lock" ], user => unprivileged)->{out}, qr/^owner +\(hidden\), uid 0$/m, 'in words';
like ctl([ 'list', $p ], user => unprivileged)->{out}, qr/^theirs\.lock +- +-/m, 'in a table';
is ctl([ 'graph', $p ], user => unprivileged)->{out} =~ /->/ ? 1 : 0, 0, 'no edge between hidden processes';
hide('hidepid=0');
my $protected = client(user => unprivileged);
expect ok => $protected, 'mkdir', "$p/protected.lock";
is ctl_json([ 'show', '--json', "$p/protected.lock" ], user => unprivileged)->{owner}{exe}, undef,
    'nor the program of a protected process of its own';
like ctl([ 'graph', $p ], user => unprivileged)->{out}, qr/->/, 'and one between others';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
