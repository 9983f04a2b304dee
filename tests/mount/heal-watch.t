# Watchers hear of a death as of a removal by hand, and nobody has to look: the lock DELETE_SELF, its directory DELETE.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $quick = $ENV{LOCKFS_QUICK};

# Kills, and returns the events up to the DELETE of the name and, with $self, the end of the watch on the lock.
sub events_of_death {
    my ($owner, $w, $name, $self) = @_;
    $owner->kill9;
    my (@events, %seen);
    while (!$seen{DELETE} || ($self && !$seen{IGNORED})) {
        my $event = $w->next(20) // last;
        push @events, $event;
        $seen{ $event->{mask} } = $event if $event->{mask} ne 'DELETE' || $event->{name} eq $name;
    }
    return \%seen;
}

sub announced {
    my ($what, $dir, $name, $take, %opt) = @_;
    subtest $what => sub {
        my $owner = client();
        expect ok => $owner, @$_ for @$take;
        my $w    = watcher($dir, $opt{no_self} ? () : "$dir/$name");
        my $seen = events_of_death($owner, $w, $name, !$opt{no_self});
        ok $seen->{DELETE}, 'the directory: DELETE' or return;
        is $seen->{DELETE}{isdir}, $opt{isdir} // 0, 'of its kind';
        is $seen->{DELETE}{path}, $dir, 'of its directory';
        return if $opt{no_self};
        ok $seen->{DELETE_SELF}, 'the lock: DELETE_SELF';
        ok $seen->{IGNORED}, 'the lock: IGNORED';
    };
}

for my $way ('elsewhere', 'in place') {
    my $m = mount_lockfs(source => 'tmpfs', in_place => $way eq 'in place');
    my ($p, $c) = ($m->path, client());
    expect ok => $c, 'put', "$p/own", 'a';

    announced("$way: a directory", $p, 'x.lock', [ [ 'mkdir', "$p/x.lock" ] ], isdir => 1);
    announced("$way: a directory that is not empty", $p, 'x.lock',
        [ [ 'mkdir', "$p/x.lock" ], [ 'put', "$p/x.lock/pid", '1' ], [ 'mkdir', "$p/x.lock/sub" ], [ 'put', "$p/x.lock/sub/a", '1' ] ], isdir => 1);
    announced("$way: an empty file", $p, 'x.lock', [ [ 'excl', "$p/x.lock" ] ]);
    announced("$way: a file", $p, 'x.lock', [ [ 'excl', "$p/x.lock" ], [ 'put', "$p/x.lock", 'text' ] ]);
    announced("$way: a symbolic link", $p, 'x.lock', [ [ 'symlink', 'nowhere', "$p/x.lock" ] ], no_self => 1);
    announced("$way: a link to a file", $p, 'x.lock', [ [ 'link', "$p/own", "$p/x.lock" ] ], no_self => 1);
    announced("$way: a fifo", $p, 'x.lock', [ [ 'mknod', "$p/x.lock", 'fifo' ] ]);
    announced("$way: a directory moved onto the name", $p, 'x.lock', [ [ 'mkdir', "$p/made" ], [ 'rename', "$p/made", "$p/x.lock" ] ], isdir => 1);

    my $deep = $p;
    for my $level (1 .. 60) { $deep .= "/level-$level"; $c->do('mkdir', $deep) }
    announced("$way: sixty levels down", $deep, 'x.lock', [ [ 'mkdir', "$deep/x.lock" ] ], isdir => 1);

    my %odd = (newline => "a\nb.lock", 'invalid UTF-8' => "\xff\xfe\x80.lock", '255 bytes' => ('n' x 250) . '.lock', space => ' .lock', 'a percent' => '%41.lock',
        'quotes' => q{'"\\.lock});
    for my $what (sort keys %odd) {
        my $name = $odd{$what};
        announced("$way: a name with $what", $p, $name, [ [ 'mkdir', "$p/$name" ], [ 'put', "$p/$name/a", '1' ] ], isdir => 1);
        announced("$way: a directory with $what", "$p/$name.d", 'x.lock', [ [ 'mkdir', "$p/$name.d" ], [ 'excl', "$p/$name.d/x.lock" ] ])
            if length $name < 250;
    }

    my $rounds = $quick ? 20 : 100;
    subtest "$way: while somebody looks all the time, $rounds rounds" => sub {
        my $looker = spawn(sub { $| = 1; print "go\n"; while (1) { my @st = lstat "$p/x.lock" } });
        $looker->recv;
        my ($w, $missed) = (watcher($p), 0);
        for my $round (1 .. $rounds) {
            my $owner = client();
            $owner->do('mkdir', "$p/x.lock");
            $w->until('CREATE', 'x.lock', 10);
            $owner->do('put', "$p/x.lock/pid", '1') if $round % 2;
            $owner->kill9;
            my @events = $w->until('DELETE', 'x.lock', 10);
            $missed++ if !@events;
        }
        is $missed, 0, 'each death was announced';
        $looker->kill9;
        $w->stop;
    };

    subtest "$way: while somebody tries to take it all the time, $rounds rounds" => sub {
        my ($w, $missed, %first) = (watcher($p), 0);
        my $taker = client();
        for my $round (1 .. $rounds) {
            my $owner = client();
            $owner->do('mkdir', "$p/x.lock");
            $w->until('CREATE', 'x.lock', 10);
            $owner->kill('KILL');
            while ($taker->do('mkdir', "$p/x.lock") ne 'ok') { }
            my $event = $w->next(10);
            $first{ $event ? $event->{mask} : 'nothing' }++;
            $taker->do('rmdir', "$p/x.lock");
            $w->until('DELETE', 'x.lock', 10) or $missed++ if $event && $event->{mask} eq 'CREATE';
            if ($event && $event->{mask} eq 'DELETE') { $w->until('CREATE', 'x.lock', 10) && $w->until('DELETE', 'x.lock', 10) or $missed++ }
            $owner->wait;
        }
        is_deeply [ grep { !/^(DELETE|CREATE)$/ } keys %first ], [], 'the first to be heard: its removal, or the next making';
        is $missed, 0, 'and then what the next one did';
        note join ', ', map { "$_: $first{$_}" } sort keys %first;
        $w->stop;
    };

    expect ok => $c, 'unlink', "$p/own";
    is $m->umount, 'exit 0', "$way: the daemon ends well";
}
done_testing;
