# What could be done twice, or by half, by a worker that is killed and the next one: appends where the source knows the
# end, healing with content, commands. Killed at every marked point, each is done once.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::Sys qw(build_dir slurp);

need_root;
need_fuse;

my $strings = run([ 'strings', Lockfs::Mount::binary() ])->{out};
plan skip_all => 'built without -Dcrash_points=true' if $strings !~ /LOCKFS_CRASH_POINT/;

my $file = temp_path('crash-point');
my %env  = (LOCKFS_CRASH_POINT => $file);

sub arm { my ($point) = @_; open my $fh, '>', $file or die "$file: $!"; print $fh $point; close $fh }

# $round->() makes ready, calls $armed->() when what is to be disturbed comes, and returns what went wrong.
sub at_every_point {
    my ($name, $round) = @_;
    unlink "$file.passed";
    my @wrong = $round->(sub { arm('?') });
    unlink $file;
    is join("\n", @wrong), '', "$name: undisturbed";
    my %seen;
    my @points = grep { length && !$seen{$_}++ } split /\n/, slurp("$file.passed");
    my ($deaths, @failed) = (0);
    for my $point (@points) {
        push @failed, map { "killed at $point: $_" } $round->(sub { arm($point) });
        $deaths += !-e $file;
        unlink $file;
    }
    is join("\n", @failed), '', "$name: killed at each of " . @points . " points, $deaths deaths: @points";
}

sub differs { my ($what, $got, $want) = @_; return $got eq $want ? () : "$what: got '$got', expected '$want'" }

subtest 'an append where only the source knows the end' => sub {
    my $m = mount_lockfs(source => 'tmpfs', env => \%env);
    my ($p, $c) = ($m->path, client());
    $c->do('put', "$p/log", "begin\n");
    my $fd   = $c->get('open', 'w,append', "$p/log");
    my $text = "begin\n";
    at_every_point(
        'append' => sub {
            my ($armed) = @_;
            open my $behind, '>>', $m->source . '/log' or die "log: $!";
            syswrite $behind, "behind\n";
            $armed->();
            my $got = $c->do('write', $fd, "same\n");
            $text .= "behind\nsame\n";
            return (differs('write', $got, 'ok'), differs('content', slurp($m->source . '/log'), $text));
        }
    );
    $c->do('close', $fd);
    is $m->umount, 'exit 0', 'the keeper ends well';
};
done_testing;
