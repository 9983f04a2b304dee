# A contender that saw a stale entry and removes it late never removes the next owner's: forced interleavings in lock-step.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $quick  = $ENV{LOCKFS_QUICK};
my $rounds = $quick ? 100 : 1000;
my $deaths = $quick ? 20 : 300;
my $m      = mount_lockfs(source => 'tmpfs');
my $p      = $m->path;
my ($late, $next, $third) = map { client() } 1 .. 3;

my %kinds = (
    mkdir   => { take => [ 'mkdir', "$p/x.lock" ], remove => [ 'rmdir', "$p/x.lock" ] },
    excl    => { take => [ 'excl', "$p/x.lock" ], remove => [ 'unlink', "$p/x.lock" ] },
    symlink => { take => [ 'symlink', 'holder', "$p/x.lock" ], remove => [ 'unlink', "$p/x.lock" ] },
    away    => { take => [ 'mkdir', "$p/x.lock" ], remove => [ 'rename', "$p/x.lock", "$p/away-%d" ],
        release => [ 'rmdir', "$p/x.lock" ] },
    'file-away' => { take => [ 'excl', "$p/x.lock" ], remove => [ 'rename', "$p/x.lock", "$p/away-%d" ],
        release => [ 'unlink', "$p/x.lock" ] },
);

sub remove { my ($kind, $n) = @_; return map { s/%d/$n/r } @{ $kinds{$kind}{remove} } }
sub release { my ($kind) = @_; return @{ $kinds{$kind}{release} // $kinds{$kind}{remove} } }

sub report { my ($wrong, $what) = @_; is join(', ', map { "$_ ($wrong->{$_} times)" } sort keys %$wrong), '', $what }

for my $kind (sort keys %kinds) {
    my @take = @{ $kinds{$kind}{take} };

    # saw the first owner's; it is released; the next one takes it; the late removal comes.
    subtest "$kind: released and taken in between, $rounds times" => sub {
        my %wrong;
        for my $n (1 .. $rounds) {
            my ($first, $second) = $n % 2 ? ($next, $third) : ($third, $next);
            my $reply = $first->do(@take);
            $wrong{"first take $reply"}++ if $reply ne 'ok';
            my $seen = $late->stat("$p/x.lock");
            $wrong{"not seen: $seen"}++ if !ref $seen;
            $first->do(release($kind));
            $reply = $second->do(@take);
            $wrong{"second take $reply"}++ if $reply ne 'ok';
            my $then = $second->stat("$p/x.lock");
            $wrong{'the same inode number'}++ if ref $then && $then->{ino} == $seen->{ino};
            $reply = $late->do(remove($kind, $n));
            $wrong{"late removal $reply"}++ if $reply ne 'EBUSY';
            my $now = $second->stat("$p/x.lock");
            $wrong{'the lock is lost'}++ if !ref $now || $now->{ino} != $then->{ino};
            $reply = $second->do(release($kind));
            $wrong{"release $reply"}++ if $reply ne 'ok';
        }
        report(\%wrong, 'the next owner kept its lock');
    };

    # the same with a death: the late removal is on its way while the owner dies and the next one takes the name.
    subtest "$kind: the owner killed, the removal at once with the next taking, $deaths times" => sub {
        my (%wrong, %saw);
        for my $n (1 .. $deaths) {
            my $owner = client();
            my $reply = $owner->do(@take);
            $wrong{"first take $reply"}++ if $reply ne 'ok';
            ref $late->stat("$p/x.lock") or $wrong{'not seen'}++;
            if ($n % 3 == 0) { $late->start(remove($kind, $n)); $owner->kill('KILL') }
            else             { $owner->kill('KILL'); $late->start(remove($kind, $n)) }
            $owner->wait if $n % 2;
            $next->start(@take);
            $third->start(remove($kind, "other-$n"));
            my ($removed, $taken, $other) = map { $_->reply } $late, $next, $third;
            $saw{"$removed $taken $other"}++;
            $wrong{"late removal $removed"}++ if $removed !~ /^(EBUSY|ENOENT)$/;
            $wrong{"third's removal $other"}++ if $other !~ /^(EBUSY|ENOENT)$/;
            $wrong{"taken $taken"}++ if $taken ne 'ok' && ($n % 2 || $taken ne 'EEXIST');
            $owner->wait;
            $taken = $next->do(@take) if $taken ne 'ok';
            $wrong{"taken $taken"}++ if $taken ne 'ok';
            $reply = $late->do(remove($kind, $n));
            $wrong{"removal $reply"}++ if $reply ne 'EBUSY';
            $reply = $next->do(release($kind));
            $wrong{"release $reply"}++ if $reply ne 'ok';
        }
        report(\%wrong, 'the next owner kept its lock');
        note join ', ', map { "$_: $saw{$_}" } sort keys %saw;
    };
}

is_deeply [ $late->list($p) ], [], 'nothing is left over, nothing was moved away';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
