# --json of every subcommand, read by a parser of its own, and exact for names of all kinds.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use MIME::Base64 ();

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
my ($holder, $other, $dead) = (client(), client());

# The bytes that a member stands for.
sub exact {
    my ($record, $member) = @_;
    return MIME::Base64::decode($record->{"${member}_base64"}) if defined $record->{"${member}_base64"};
    my $text = $record->{$member} // return undef;
    utf8::encode($text);
    return $text;
}

# What is printed, which must be JSON, UTF-8, and say nothing else; dies when it is not.
sub printed {
    my ($status, @args) = @_;
    my $r = ctl_status $status, [@args];
    return from_json($r->{out});
}
sub of { my ($list, $name) = @_; return (grep { exact($_, 'path') eq $name } @$list)[0] // {} }

my @NAMES = ("a b.lock", "new\nline\t.lock", "\e[31mred\a.lock", "bad\xff\xfe.lock", "quo'te\"\\.lock", "\xc3\xa4\xe2\x82\xac.lock",
    '%41{}.lock', "\xef\xbf\xbd.lock", ('x' x 250) . '.lock');
for my $name (@NAMES) {
    subtest encode(substr $name, 0, 20) => sub {
        my $path = "$p/$name";
        is exact(printed(0, 'explain', '--json', $path), 'name'), $name, 'explain';
        is printed(0, 'wait', '--json', $path)->{result}, 'none', 'wait for nothing';
        expect ok     => $holder, 'mkdir', $path;
        expect ok     => $holder, 'put', "$path/content", 'x';
        expect EEXIST => $other,  'mkdir', $path;
        my $listed = of(printed(0, 'list', '--json', $p), $name);
        is $listed->{owner}{pid}, $holder->pid, 'list';
        is exact(of(printed(0, 'list', '--json', '-o', 'path,pid', $p), $name), 'path'), $name, 'list of columns';
        is exact(printed(0, 'show', '--json', $path), 'path'), $name, 'show';
        my $graph = printed(0, 'graph', '--json', $p);
        is_deeply [ map { [ @$_{qw(from to token)}, exact($_, 'path') ] } @{ $graph->{waits} } ],
            [ [ $other->pid, $holder->pid, $listed->{token}, $name ] ], 'graph: who waits for whom';
        is_deeply [ sort { $a <=> $b } map { $_->{pid} } @{ $graph->{processes} } ], [ sort { $a <=> $b } $holder->pid, $other->pid ],
            'and who they are';
        my $late = printed(5, 'wait', '--json', '--timeout', '20ms', $path);
        is_deeply [ exact($late, 'path'), @$late{qw(result token)} ], [ $path, 'timed-out', $listed->{token} ], 'wait in vain';
        my $given = printed(0, 'transfer', '--json', $path, $other->pid);
        is_deeply [ exact($given, 'path'), $given->{owner}{pid} ], [ $name, $other->pid ], 'transfer';
        my $w = watcher($p);
        my $was = printed(0, 'break', '--json', '--yes', $path);
        is_deeply [ exact($was, 'path'), $was->{token} ], [ $name, $given->{token} ], 'break';
        ok scalar($w->until('DELETE', $name, 20)), 'it goes';
        $w->stop;
        my $healed = of(printed(0, 'healed', '--json', $p), $name);
        is_deeply [ @$healed{qw(reason token)} ], [ 'broken', $was->{token} ], 'healed';
        my $back = printed(0, 'restore', '--json', $path);
        is_deeply [ exact($back, 'path'), @$back{qw(token result)} ], [ $path, $was->{token}, 'restored' ], 'restore';
        expect ok => $other, 'unlink', "$path/content";
        expect ok => $other, 'rmdir',  $path;
        my $watch = spawn([ ctl_program(), 'watch', '--json', $p ]);
        until (eval { from_json($watch->recv(1) // die)->{event} }) { $other->do($_, "$p/probe.lock") for qw(mkdir rmdir) }
        expect ok => $other, 'mkdir', $path;
        expect ok => $other, 'rmdir', $path;
        my $event = {};
        $event = from_json($watch->recv(20) // die 'no event') until $event->{event} && exact($event, 'path') eq $name;
        is $event->{event}, 'acquired', 'watch';
        $watch->kill('TERM');
        $watch->wait;
    };
}

subtest 'without names' => sub {
    expect ok => $holder, 'mkdir', "$p/w.lock";
    my $wait = spawn([ ctl_program(), 'wait', '--json', "$p/w.lock" ]);
    expect ok => $holder, 'rmdir', "$p/w.lock";
    my $text = '';
    while (defined(my $line = $wait->recv(20))) { $text .= $line . ($line =~ /\n\z/ ? '' : "\n") }
    like from_json($text)->{result}, qr/^(?:gone|none)$/, 'wait until it is gone';
    is ref printed(0, 'stats',   '--json', $p), 'HASH', 'stats';
    is ref printed(0, 'presets', '--json'), 'ARRAY', 'presets';
    is ref from_json(ctl([ 'doctor', '--json', $p ])->{out}), 'ARRAY', 'doctor';
    is_deeply printed(0, 'list',  '--json', $p), [], 'nothing held';
    is_deeply printed(0, 'graph', '--json', $p), { processes => [], waits => [] }, 'nobody waits';
};

subtest 'a deadlock' => sub {
    expect ok     => $holder, 'mkdir', "$p/1.lock";
    expect ok     => $other,  'mkdir', "$p/2.lock";
    expect EEXIST => $holder, 'mkdir', "$p/2.lock";
    expect EEXIST => $other,  'mkdir', "$p/1.lock";
    is_deeply [ map { $_->{deadlock} ? 1 : 0 } @{ printed(0, 'graph', '--json', $p)->{waits} } ], [ 1, 1 ], 'is one';
};

subtest 'on failure' => sub {
    for my $case ([ 4, 'show', "$p/none.lock" ], [ 3, 'list', '/' ], [ 4, 'break', '--yes', "$p/none.lock" ], [ 4, 'restore', "$p/none.lock" ],
        [ 4, 'transfer', "$p/none.lock", $$ ], [ 1, 'suggest', $p ]) {
        my ($status, $name, @args) = @$case;
        is ctl_status($status, [ $name, '--json', @args ], qr/^lockfs-ctl: /)->{out}, '', "$name prints nothing else";
    }
};

done_testing;
