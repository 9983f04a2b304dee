# The worker is killed again and again under load, then the keeper, then one after the other: no call fails, no lock has two
# owners, no byte is lost, and a container sees nothing of it.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(slurp);
use Digest::MD5 qw(md5_hex);

need_root;
need_fuse;
need_program('git', 'unshare');

my $seconds = $ENV{LOCKFS_TAKEOVER_SECONDS} // ($ENV{LOCKFS_QUICK} ? 4 : $ENV{CI} ? 24 : 60);

# --- who serves ---

# One that was killed before may linger, with a thread that waits for an answer of the next; a keeper that begins has other
# children for a moment. A worker has threads.
sub is_serving { my ($pid) = @_; return slurp("/proc/$pid/status") =~ /^State:\s*[^ZX\s].*^Threads:\s*([2-9]|\d\d)/ms }

sub serving_child { my ($keeper) = @_; return (grep { is_serving($_) } split ' ', slurp("/proc/$keeper/task/$keeper/children"))[-1] }

# The two that serve, once both have come up and the worker is another than $before; they change when one of them is killed.
sub pair {
    my ($keeper, $before) = @_;
    my $worker;
    until (($worker = serving_child($keeper)) && $worker != $before) { select undef, undef, undef, 0.001 }
    return ($keeper, $worker);
}

# Kills one of them every 50 to 200 ms. The last keeper, and how often each was killed.
sub kill_them {
    my ($keeper, $who, $until) = @_;
    my ($worker, %kills, $turn);
    ($keeper, $worker) = pair($keeper, 0);
    while (now() < $until) {
        my $victim = $who eq 'alternately' ? (qw(worker keeper))[ $turn++ % 2 ] : $who;
        CORE::kill('KILL', $victim eq 'worker' ? $worker : $keeper) or die "no $victim\n";
        $kills{$victim}++;
        ($keeper, $worker) = $victim eq 'worker' ? pair($keeper, $worker) : pair($worker, 0);
        select undef, undef, undef, 0.05 + rand 0.15;
    }
    return ($keeper, \%kills);
}

# --- the load: each says 'ok N', or what went wrong, once a file named stop stands in its directory ---

sub text { my ($round) = @_; return join '', map { chr 32 + ($_ * 7 + $round) % 90 } 1 .. 500 + 37 * ($round % 20) }

# Data: files written, read back by checksum, renamed, listed, removed.
sub churn {
    my ($dir) = @_;
    my ($round, %sums) = (0);
    until (-e "$dir/stop") {
        my $n    = ++$round % 20;
        my $text = text($round);
        open my $fh, '>', "$dir/$n.tmp" or return "create $n: $!";
        for my $at (0 .. 3) { syswrite($fh, $text, length($text) / 4 + 1, $at * int(length($text) / 4 + 1)) or return "write: $!" }
        close $fh or return "close: $!";
        rename "$dir/$n.tmp", "$dir/$n.file" or return "rename: $!";
        $sums{$n} = md5_hex($text);
        opendir my $dh, $dir or return "opendir: $!";
        my @names = grep {/\.file$/} readdir $dh;
        closedir $dh;
        return "listed @names" if @names != keys %sums;
        for my $old (keys %sums) { return "content of $old" if md5_hex(slurp("$dir/$old.file")) ne $sums{$old} }
        mkdir "$dir/d" or return "mkdir: $!";
        symlink 'x', "$dir/d/s" or return "symlink: $!";
        link "$dir/$n.file", "$dir/d/l" or return "link: $!";
        unlink("$dir/d/s", "$dir/d/l") == 2 or return "unlink: $!";
        rmdir "$dir/d" or return "rmdir: $!";
        open my $append, '>>', "$dir/log" or return "append: $!";
        syswrite $append, "$round\n" or return "append: $!";
    }
    return 'the log has gaps or repetitions' if slurp("$dir/log") ne join '', map {"$_\n"} 1 .. $round;
    return "ok $round";
}

my $git = <<'END';
set -e
cd "$1"
git init -q repo; cd repo
n=0
while [ ! -e "$1/stop" ]; do
    n=$((n + 1))
    echo $n >file; mkdir -p d$((n % 7)); seq $n $((n + 50)) >d$((n % 7))/f$n
    git add -A; git commit -qm $n
    git checkout -q -b b$n; git checkout -q -; git branch -q -D b$n
    [ $((n % 5)) != 0 ] || git gc -q
done
[ $(git rev-list --count HEAD) = $n ] || { echo "$n commits were made"; exit 1; }
[ -z "$(git status --porcelain)" ] || { git status --porcelain; exit 1; }
git fsck --full --strict 2>&1 || exit 1
echo ok $n
END

# Sees a subdirectory of the mount only, and is process 1 of its own.
my $container = <<'END';
set -e
mount --bind "$1" "$2"; cd "$2"
mkdir held.lock; exec 3>>log
n=0
while [ ! -e stop ]; do
    n=$((n + 1))
    mkdir a.lock; echo $n >f.tmp; mv f.tmp f
    [ "$(cat f)" = $n ] || { echo "f is $(cat f) at $n"; exit 1; }
    echo $n >&3; ls -l . held.lock >/dev/null; ln -s x l; rm l; rmdir a.lock
done
[ $(wc -l <log) = $n ] || { echo "$n lines were written"; exit 1; }
rmdir held.lock
echo ok $n
END

sub run_script { my ($name, $script, $under, @args) = @_; return spawn([ @$under, 'sh', '-c', $script, $name, @args ], stderr => temp_path("$name.err")) }

sub start_load {
    my ($p) = @_;
    mkdir "$p/$_" for qw(churn-a churn-b git container);
    mkdir temp_path('inside');
    my %env = (HOME => '/nonexistent', GIT_CONFIG_NOSYSTEM => 1, map { ("GIT_${_}_NAME" => 'x', "GIT_${_}_EMAIL" => 'x@y') } qw(AUTHOR COMMITTER));
    local @ENV{ keys %env } = values %env;
    return {
        ( map { my $dir = "$p/$_"; ($_ => spawn(sub { $| = 1; say churn($dir) })) } qw(churn-a churn-b) ),
        git       => run_script('git', $git, [], "$p/git"),
        container => run_script('container', $container, [qw(unshare --mount --pid --fork --propagation private)], "$p/container", temp_path('inside')),
    };
}

sub start_hammers {
    my ($p, $time) = @_;
    my %hammers;
    for my $method (qw(mkdir excl)) {
        mkdir "$p/locks-$method";
        $hammers{$method} = spawn([ helper('hammer'), '--processes', 4, '--locks', 3, '--method', $method, '--acquisitions', 100 * $time,
                '--kills-per-second', 20, '--seconds', $time, "$p/locks-$method" ], stderr => temp_path("$method.err"));
    }
    return \%hammers;
}

sub end_load {
    my ($p, $load) = @_;
    for my $name (sort keys %$load) {
        open my $stop, '>', "$p/$name/stop" or die "$name: $!";
        my $said = $load->{$name}->recv(60) // 'nothing';
        like $said, qr/^ok \d+/, "$name: $said" or diag slurp(temp_path("$name.err"));
        $load->{$name}->wait;
    }
}

sub end_hammers {
    my ($hammers) = @_;
    for my $method (sort keys %$hammers) {
        my $line = $hammers->{$method}->recv(120) // 'nothing';
        $hammers->{$method}->wait;
        is $hammers->{$method}->status_text, 'exit 0', "locks by $method: $line" or diag slurp(temp_path("$method.err"));
    }
}

sub end_mount {
    my ($m, $keeper) = @_;
    return is $m->umount, 'exit 0', 'the keeper ends well' if $keeper == $m->pid;
    is $m->wait_end, 'signal 9', 'the first keeper was killed';
    my $pidfd = Lockfs::Sys::pidfd_open($keeper);
    ok(($m->try_umount)[0], 'unmounted');
    ok Lockfs::Sys::wait_readable($pidfd, 20), 'the last keeper ends';
}

my @rounds = ([ 'worker', undef ], [ 'worker', 'resend' ], [ 'keeper', undef ], [ 'alternately', undef ]);
@rounds = ([ 'worker', undef ], [ 'alternately', undef ]) if $ENV{LOCKFS_QUICK};
for my $round (@rounds) {
    my ($who, $without) = @$round;
    subtest "killed: $who" . ($without ? ", without $without" : '') => sub {
        my $m    = mount_lockfs(source => 'tmpfs', env => { LOCKFS_WITHOUT => $without });
        my $p    = $m->path;
        my $time = $seconds / @rounds;
        my ($load, $hammers) = (start_load($p), start_hammers($p, $time));
        my ($keeper, $kills) = kill_them($m->pid, $who, now() + $time);
        my $other = client();
        expect EEXIST => $other, 'mkdir', "$p/container/held.lock";
        expect EBUSY  => $other, 'rmdir', "$p/container/held.lock";
        $other->stop;
        end_load($p, $load);
        end_hammers($hammers);
        diag join ', ', map {"$kills->{$_} of the $_"} sort keys %$kills;
        cmp_ok $kills->{$_}, '>', $time, "$kills->{$_} kills of the $_" for keys %$kills;
        end_mount($m, $keeper);
    };
}
done_testing;
