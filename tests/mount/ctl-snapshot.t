# One reader of .lockfs/locks sees one moment, however much happens while it is put together, and nobody waits for it.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;

# Each does its round 0 at once, goes on when told to, until it is told to stop; then says how often it went round.
sub churn {
    my ($round) = @_;
    return spawn(sub {
        $| = 1;
        $round->(0);
        say 'ready';
        scalar <STDIN>;
        my ($rounds, $in) = (1, '');
        do {
            $round->($rounds++);
            vec($in = '', fileno(STDIN), 1) = 1;
        } until select($in, undef, undef, 0);
        say $rounds;
    });
}
sub must { my ($ok, $what) = @_; $ok or die "$what: $!\n"; return }

# One or two of a ring's names at any time; one name that goes from place to place; two that move with their directory.
# What comes before those that stay, and what comes after them, is copied at different times.
mkdir "$p/$_" for qw(ring1 ring2 goes moves there);
my @churners = (
    (map { my $ring = $_; churn(sub {
        my ($i) = @_;
        must(mkdir("$p/$ring/" . $i % 50 . '.lock'), 'mkdir');
        must(rmdir("$p/$ring/" . ($i - 1) % 50 . '.lock'), 'rmdir') if $i;
    }) } qw(ring1 ring2)),
    churn(sub {
        my ($i) = @_;
        if (!$i) { open my $f, '>', "$p/goes/new" or die $!; link "$p/goes/new", "$p/goes/0.lock" or die $! }
        must(rename("$p/goes/" . $i % 7 . '.lock', "$p/goes/" . ($i + 1) % 7 . '.lock'), 'rename');
    }),
);
my $mover = churn(sub {
    my ($i) = @_;
    return must(mkdir("$p/moves/a") && mkdir("$p/moves/a/x.lock"), 'mkdir') if !$i;
    must(mkdir("$p/moves/a/y.lock"), 'mkdir') if $i == 1;
    must(rename($i % 2 ? "$p/moves/a" : "$p/there/a", $i % 2 ? "$p/there/a" : "$p/moves/a"), 'rename');
    select undef, undef, undef, 0.002;      # a moment in which nothing moves
});
$_->recv(20) for @churners, $mover;

my $many = $ENV{LOCKFS_QUICK} ? 5_000 : 20_000;
my $holder = client();
expect ok => $holder, 'mkdir', "$p/still";
is $holder->do('times', $many, 'mkdir', "$p/still/{}.lock"), 'ok', "$many claims that stay";
my %seen;
sub look {
    my ($times) = @_;
    for (1 .. ($ENV{LOCKFS_QUICK} ? $times / 4 : $times)) {
        my %count;
        my $text = slurp("$p/.lockfs/locks");
        $count{$1}++ while $text =~ m{^\{"path":"(?:(\w+)/)}mg;
        $seen{$_}{ $count{$_} // 0 }++ for qw(still ring1 ring2 goes);
        $seen{moves}{ join ' ', map {"$_ $count{$_}"} grep { $count{$_} } qw(moves there) }++;
    }
}
$_->send('go') for @churners;
look(20);
$mover->send('go');
look(20);
is_deeply [ keys %{ $seen{still} } ], [$many], 'what stays is always there';
is_deeply [ grep { $_ != 1 && $_ != 2 } map { keys %{ $seen{$_} } } qw(ring1 ring2) ], [], 'what is handed on is there once or twice'
    or diag explain \%seen;
is_deeply [ sort keys %{ $seen{goes} } ], [1], 'what goes from name to name is there once' or diag explain $seen{goes};
is_deeply [ grep { !/^(?:moves|there) [12]$/ } keys %{ $seen{moves} } ], [], 'what moves with its directory is there together' or diag explain $seen{moves};
for my $churner (@churners, $mover) {
    $churner->send('stop');
    cmp_ok $churner->recv(20), '>', 50, 'something happened meanwhile';
    is $churner->wait(20), 0, 'without a mistake';
}

subtest 'several readers, and deaths between' => sub {
    my @readers = map { spawn([ ctl_program(), 'list', '--json', '-o', 'path', $p ]) } 1 .. 3;
    $holder->kill9;
    for my $reader (@readers) {
        my $n = 0;
        while (defined(my $line = $reader->recv(60))) { $n++ if $line =~ /still/ }
        ok $n == $many || $n == 0, "all or none: $n";
        is $reader->wait(20), 0, 'and ends';
    }
};

done_testing;
