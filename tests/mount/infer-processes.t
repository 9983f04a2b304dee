# Locks that were there before lockfs: whose is the pid that they record? Pid namespaces, pids used again, other users, other
# hosts, before the boot.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::LeftOver;
use Lockfs::Sys qw(slurp worker_of);
use Sys::Hostname qw(hostname);

need_root;
need_fuse;
need_program('mkfs.ext4', 'debugfs', 'unshare');

my $other = client();

sub dir_with {
    my ($text) = @_;
    my $dir = temp_path('left-' . ++$main::lockfs_serial);
    mkdir $dir or die "$dir: $!\n";
    write_file("$dir/$_", $text->{$_}) for keys %$text;
    return $dir;
}

# { name => 'held PID', 'unowned WHY' or 'healed REASON' } of what a mount makes of the entries of a directory.
sub judged {
    my ($dir, %opt) = @_;
    my @names = grep { !/^\.\.?$/ && $_ ne 'lost+found' } do { opendir my $d, $dir or die; readdir $d };
    my $m = mount_lockfs(source => $dir, in_place => 1, %opt);
    my @gone = grep { !ref $other->stat($m->path . "/$_") } @names;
    my %is;
    wait_for(sub {    # told when it has been taken away
        %is = map { $_->{path} => "healed $_->{reason}" } @{ ctl_json([ 'healed', '--json', $m->path ]) };
        return !grep { !$is{$_} } @gone;
    }, watch => $dir, timeout => 10);
    for my $lock (@{ ctl_json([ 'list', '--json', $m->path ]) }) {
        $is{ $lock->{path} } = $lock->{state} eq 'unowned' ? "unowned $lock->{evidence}{why}" : "held $lock->{owner}{pid}";
    }
    is $m->umount, 'exit 0', 'the daemon ends well';
    return \%is;
}

sub ns_pids { my ($pid) = @_; my ($line) = slurp("/proc/$pid/status") =~ /^NSpid:(.*)$/m; return split ' ', $line }

# Field 22, behind the name.
sub start_time { my ($pid) = @_; return (split ' ', slurp("/proc/$pid/stat") =~ s/^.*\) //sr)[19] }

# The processes that have a number in some namespace. There may be other containers on this machine.
sub bearers {
    my ($number) = @_;
    my @found;
    for my $path (glob '/proc/[0-9]*/status') {
        my $status = eval { slurp($path) } // '';
        my ($line) = $status =~ /^NSpid:(.*)$/m or next;
        push @found, $path if $status !~ /^State:\s*[ZX]/m && grep { $_ == $number } split ' ', $line;
    }
    return @found;
}

# A child whose number inside is nobody else's: (client, number).
sub child_alone {
    my ($container) = @_;
    for (1 .. 1000) {
        my $child = $container->fork_client;
        my $inside = (ns_pids($child->pid))[-1];
        return ($child, $inside) if $inside > 30 && bearers($inside) == 1;
        $child->kill9;
    }
    die "every number is taken\n";
}

subtest 'pid namespaces' => sub {
    my $container = client(pidns => 2);
    my ($host, undef, $inner) = ns_pids($container->pid);
    is $inner, 1, 'process 1 of a namespace in a namespace';
    my ($child, $inside) = child_alone($container);
    my $dir = dir_with({ 'host.lock' => $host, 'child.lock' => $inside, 'nobody.lock' => 4000000 });
    my $is = judged($dir);
    is $is->{'host.lock'},   "held $host",          'by its number outside';
    is $is->{'child.lock'},  'held ' . $child->pid, 'by its number inside';
    is $is->{'nobody.lock'}, 'healed inferred',     'nobody has that number anywhere';
    $_->kill9 for $child, $container;
    $is = judged($dir);
    like $is->{$_}, qr/^healed/, "$_ heals when they are gone" for 'host.lock', 'child.lock';
};

subtest 'process 1' => sub {
    my @container = map { client(pidns => 1) } 1 .. 2;
    my ($in, $out) = map { sprintf '%s/%x', hostname(), (stat "/proc/$_/ns/pid")[1] } $container[1]->pid, $$;
    my $dir = dir_with({ 'x.lock' => 1 });
    symlink "$in:1",  "$dir/in.lock";
    symlink "$out:1", "$dir/out.lock";
    my $is = judged($dir);
    like $is->{'x.lock'}, qr/^unowned several/, 'two containers have a process 1';
    is $is->{'in.lock'}, 'held ' . $container[1]->pid, 'one of them is named';
    like $is->{'out.lock'}, qr/^unowned only process 1 of the machine/, 'that of the machine is no evidence';
    $_->kill9 for @container;
};

subtest 'a number used again' => sub {
    my ($low, $boot) = boot_times();
    my $between = int($low + (time - $boot) / 2);
    my ($tree, $again, $container) = (temp_path('tree'), client(), client(pidns => 1));
    mkdir $tree or die;
    mkdir "$tree/again.d.lock" or die;
    write_file("$tree/again.lock",       $again->pid);
    write_file("$tree/again.json.lock",  sprintf '{"pid":%d}', $again->pid);
    write_file("$tree/again.d.lock/pid", $again->pid);
    write_file("$tree/one.lock",         1);
    symlink 'joe@' . hostname() . '.' . $again->pid, "$tree/link.lock";
    my @names = ('again.lock', 'again.json.lock', 'again.d.lock', 'again.d.lock/pid', 'one.lock', 'link.lock');
    my $is = judged(image($tree, { map { $_ => $between } @names }));
    is $is->{$_}, 'healed recycled', "$_: its owner was another" for grep { !m{/} } @names;
    $_->kill9 for $again, $container;
};

subtest 'a number used again at once' => sub {
    for (1 .. 20) {
        my $owner = client();
        my $dir = dir_with({ 'x.lock' => $owner->pid });
        $owner->kill9;
        $other->do('tick') for 1 .. 10;
        my $again = eval { client_at_pid($owner->pid) } or next;
        my $is = judged($dir);
        is $is->{'x.lock'}, 'healed recycled', 'its owner was another';
        $again->kill9;
        return;
    }
    fail 'no pid could be used again';
};

subtest 'before the boot' => sub {
    my ($low) = boot_times();
    my ($tree, $alive) = (temp_path('old'), client());
    mkdir $tree or die;
    mkdir "$tree/$_" or die for 'bare.lock', 'full.lock';
    write_file("$tree/full.lock/data", 'text');
    write_file("$tree/alive.lock",     $alive->pid);
    write_file("$tree/one.lock",       1);
    write_file("$tree/empty.lock",     '');
    write_file("$tree/foreign.lock",   $alive->pid . ' elsewhere.invalid');
    my @names = qw(bare.lock full.lock full.lock/data alive.lock one.lock empty.lock foreign.lock);
    my $image = image($tree, { map { $_ => int($low) - 1000 } @names });
    my $is = judged($image, options => 'unowned=keep');
    is_deeply $is, {}, 'nothing happens with unowned=keep';
    $is = judged($image);
    is $is->{$_}, 'healed reboot', "$_ heals" for qw(bare.lock alive.lock one.lock);
    like $is->{$_}, qr/^unowned it names no process/, "$_ stays" for qw(full.lock empty.lock);
    like $is->{'foreign.lock'}, qr/^unowned it names a host/, 'that of another host stays';
    my $m = mount_lockfs(source => $image, in_place => 1, options => 'unowned=heal');
    is $other->stat($m->path . "/$_"), 'ENOENT', "$_ goes with unowned=heal" for qw(full.lock empty.lock foreign.lock);
    expect ok => $other, 'mkdir', $m->path . '/full.lock';
    ctl_status(5, [ 'restore', $m->path . '/full.lock' ], qr/name is taken/);
    ctl_status(0, [ 'restore', $m->path . '/full.lock', '--as', 'full.old' ]);
    expect 'ok text' => $other, 'get', $m->path . '/full.old/data';
    is $m->umount, 'exit 0', 'the daemon ends well';
    $alive->kill9;
};

subtest 'what speaks against it' => sub {
    my ($owner, $uts) = (client(), client(under => [ 'unshare', '--uts', 'sh', '-c', 'echo inner.test >/proc/sys/kernel/hostname; exec "$0" "$@"' ]));
    my ($pid, $start, $inside) = ($owner->pid, start_time($owner->pid), $uts->pid);
    my $here = hostname();
    my $dir = dir_with({
        'start.lock'  => sprintf('{"pid":%d,"starttime":%d}', $pid, $start),
        'other.lock'  => sprintf('{"pid":%d,"starttime":%d}', $pid, $start - 1000),
        'user.lock'   => $pid,
        'inside.lock' => "inner.test:$inside",
        'short.lock'  => "inner:$inside",
        'here.lock'   => "$here:$inside",
    });
    chown 65534, 65534, "$dir/user.lock" or die;
    symlink "$here/" . sprintf('%x', (stat '/proc/self/ns/pid')[1]) . ":$pid", "$dir/ns.lock";
    symlink "$here/f0000abc:$pid", "$dir/otherns.lock";
    my $is = judged($dir);
    is $is->{'start.lock'}, "held $pid",       'the start time says so';
    is $is->{'other.lock'}, 'healed recycled', 'the start time is of another process';
    like $is->{'user.lock'}, qr/^unowned .* another user's/, 'another user made the entry';
    is $is->{'inside.lock'}, "held $inside", 'the host name is that of its namespace';
    is $is->{'short.lock'},  "held $inside", 'without the domain, too';
    like $is->{'here.lock'}, qr/^unowned .* another host/, 'this machine is not its host';
    is $is->{'ns.lock'}, "held $pid", 'the pid namespace is right';
    is $is->{'otherns.lock'}, 'healed recycled', 'no process of another namespace wrote that';
    $_->kill9 for $owner, $uts;
    my $after = dir_with({ 'inside.lock' => "inner.test:$inside" });
    like judged($after)->{'inside.lock'}, qr/^unowned it names a host/, 'with the container its name is gone: it stays';
};

subtest 'the number of a thread' => sub {
    my $daemon = mount_lockfs(options => 'unowned=keep');    # all its threads stay
    $other->stat($daemon->path);
    my $worker = worker_of($daemon->pid);
    my ($tid) = grep { $_ != $worker } map { m{/(\d+)$} } glob "/proc/$worker/task/*";
    my $dir = dir_with({ 'x.lock' => $tid });
    my $is = judged($dir);
    like $is->{'x.lock'}, qr/^(?:held|unowned)/, 'is not nobody\'s' or diag $is->{'x.lock'};
};

# Half of a pid is a pid, too.
subtest 'a record that is being written' => sub {
    my ($owner, $dead) = (client(), client());
    my $dir = dir_with({});
    $dead->kill9;
    mkdir "$dir/d.lock" or die;
    my %fd = map { $_ => $owner->get('open', 'rw,creat', "$dir/$_") } 'f.lock', 'd.lock/pid';
    $owner->do('write', $_, $dead->pid) for values %fd;
    my $is = judged($dir);
    like $is->{$_}, qr/^unowned .*somebody may be writing it/, "$_ stays" for 'f.lock', 'd.lock';
    $owner->do('close', $_) for values %fd;
    $is = judged($dir);
    is $is->{$_}, 'healed inferred', "$_ is judged when it is closed" for 'f.lock', 'd.lock';
};

subtest 'unowned=heal takes what says nothing' => sub {
    my $dir = dir_with({ 'empty.lock' => '', 'text.lock' => 'nobody knows' });
    mkdir "$dir/d.lock" or die;
    my $is = judged($dir, options => 'unowned=heal');
    is $is->{$_}, 'healed inferred', $_ for 'empty.lock', 'text.lock', 'd.lock';
};

subtest 'after a takeover' => sub {
    my $gone = client();
    my $dead = $gone->pid;
    $gone->kill9;
    my $dir = dir_with({ 'empty.lock' => '' });
    grow_old($dir);
    my $m = mount_lockfs(source => $dir, in_place => 1);
    expect ok => $other, 'put', $m->path . '/data.lock', $dead;
    ok ref $other->stat($m->path . '/empty.lock'), 'judged';
    my $worker = worker_of($m->pid);
    CORE::kill('KILL', $worker);
    grow_old($m->path);
    expect "ok $dead" => $other, 'get', $m->path . '/data.lock';
    like ctl_json([ 'show', '--json', $m->path . '/empty.lock' ])->{evidence}{why}, qr/names no process/, 'judged again';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

# Last: it changes /proc for all that follows.
subtest 'where /proc hides processes' => sub {
    my $dir = temp_path('hidden');
    run([ 'mount', '-t', 'proc', '-o', 'hidepid=2', 'proc', '/proc' ])->{status} eq 'exit 0' or die 'mount';
    my $m = mount_lockfs(user => unprivileged, source => do {
        mkdir $dir or die;
        write_file("$dir/x.lock", 4000000);
        chown((getpwnam unprivileged)[2, 3], $dir, "$dir/x.lock");
        grow_old($dir);
        $dir;
    }, in_place => 1);
    my $user = client(user => unprivileged);
    ok ref $user->stat($m->path . '/x.lock'), 'what cannot be seen may be there';
    is $m->umount, 'exit 0', 'the daemon ends well';
    write_file("$dir/w.lock", 'half of a rec');
    my $fd = $other->get('open', 'rw', "$dir/w.lock");
    $m = mount_lockfs(user => unprivileged, source => $dir, in_place => 1, options => 'unowned=heal');
    ok ref $user->stat($m->path . '/w.lock'), 'and may be writing, whatever the policy';
    $user->stop;
    $other->do('close', $fd);
    is $m->umount, 'exit 0', 'the daemon ends well';
};
done_testing;
