package Lockfs::Supervise;

# Runs one test program under a time limit. Passes its TAP on, keeps all it printed in a log, and on a hang writes down what each of
# its processes waits for before it kills them, by pid.

use v5.30;
use warnings;
use Errno qw(EINTR);
use File::Path ();
use IO::Select;
use Lockfs::Sys qw(exit_text mounts now parse_mounts pidfd_open slurp unmount_below wait_readable);
use POSIX ();

# Returns the exit status to end with. %opt: timeout, log, dir (the test's own directory, made and removed here).
sub run {
    my ($argv, %opt) = @_;
    my $mark = "$$-" . int(now() * 1e6);
    File::Path::make_path($opt{dir});
    open my $log, '>', $opt{log} or die "$opt{log}: $!\n";
    $log->autoflush(1);
    my ($pid, $out, $err) = _start($argv, $mark, $opt{dir});
    my $finished = _forward($pid, $out, $err, $log, $opt{timeout});
    if (!$finished) {
        my $report = "timed out after $opt{timeout} s\n" . describe($mark);
        print {$log} $report;
        syswrite STDOUT, "# timed out after $opt{timeout} s, see $opt{log}\n";
        end_processes($mark);
    }
    waitpid $pid, 0;
    my $status = $?;
    print {$log} 'ended with ' . exit_text($status) . "\n" if $status;
    my @left = processes($mark);
    print {$log} 'left processes behind: ' . describe($mark) if @left;
    end_processes($mark);
    unmount_below($opt{dir});
    File::Path::remove_tree($opt{dir}, { error => \my $ignored }) unless $ENV{LOCKFS_KEEP};
    return 124 if !$finished;
    return 123 if @left && $status == 0;
    return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

sub _start {
    my ($argv, $mark, $dir) = @_;
    pipe my $out_r, my $out_w or die "pipe: $!\n";
    pipe my $err_r, my $err_w or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();
        $ENV{LOCKFS_TEST_MARK} = $mark;
        $ENV{LOCKFS_TEST_DIR}  = $dir;
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>&', $out_w;
        open STDERR, '>&', $err_w;
        exec { $argv->[0] } @$argv or POSIX::_exit(127);
    }
    return ($pid, $out_r, $err_r);
}

# True when the program ended in time. A process left behind may hold the pipes; that does not keep us.
sub _forward {
    my ($pid, $out, $err, $log, $timeout) = @_;
    my $ended    = pidfd_open($pid) or return 1;
    my $select   = IO::Select->new($out, $err, $ended);
    my $deadline = now() + $timeout;
    while ((my $left = $deadline - now()) > 0) {
        my @ready  = $select->can_read($left);
        my $copied = 0;
        for my $fh (grep { $_ != $ended } @ready) {
            my $n = sysread $fh, my $text, 65536;
            next if !defined $n && $! == EINTR;
            if (!$n) { $select->remove($fh); next }
            $copied = 1;
            print {$log} $text;
            syswrite STDOUT, $text if $fh == $out;
        }
        return 1 if !$copied && grep { $_ == $ended } @ready;
    }
    return 0;
}

# All processes that inherited the mark of this test.
sub processes {
    my ($mark) = @_;
    my @found;
    for my $dir (glob '/proc/[0-9]*') {
        my ($pid) = $dir =~ /(\d+)$/;
        next if $pid == $$;
        push @found, $pid if index("\0" . slurp("$dir/environ"), "\0LOCKFS_TEST_MARK=$mark\0") >= 0;
    }
    return @found;
}

sub describe {
    my ($mark) = @_;
    my $text = '';
    for my $pid (processes($mark)) {
        my $command = slurp("/proc/$pid/cmdline") =~ tr/\0/ /r;
        $text .= "== $pid: $command\n";
        for my $task (glob "/proc/$pid/task/*") {
            my ($tid) = $task =~ /(\d+)$/;
            my ($state) = slurp("$task/stat") =~ /.*\) (\S)/s;
            $text .= "  thread $tid " . ($state // '?') . ' ' . slurp("$task/wchan") . "\n";
            $text .= slurp("$task/stack") =~ s/^/    /gmr;
        }
        $text .= _backtrace($pid) if (readlink("/proc/$pid/exe") // '') =~ m{/lockfs$};
    }
    return $text;
}

sub _backtrace {
    my ($pid) = @_;
    my ($tool) = grep { my $name = $_; grep { -x "$_/$name" } split /:/, $ENV{PATH} } qw(eu-stack gdb);
    return '' unless $tool;
    my @argv = $tool eq 'gdb'
        ? ('timeout', '20', 'gdb', '-p', $pid, '-batch', '-nx', '-ex', 'thread apply all bt')
        : ('timeout', '20', 'eu-stack', '-p', $pid);
    open my $pipe, '-|', join(' ', map { "'$_'" } @argv) . ' 2>/dev/null' or return '';
    local $/;
    return (<$pipe> // '') =~ s/^/    /gmr;
}

# Kills what bears the mark; a process that waits for a FUSE daemon which does not answer is freed by
# aborting the connection of its own test's mounts.
sub end_processes {
    my ($mark) = @_;
    my @pids = processes($mark) or return;
    my %devices;
    for my $pid (@pids) {
        open my $table, '<', "/proc/$pid/mountinfo" or next;
        $devices{ $_->{dev} =~ s/.*://r } = 1 for grep { $_->{type} =~ /^fuse/ && _is_own($_) } parse_mounts($table);
    }
    my @pidfds = grep { defined } map { pidfd_open($_) } @pids;
    kill 'KILL', @pids;
    my @stuck = grep { !wait_readable($_, 5) } @pidfds;
    return unless @stuck;
    for my $device (keys %devices) {
        open my $abort, '>', "/sys/fs/fuse/connections/$device/abort" or next;
        print {$abort} '1';
    }
    wait_readable($_, 5) for @stuck;
}

my %outside;    # the mounts that were there before the test
$outside{"$_->{point} $_->{dev}"} = 1 for mounts();

sub _is_own { my ($mount) = @_; return !$outside{"$mount->{point} $mount->{dev}"} }

1;
