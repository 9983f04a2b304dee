# The presets of programs that are not run here: what they name goes with its maker, what lies beside it stays.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;
use Lockfs::Program;

need_root;
need_fuse;
need_program('dash');

# With each preset: names that are locks, made by mkdir with a / at the end, and names that are data.
my %presets = (
    eve => [
        [ 'cache/template-locks/docker/mix.lock/', 'cache/template-locks/docker/key.lock/' ],
        [ 'cache/template-locks/docker/key',       'cache/mix.lock/' ],
    ],
    nemoclaw => [
        [ 'sandboxes.json.lock/',              'onboard.lock', '.nemoclaw-portable-host.lock/' ],
        [ 'state/mcp-lifecycle-locks/0a.lock', 'sandboxes.json' ],
    ],
    openclaw => [
        [ 'sessions/0a.jsonl.lock', 'openclaw.json.lock', 'gateway.0a.lock', 'ext/a/.openclaw-runtime-deps.lock/' ],
        [ 'gateway.0a.lock.sqlite', 'sessions/0a.jsonl' ],
    ],
    script => [ [ 'lock/', 'state/lockdir/', 'LOCK' ], [ 'locks/', 'block' ] ],
);

sub make {
    my ($maker, $path) = @_;
    system('mkdir', '-p', $path =~ s{/[^/]+/?$}{}r) == 0 or die;
    expect ok => $maker, $path =~ s{/$}{} ? 'mkdir' : 'excl', $path;
    return $path;
}

for my $preset (sort keys %presets) {
    my ($locks, $data) = @{ $presets{$preset} };
    my $at = places($preset);
    subtest "preset $preset" => sub {
        for my $dir (@$at{qw(bare on)}) {
            my $maker = client();
            my @locks = map { make($maker, "$dir/$_") } @$locks;
            my @data = map { make($maker, "$dir/$_") } @$data;
            $maker->kill9;
            ok -e $_, "$_ stays" for @data, $dir eq $at->{bare} ? @locks : ();
            ok !-e $_, "$_ is gone" for $dir eq $at->{on} ? @locks : ();
        }
    };
    subtest 'scripts with bare names' => sub {
        my $script = script("mkdir \"\$1\" 2>&- || { echo busy; exit 1; }\necho held\nread line\nrmdir \"\$1\" && echo released\n");
        mkdir "$_/scripts" for @$at{qw(bare on)};
        holds_well([ 'dash', $script ], %$at, lock => "scripts/$_") for 'lock', 'lockdir', 'LOCK';
    } if $preset eq 'script';
}

done_testing;
