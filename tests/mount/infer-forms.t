# Locks that were there before lockfs: whatever the form of the record, one of a dead process heals, one of a living
# process is its claim, one of another machine stays, and so does what cannot be told.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::LeftOver;

need_root;
need_fuse;

my ($owner, $gone, $other) = (client(), client(), client());
my ($dead, $live) = ($gone->pid, $owner->pid);
$gone->kill9;

sub unowned { my ($m) = @_; return { map { $_->{path} => $_ } grep { $_->{state} eq 'unowned' } @{ ctl_json([ 'list', '--json', $m->path ]) } } }
sub healed  { my ($m) = @_; return { map { $_->{path} => $_ } @{ ctl_json([ 'healed', '--json', $m->path ]) } } }

# A directory with one lock of each form, grown old.
sub left {
    my ($pid, $host, @forms) = @_;
    my $dir = temp_path('left-' . ++$main::lockfs_serial);
    mkdir $dir or die "$dir: $!\n";
    $_->{make}->("$dir/$_->{name}.lock", $pid, $host) for @forms;
    return $dir;
}

my @with_host = grep { $_->{host} } @FORMS;
my %dir       = (
    stale   => left($dead, undef,               @FORMS),
    owned   => left($live, undef,               @FORMS),
    foreign => left($dead, 'elsewhere.invalid', @with_host),
    kept    => left($dead, undef,               @FORMS),
    heal    => left($dead, 'elsewhere.invalid', @with_host),
    other   => left($dead, undef),
);
write_file("$dir{heal}/live.lock", "$live\n");
my %unclear = (
    'empty.lock' => '', 'text.lock' => "some text\n", 'zero.lock' => "0\n", 'two.lock' => qq({"pid":1,"x":{"pid":2}}),
    'long.lock'  => "$dead\n" . ("\n" x 5000), 'init.lock' => "1\n",
);
for my $name (keys %unclear) { write_file("$dir{$_}/$name", $unclear{$name}) for qw(other heal) }
mkdir "$dir{other}/bare.lock" or die;
write_file("$dir{other}/data.txt", "$dead\n");
write_file("$dir{other}/yarn.lock", "$dead\n");
write_file("$dir{other}/locked.lock", "$dead\n");

subtest 'stale' => sub {
    my $m = mount_lockfs(source => $dir{stale}, in_place => 1);
    my $p = $m->path;
    for my $form (@FORMS) {
        my $path = "$p/$form->{name}.lock";
        is $other->stat($path), 'ENOENT', "$form->{name}: gone at the first look";
        expect ok => $other, 'mkdir', $path;
        expect ok => $other, 'rmdir', $path;
    }
    my $healed = healed($m);
    is $healed->{"$_->{name}.lock"}{reason},     'inferred', "$_->{name}: the reason" for @FORMS;
    is $healed->{"$_->{name}.lock"}{owner}{pid}, $dead,      "$_->{name}: the pid"    for @FORMS;
    is scalar(grep { !$_->{kept} } values %$healed), 0, 'all that they said is kept';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'stale, without anybody looking' => sub {
    my $dir = left($dead, undef);
    for my $sub ('a', 'a/b') { mkdir "$dir/$sub" or die; $FORMS[0]{make}->("$dir/$sub/x.lock", $dead) }
    $FORMS[0]{make}->("$dir/live.lock", $live);
    my $m = mount_lockfs(source => $dir, in_place => 1);
    my $p = $m->path;
    my $w = watcher("$p/a/b");
    ok scalar($w->until('DELETE', 'x.lock', 20)), 'what was written a moment ago goes a moment later';
    $w->stop;
    ok ref $other->stat("$p/live.lock"), 'what lives stays';
    my %state = map { $_->{path} => $_->{state} } @{ ctl_json([ 'list', '--json', $p ]) };
    is_deeply \%state, { 'live.lock' => 'held' }, 'what is left';
    expect ok => $other, 'put', "$p/late.lock", "$dead\n";
    is $other->stat("$p/late.lock")->{size}, length("$dead\n"), 'what is made later is data';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'owned' => sub {
    my $m = mount_lockfs(source => $dir{owned}, in_place => 1);
    my $p = $m->path;
    for my $form (@FORMS) {
        my $path = "$p/$form->{name}.lock";
        expect EEXIST => $other, 'mkdir', $path;
        expect EBUSY => $other, -d $path && !-l $path ? 'rmdir' : 'unlink', $path;
        my $claim = ctl_json([ 'show', '--json', $path ]);
        is $claim->{owner}{pid}, $live, "$form->{name}: its owner";
        like $claim->{owner}{why}, qr/when lockfs was mounted/, 'and how that is known';
    }
    expect ok => $owner, 'unlink', "$p/number.lock";
    my $w = watcher($p);
    $owner->kill9;
    is $other->stat("$p/json.lock"), 'ENOENT', 'it dies, and they are gone';
    ok scalar($w->until('DELETE', 'borg.lock', 20)), 'and watchers hear of it';
    $w->stop;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'of another machine' => sub {
    my $m = mount_lockfs(source => $dir{foreign}, in_place => 1);
    for my $form (@with_host) {
        ok ref $other->stat($m->path . "/$form->{name}.lock"), "$form->{name}: stays";
        my $show = ctl_json([ 'show', '--json', $m->path . "/$form->{name}.lock" ]);
        is $show->{state}, 'unowned', 'unowned';
        is_deeply [ @{ $show->{evidence} }{qw(pid host)} ], [ $dead, 'elsewhere.invalid' ], 'what it says';
        like $show->{evidence}{why}, qr/names a host/, 'why';
    }
    expect ok => $other, 'unlink', $m->path . '/emacs.lock';    # anybody may, as on the source
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'cannot be told' => sub {
    open my $held, '<', "$dir{other}/locked.lock" or die;
    flock $held, 2 or die;
    my $m = mount_lockfs(source => $dir{other}, in_place => 1);
    my $p = $m->path;
    for my $name (sort keys %unclear) {
        ok ref $other->stat("$p/$name"), "$name stays";
        is ctl_json([ 'show', '--json', "$p/$name" ])->{state}, 'unowned', 'unowned';
    }
    ok ref $other->stat("$p/$_"), "$_ stays" for qw(bare.lock data.txt yarn.lock);
    is ctl("explain $p/data.txt")->{status}, 'exit 2', 'usage' if 0;
    ok ref $other->stat("$p/locked.lock"), 'locked with flock: stays';
    like ctl_json([ 'show', '--json', "$p/locked.lock" ])->{evidence}{why}, qr/open or locked/, 'why';
    like ctl([ 'show',    "$p/empty.lock" ])->{out},           qr/not known\n +why +it names no process/, 'show says why';
    like ctl([ 'explain', '--file', "$p/empty.lock" ])->{out}, qr/nobody is known to own it: it names no process/, 'and explain';
    like ctl([ 'list', $p ])->{out}, qr/^empty\.lock.*\(unowned\)/m, 'and list';
    ctl_status(5, [ 'wait', "$p/empty.lock" ], qr/nobody is known to own it/);
    ctl_status(0, [ 'break', '--yes', "$p/text.lock" ], qr/held by nobody who is known/);
    is $other->stat("$p/text.lock"), 'ENOENT', 'broken';
    ctl_status(0, [ 'restore', "$p/text.lock", '--as', 'text.old' ]);
    expect "ok some%20text%0A" => $other, 'get', "$p/text.old";
    is $m->umount, 'exit 0', 'the daemon ends well';
    close $held;
    $m = mount_lockfs(source => $dir{other}, in_place => 1);
    is $other->stat("$p/locked.lock"), 'ENOENT', 'unlocked: heals';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'unowned=keep' => sub {
    my $m = mount_lockfs(source => $dir{kept}, in_place => 1, options => 'unowned=keep');
    ok ref $other->stat($m->path . "/$_->{name}.lock"), "$_->{name}: stays" for @FORMS;
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'observe' => sub {
    my $m = mount_lockfs(source => $dir{kept}, in_place => 1, options => 'observe');
    ok ref $other->stat($m->path . "/$_->{name}.lock"), "$_->{name}: stays" for @FORMS;
    like ctl_json([ 'show', '--json', $m->path . '/number.lock' ])->{evidence}{why}, qr/no process has its pid/, 'and is said to be stale';
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'ro' => sub {
    my $m = mount_lockfs(source => $dir{kept}, in_place => 1, options => 'ro');
    ok ref $other->stat($m->path . "/$_->{name}.lock"), "$_->{name}: stays" for @FORMS;
    is $m->umount, 'exit 0', 'the daemon ends well';
};
done_testing;
