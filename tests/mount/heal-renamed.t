# A lock that was made elsewhere and moved onto its name is as mortal as any, although the kernel knew the entry before.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $rounds = $ENV{LOCKFS_QUICK} ? 30 : 200;
my $dir = temp_path('served');
mkdir $dir;

# In place the kernel may believe what it knows of data for long.
my $m = mount_lockfs(source => $dir, in_place => 1);
my ($p, $c, $next) = ($m->path, client(), client());

sub wrong { my ($wrong, $what) = @_; is join(', ', map { "$_ ($wrong->{$_} times)" } sort keys %$wrong), '', $what }

my %ways = (
    'a directory'            => [ [ 'mkdir', "$p/made" ], [ 'rename', "$p/made", "$p/x.lock" ], 'rmdir' ],
    'a file, if nothing is there' => [ [ 'put', "$p/made", '' ], [ 'rename', "$p/made", "$p/x.lock", 'noreplace' ], 'unlink' ],
);

for my $what (sort keys %ways) {
    my ($make, $move, $remove) = @{ $ways{$what} };
    subtest "$what, $rounds rounds" => sub {
        my %wrong;
        for (1 .. $rounds) {
            my $owner = client();
            my $reply = $owner->do(@$make);
            $wrong{"make $reply"}++ if $reply ne 'ok';
            $c->stat("$p/made");
            $reply = $owner->do(@$move);
            $wrong{"move $reply"}++ if $reply ne 'ok';
            ref $c->stat("$p/x.lock") or $wrong{'not seen'}++;
            $next->do('mkdir', "$p/other");
            $owner->kill9;
            my $seen = $c->stat("$p/x.lock");
            $wrong{'seen after the death'}++ if ref $seen;
            $reply = $next->do('rename', "$p/other", "$p/x.lock", 'noreplace');
            $wrong{"next $reply"}++ if $reply ne 'ok';
            $reply = $next->do('rmdir', "$p/x.lock");
            $wrong{"release $reply"}++ if $reply ne 'ok';
        }
        wrong(\%wrong, 'gone with its owner, first try');
    };
}

subtest 'a file that replaces a lock of the same owner' => sub {
    my %wrong;
    for (1 .. $rounds) {
        my $owner = client();
        $owner->do('excl', "$p/x.lock");
        $owner->do('put', "$p/made", 'text');
        $c->stat("$p/made");
        my $reply = $owner->do('rename', "$p/made", "$p/x.lock");
        $wrong{"move $reply"}++ if $reply ne 'ok';
        $c->do('get', "$p/x.lock") eq 'ok text' or $wrong{'not seen'}++;
        $owner->kill9;
        $wrong{'seen after the death'}++ if ref $c->stat("$p/x.lock");
        $reply = $next->do('excl', "$p/x.lock");
        $wrong{"next $reply"}++ if $reply ne 'ok';
        $next->do('unlink', "$p/x.lock");
    }
    wrong(\%wrong, 'gone with its owner, first try');
};

subtest 'a file exchanged with a lock of the same owner' => sub {
    my %wrong;
    for (1 .. $rounds) {
        my $owner = client();
        $owner->do('excl', "$p/x.lock");
        $owner->do('put', "$p/made", 'text');
        $c->stat("$p/made");
        my $reply = $owner->do('rename', "$p/x.lock", "$p/made", 'exchange');
        $wrong{"exchange $reply"}++ if $reply ne 'ok';
        $c->do('get', "$p/x.lock") eq 'ok text' or $wrong{'not seen'}++;
        $owner->kill9;
        $wrong{'seen after the death'}++ if ref $c->stat("$p/x.lock");
        ref $c->stat("$p/made") or $wrong{'the other file is lost'}++;
        $c->do('unlink', "$p/made");
    }
    wrong(\%wrong, 'the name of the lock is gone, the other stays');
};

subtest 'what is not to be a lock is moved as ever' => sub {
    expect ok => $c, 'put', "$p/a", 'text';
    expect ok => $c, 'rename', "$p/a", "$p/b";
    expect ok => $c, 'rename', "$p/b", "$p/c.lock";       # a publish: data
    expect ok => $next, 'rename', "$p/c.lock", "$p/d";    # so anyone may
    expect EEXIST => do { $c->do('mkdir', "$p/e"); $next->do('mkdir', "$p/x.lock"); $c }, 'rename', "$p/e", "$p/x.lock", 'noreplace';
    expect EBUSY  => $c, 'rename', "$p/e", "$p/x.lock";
    expect ok     => $next, 'rmdir', "$p/x.lock";
    expect ok     => $c, 'rename', "$p/e", "$p/x.lock";
    expect ok     => $c, 'rename', "$p/x.lock", "$p/e";
    expect ok     => $c, 'rename', "$p/e", "$p/x.lock";
    expect EBUSY  => $next, 'rmdir', "$p/x.lock";
    expect ok     => $c, 'rmdir', "$p/x.lock";
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
