# The log of a daemon in the background: to the journal by its own protocol, with one set of fields; a logger that
# hangs, or is not there, holds nobody up.
use v5.30;
use warnings;
use IO::Socket::UNIX;
use Lockfs::Test;
use Lockfs::Ctl;

need_root;
need_fuse;

my $path    = temp_path('journal');
my $journal = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!\n";
chmod 0666, $path;

# The fields of one message: NAME=value, or NAME, a size and that many bytes.
sub fields {
    my ($data) = @_;
    my %fields;
    while (length $data) {
        if ($data =~ s/\A([A-Z_]+)=([^\n]*)\n//) { $fields{$1} = $2; next }
        $data =~ s/\A([A-Z_]+)\n//s or die "not a message: $data\n";
        my $name = $1;
        my $size = unpack 'Q<', substr $data, 0, 8, '';
        $fields{$name} = substr $data, 0, $size, '';
        $data =~ s/\A\n// or die "no end of $name\n";
    }
    return \%fields;
}

# The next message of this event.
sub message {
    my ($event) = @_;
    while (wait_readable($journal, 20)) {
        my $data = '';
        recv $journal, $data, 1 << 18, 0;
        my $fields = fields($data);
        return $fields if ($fields->{LOCKFS_EVENT} // '') eq $event;
    }
    return {};
}

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other', background => 1, env => { LOCKFS_JOURNAL_SOCKET => $path });
my $p = $m->path;
my ($owner, $other) = (client(), client());
my @FIXED = sort qw(MESSAGE PRIORITY SYSLOG_IDENTIFIER LOCKFS_MOUNT LOCKFS_EVENT LOCKFS_PATH LOCKFS_TOKEN
    OWNER_PID OWNER_COMM OWNER_UID BY_PID BY_UID LOCKFS_REASON);

subtest 'decisions' => sub {
    my $name = "new\nline \e[1m\xff.lock";
    expect ok    => $owner, 'mkdir', "$p/$name";
    expect EBUSY => $other, 'rmdir', "$p/$name";
    my $refuse = message('refuse');
    is_deeply [ sort keys %$refuse ], \@FIXED, 'one set of fields';
    is $refuse->{LOCKFS_PATH}, $name, 'the path, byte for byte';
    is $refuse->{LOCKFS_MOUNT}, $p, 'the mount';
    is_deeply [ @$refuse{qw(OWNER_PID OWNER_COMM OWNER_UID BY_PID BY_UID PRIORITY SYSLOG_IDENTIFIER)} ],
        [ $owner->pid, 'client', 0, $other->pid, 0, 6, 'lockfs' ], 'who has it, and who wanted it';
    unlike $refuse->{MESSAGE}, qr/[^\x20-\x7e]/, 'the line has nothing but text';
    like $refuse->{MESSAGE}, qr/^refuse path="new\\nline/, 'and says the same';

    expect ok => $owner, 'mkdir', "$p/b.lock";
    expect ok => $owner, 'put',   "$p/b.lock/f", 'x';
    my $w = watcher($p);
    ctl_status 0, [ 'break', '--yes', "$p/b.lock" ];
    ok scalar($w->until('DELETE', 'b.lock', 10)), 'taken away, and its content kept';
    $w->stop;
    my $break = message('break');
    is_deeply [ sort keys %$break ], \@FIXED, 'break has the same';
    like $break->{BY_PID}, qr/^[1-9]\d*$/, 'and who did it';
    ctl_status 0, [ 'restore', "$p/b.lock" ];
    my $restore = message('restore');
    is_deeply [ sort keys %$restore ], \@FIXED, 'restore has the same';
    is $restore->{OWNER_PID}, $owner->pid, 'and whose it was';

    my $token = ctl_json([ 'show', '--json', "$p/$name" ])->{token};
    $owner->kill9;
    my $heal = message('heal');
    is_deeply [ sort keys %$heal ], \@FIXED, 'heal has the same';
    is_deeply [ @$heal{qw(LOCKFS_PATH LOCKFS_TOKEN LOCKFS_REASON BY_PID)} ], [ $name, $token, 'signal:9', 0 ], 'and why';
};

subtest 'a flood' => sub {
    my $holder = client();
    expect ok => $holder, 'mkdir', "$p/f.lock";
    $other->do('rmdir', "$p/f.lock") for 1 .. 200;
    my $told = message('suppressed');
    cmp_ok $told->{LOCKFS_COUNT}, '>', 100, 'how many lines were left out is told';
    like $told->{MESSAGE}, qr/^$told->{LOCKFS_COUNT} more messages/, 'in words, too';
    is $told->{PRIORITY}, 4, 'as a warning';
};

subtest 'another worker' => sub {
    kill 'KILL', Lockfs::Sys::worker_of($m->pid);
    my $takeover = message('takeover');
    like $takeover->{LOCKFS_REASON}, qr/signal 9/, 'why is told';
    like $takeover->{MESSAGE}, qr/took over/, 'and by whom';
};

subtest 'a logger that hangs' => sub {
    my $holder = client();
    expect ok => $holder, 'mkdir', "$p/t.lock";
    open my $control, '+<', "$p/.lockfs/control" or die $!;
    my $queue = slurp('/proc/sys/net/unix/max_dgram_qlen') + 20;
    for my $pid (map { $_ % 2 ? $holder->pid : $other->pid } 1 .. $queue) {
        defined syswrite $control, "transfer t.lock $pid" or die "transfer: $!\n";
    }
    expect ok => $other, 'mkdir', "$p/h.lock";
    expect ok => $other, 'rmdir', "$p/h.lock";
    $journal->blocking(0);
    1 while defined recv $journal, my $data, 1 << 18, 0;
    $journal->blocking(1);
    ctl_status 0, [ 'transfer', "$p/t.lock", $other->pid ];
    wait_readable($journal, 20);
    recv $journal, my $lost, 1 << 18, 0;
    like fields($lost)->{MESSAGE}, qr/^\d+ messages were lost/, 'what it did not take is counted';
};

subtest 'no logger' => sub {
    close $journal;
    unlink $path;
    my $dead = client();
    expect ok => $dead, 'mkdir', "$p/n.lock";
    $dead->kill9;
    expect ok => $other, 'mkdir', "$p/n.lock";
    expect ok => $other, 'rmdir', "$p/n.lock";
};
is $m->umount, 'ended', 'it ends';

subtest 'syslog where there is no journal' => sub {
    my $log = temp_path('syslog');
    my $syslog = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $log) or die "$log: $!\n";
    my $n = mount_lockfs(source => 'tmpfs', background => 1,
        env => { LOCKFS_JOURNAL_SOCKET => temp_path('none'), LOCKFS_SYSLOG_SOCKET => $log });
    my $dead = client();
    expect ok => $dead, 'mkdir', $n->path . '/x.lock';
    $dead->kill9;
    ok wait_readable($syslog, 20), 'something comes';
    recv $syslog, my $line, 1 << 16, 0;
    like $line, qr/^<30>\w{3} [ \d]\d \d\d:\d\d:\d\d lockfs\[\d+\]: heal path="x\.lock"/, 'the line';
    is $n->umount, 'ended', 'it ends';
};

done_testing;
