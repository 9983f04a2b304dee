# The worker is killed again and again under load: no call fails, no lock has two owners, no byte is lost.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Sys qw(slurp);
use Digest::MD5 qw(md5_hex);
use Time::HiRes qw(time);

need_root;
need_fuse;

my $seconds = $ENV{LOCKFS_TAKEOVER_SECONDS} // ($ENV{LOCKFS_QUICK} ? 3 : 20);

sub workers { my ($m) = @_; my $pid = $m->pid; return split ' ', slurp("/proc/$pid/task/$pid/children") }


# Kills the worker every 50-200 ms, each time once a newer one has come up, until the time is over. The number of kills.
sub kill_workers {
    my ($m, $until) = @_;
    my ($kills, $last) = (0, 0);
    while (now() < $until) {
        my ($worker) = grep { $_ != $last } workers($m);
        if ($worker && CORE::kill('KILL', $worker)) { $kills++; $last = $worker }
        select undef, undef, undef, 0.05 + rand 0.15;
    }
    return $kills;
}

sub descriptors { my ($m) = @_; my @fds = glob '/proc/' . $m->pid . '/fd/*'; return scalar @fds }

# Data: files written, read back by checksum, renamed, listed, removed; any error ends it with a message.
sub churn {
    my ($dir, $tag, $until) = @_;
    my ($rounds, %sums) = (0);
    while (time() < $until) {
        my $n    = $rounds++ % 20;
        my $text = join '', map { chr 32 + ($_ * 7 + $rounds) % 90 } 1 .. 500 + 37 * $n;
        open my $fh, '>', "$dir/$tag.$n.tmp" or return "create $n: $!";
        for my $at (0 .. 3) { syswrite($fh, substr $text, $at * length($text) / 4, length($text) / 4) or return "write: $!" }
        close $fh or return "close: $!";
        rename "$dir/$tag.$n.tmp", "$dir/$tag.$n" or return "rename: $!";
        $sums{$n} = md5_hex(slurp("$dir/$tag.$n"));
        opendir my $dh, $dir or return "opendir: $!";
        my @names = grep { /^\Q$tag\E\.\d+$/ } readdir $dh;
        closedir $dh;
        return "listed @names" if @names != keys %sums;
        for my $old (keys %sums) {
            return "content of $old" if md5_hex(slurp("$dir/$tag.$old")) ne $sums{$old};
        }
        mkdir "$dir/$tag.d" or return "mkdir: $!";
        symlink 'x', "$dir/$tag.d/s" or return "symlink: $!";
        link "$dir/$tag.$n", "$dir/$tag.d/l" or return "link: $!";
        unlink "$dir/$tag.d/s", "$dir/$tag.d/l" or return "unlink: $!";
        rmdir "$dir/$tag.d" or return "rmdir: $!";
        open my $append, '>>', "$dir/$tag.log" or return "append: $!";
        syswrite $append, "$rounds\n" or return "append: $!";
    }
    my $log = slurp("$dir/$tag.log");
    return 'the log has gaps or repetitions' if $log ne join '', map { "$_\n" } 1 .. $rounds;
    return "ok $rounds";
}

for my $way ($ENV{LOCKFS_QUICK} ? ('') : ('', 'resend')) {
    subtest $way ? "without $way" : 'with what the kernel offers' => sub {
        my $m = mount_lockfs(source => 'tmpfs', env => { LOCKFS_WITHOUT => $way || undef });
        my $p = $m->path;
        mkdir "$p/$_" for qw(locks data);
        my $end    = now() + $seconds;
        my @hammer = map {
            my ($method, $dir) = ($_, "$p/locks/$_");
            mkdir $dir;
            spawn([ helper('hammer'), '--processes', 4, '--locks', 3, '--method', $method, '--acquisitions', 100 * $seconds,
                    '--kills-per-second', 20, '--seconds', $seconds, $dir ], stderr => temp_path("$method.err"));
        } qw(mkdir excl);
        my @churn = map { my $tag = $_; spawn(sub { $| = 1; say churn("$p/data", $tag, time + $seconds) }) } qw(a b);
        my $kills = kill_workers($m, $end);
        for my $churn (@churn) {
            like $churn->recv(60) // 'nothing', qr/^ok \d+/, 'data';
            $churn->wait;
        }
        for my $hammer (@hammer) {
            my $line = $hammer->recv(120) // 'nothing';
            diag $line;
            $hammer->wait;
            is $hammer->status_text, 'exit 0', "locks: $line";
        }
        cmp_ok $kills, '>', $seconds, "$kills workers were killed";
        cmp_ok scalar(() = $m->log =~ /another worker took over/g), '>', 0.9 * $kills, 'and replaced';
        is $m->umount, 'exit 0', 'the keeper ends well';
    };
}
done_testing;
