# What could be done twice, or by half, by a worker that is killed and the next one: appends where the source knows the
# end, healing with content, commands. Killed at every marked point, each is done once.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::CrashPoint;
use Lockfs::Ctl;
use Lockfs::Sys qw(slurp);

need_root;
need_fuse;
need_crash_points;

# $round->($disturbed) makes ready, runs what is to be disturbed as $disturbed->(sub { ... }), and returns what went wrong.
sub at_every_point {
    my ($name, $round) = @_;
    my ($point, $deaths, @failed) = ('?', 0);
    my $disturbed = sub {
        my ($what) = @_;
        arm($point);
        my @result = $what->();
        $deaths += $point ne '?' && !armed;
        disarm;
        return wantarray ? @result : $result[0];
    };
    passes;
    is join("\n", $round->($disturbed)), '', "$name: undisturbed";
    my %seen;
    my @points = grep { !$seen{$_}++ } passes;
    @points = @points[ grep { $_ % 2 == 0 || $points[$_] =~ /^act-/ } 0 .. $#points ] if $ENV{LOCKFS_QUICK};
    for (@points) {
        $point = $_;
        push @failed, map { "killed at $point: $_" } $round->($disturbed);
    }
    is join("\n", @failed), '', "$name: killed at each of " . @points . " points, $deaths deaths: @points";
}

sub differs { my ($what, $got, $want) = @_; return $got eq $want ? () : "$what: got '$got', expected '$want'" }

subtest 'an append where only the source knows the end' => sub {
    my $m = mount_crashing(source => 'tmpfs');
    my ($p, $c) = ($m->path, client());
    $c->do('put', "$p/log", "begin\n");
    my $fd   = $c->get('open', 'w,append', "$p/log");
    my $text = "begin\n";
    at_every_point(
        'append' => sub {
            my ($disturbed) = @_;
            open my $behind, '>>', $m->source . '/log' or die "log: $!";
            syswrite $behind, "behind\n";
            my $got = $disturbed->(sub { $c->do('write', $fd, "same\n") });
            $text .= "behind\nsame\n";
            return (differs('write', $got, 'ok'), differs('content', slurp($m->source . '/log'), $text));
        }
    );
    $c->do('close', $fd);
    is $m->umount, 'exit 0', 'the keeper ends well';
};
# What .lockfs/healed says of this name, last one last.
sub healed { my ($p, $name) = @_; return grep { $_->{path} eq $name } @{ ctl_json([ 'healed', '--json', $p ]) } }

sub counted { my ($p, $what) = @_; return ctl_json([ 'stats', '--json', $p ])->{$what} }

# A lock with content whose owner is to die.
sub doomed {
    my ($path) = @_;
    my $victim = client();
    $victim->do('mkdir', $path);
    $victim->do('put', "$path/id", 'me');
    return $victim;
}

for my $where ('', 'other-fs/') {
    subtest 'content is healed once and given back once' . ($where && ', where it cannot be moved far') => sub {
        my $m = mount_crashing(source => 'tmpfs');
        my ($p, $c, $rounds) = ($m->path . ($where && '/other-fs'), client(), 0);
        if ($where) {
            mkdir $m->source . '/other-fs';
            run([ 'mount', '-t', 'tmpfs', 'other', $m->source . '/other-fs' ]);
        }
        my $healed_once = sub {
            my ($first) = @_;
            my @healed = healed($m->path, "${where}x.lock");
            my $last = $healed[-1] // {};
            $rounds++;
            return (differs('heals', scalar @healed, $rounds), differs('kept', $last->{kept} ? 1 : 0, 1),
                differs('signal', $last->{signal} // $last->{reason}, 9));
        };
        my $given_back = sub {
            my $r = ctl([ 'restore', '--as', 'back', "$p/x.lock" ]);
            my @wrong = (differs('restore', $r->{status} . $r->{err}, 'exit 0'), differs('content', $c->do('get', "$p/back/id"), 'ok me'));
            run([ 'rm', '-r', "$p/back" ]);
            return (@wrong, differs('still kept', scalar(grep { $_->{kept} } healed($m->path, "${where}x.lock")), 0));
        };
        at_every_point(
            'healed by the next owner' => sub {
                my ($disturbed) = @_;
                my $victim = doomed("$p/x.lock");
                my $got = $disturbed->(sub { $victim->kill9; $c->do('mkdir', "$p/x.lock") });
                my @wrong = (differs('mkdir', $got, 'ok'), differs('inside', join(' ', $c->list("$p/x.lock")), ''));
                return (@wrong, differs('rmdir', $c->do('rmdir', "$p/x.lock"), 'ok'), $healed_once->(), $given_back->());
            }
        );
        at_every_point(
            'healed without a look' => sub {
                my ($disturbed) = @_;
                my $victim = doomed("$p/x.lock");
                my $w = watcher($p);
                my $heard = $disturbed->(sub { $victim->kill9; scalar(my @all = $w->until('DELETE', 'x.lock', 20)) });
                $w->stop;
                return (differs('heard of', $heard ? 1 : 0, 1), $healed_once->(), $given_back->());
            }
        ) if !$where;
        at_every_point(
            'given back' => sub {
                my ($disturbed) = @_;
                my $victim = doomed("$p/x.lock");
                $victim->kill9;
                my @wrong = (differs('mkdir', $c->do('mkdir', "$p/x.lock"), 'ok'), differs('rmdir', $c->do('rmdir', "$p/x.lock"), 'ok'));
                return (@wrong, $healed_once->(), $disturbed->($given_back));
            }
        ) if !$where;
        is counted($m->path, 'healed')->{signalled}, $rounds, 'each is counted once';
        is counted($m->path, 'restored'), $rounds, 'and what was given back';
        is $m->umount, 'exit 0', 'the keeper ends well';
        run([ 'umount', $m->source . '/other-fs' ]) if $where;
    };
}

subtest 'commands' => sub {
    my $m = mount_crashing(source => 'tmpfs');
    my ($p, $owner, $c) = ($m->path, client(), client());
    at_every_point(
        'break' => sub {
            my ($disturbed) = @_;
            my @wrong = (differs('mkdir', $owner->do('mkdir', "$p/x.lock"), 'ok'), differs('put', $owner->do('put', "$p/x.lock/id", 'me'), 'ok'));
            my $w = watcher($p);
            my $r = $disturbed->(sub {
                my $r = ctl([ 'break', '--yes', "$p/x.lock" ]);
                push @wrong, differs('heard of', scalar(my @all = $w->until('DELETE', 'x.lock', 20)) ? 1 : 0, 1);
                return $r;
            });
            $w->stop;
            return (@wrong, differs('break', $r->{status}, 'exit 0'), differs('entry', $c->stat("$p/x.lock"), 'ENOENT'));
        }
    );
    at_every_point(
        'transfer' => sub {
            my ($disturbed) = @_;
            my @wrong = differs('mkdir', $owner->do('mkdir', "$p/x.lock"), 'ok');
            my $r = $disturbed->(sub { ctl([ 'transfer', "$p/x.lock", $c->pid ]) });
            return (@wrong, differs('transfer', $r->{status} . $r->{err}, 'exit 0'), differs('old owner', $owner->do('rmdir', "$p/x.lock"), 'EBUSY'),
                differs('new owner', $c->do('rmdir', "$p/x.lock"), 'ok'));
        }
    );
    is $m->umount, 'exit 0', 'the keeper ends well';
};
done_testing;
