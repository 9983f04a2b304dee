# Whichever way the owner dies, its locks of every kind are gone once waitpid has returned: the first try succeeds.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my $p = $m->path;
my $next   = client();
my $rounds = $ENV{LOCKFS_QUICK} ? 50 : 500;

expect ok => $next, 'put', "$p/own", '';

# What takes each lock; what releases it. The directory to rename is made ahead, by whoever renames it.
my %take = (
    mkdir   => [ 'mkdir',   "$p/dir.lock" ],
    excl    => [ 'excl',    "$p/file.lock" ],
    symlink => [ 'symlink', 'holder', "$p/symlink.lock" ],
    link    => [ 'link',    "$p/own", "$p/link.lock" ],
    rename  => [ 'rename',  "$p/made-%s", "$p/rename.lock" ],
    mkfifo  => [ 'mknod',   "$p/fifo.lock", 'fifo' ],
);
my %release = map { ($_ => [ /mkdir|rename/ ? 'rmdir' : 'unlink', $take{$_}[-1] ]) } keys %take;
$release{mkfifo} = [ 'unlink', "$p/fifo.lock" ];
my @kinds = sort keys %take;

sub make_ready { my ($c, $who) = @_; return $c->do('mkdir', "$p/made-$who") }

sub take {
    my ($c, $kind, $who) = @_;
    return $c->do(map { s/%s/$who/r } @{ $take{$kind} });
}

sub take_all { my ($c, $who) = @_; make_ready($c, $who); return join ' ', map { "$_:" . take($c, $_, $who) } @_[2 .. $#_] }
sub release_all { my ($c) = @_; return join ' ', map { "$_:" . $c->do(@{ $release{$_} }) } @kinds }

my $all_ok = sub { join ' ', map { "$_:ok" } @_ };
my $all_held = join ' ', map { "$_:" . ($_ eq 'rename' ? 'EBUSY' : 'EEXIST') } @kinds;

sub ends_by {
    my ($how, $end) = @_;
    subtest $how => sub {
        my $owner = client();
        is take_all($owner, 'owner', @kinds), $all_ok->(@kinds), 'all taken';
        is take_all($next, 'next', @kinds), $all_held, 'all held';
        $end->($owner);
        is_deeply [ $next->list($p) ], [ 'made-next', 'own' ], 'none is listed';
        is take_all($next, 'next', @kinds), $all_ok->(@kinds), 'all taken by the next one';
        is release_all($next), $all_ok->(@kinds), 'and released';
    };
}

for my $signal (qw(KILL TERM SEGV INT HUP)) {
    ends_by("SIG$signal", sub { my ($owner) = @_; $owner->kill($signal); isnt $owner->wait, 0, 'ended by it' });
}
ends_by('exit 0', sub { my ($owner) = @_; is $owner->stop, 0, 'ended' });
ends_by('exit 3', sub { my ($owner) = @_; $owner->start('exit', 3); is $owner->wait, 3 << 8, 'ended' });
ends_by('a segmentation fault', sub { my ($owner) = @_; $owner->start('segv'); is $owner->wait, 11, 'ended' });
ends_by('a failed assertion', sub { my ($owner) = @_; $owner->kill('ABRT'); is $owner->wait & 127, 6, 'ended' });
ends_by('not reaped: a zombie', sub {
    my ($owner) = @_;
    $owner->kill('KILL');
    ok $owner->wait_dead, 'it has ended';
    like slurp('/proc/' . $owner->pid . '/stat'), qr/\) Z/, 'and is a zombie';
});
ends_by('its other threads too, when one calls exit', sub {
    my ($owner) = @_;
    expect ok => $owner, 'leader-exit';
    $owner->start('exit', 0);
    is $owner->wait, 0, 'ended';
});

subtest "$rounds rounds of kill, waitpid, first try" => sub {
    my %failed;
    my @order = @kinds;
    for my $round (1 .. $rounds) {
        push @order, shift @order;    # each kind comes first after the death in its turn
        my $owner = client();
        my $got   = take_all($owner, 'owner', @order);
        $failed{"round $round, owner: $got"}++ if $got ne $all_ok->(@order);
        $next->do('mkdir', "$p/made-next");
        $owner->kill9;
        $got = join ' ', map { "$_:" . take($next, $_, 'next') } @order;
        $failed{"round $round, next: $got"}++ if $got ne $all_ok->(@order);
        $got = release_all($next);
        $failed{"round $round, release: $got"}++ if $got ne $all_ok->(@kinds);
        last if keys %failed > 10;
    }
    is join("\n", sort keys %failed), '', 'every first try succeeded';
};

is_deeply [ $next->list($p) ], ['own'], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
