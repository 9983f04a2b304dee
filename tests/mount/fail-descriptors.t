# A daemon that runs out of descriptors says so in errors, loses no claim, heals nothing wrongly, and recovers.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $limit   = 64;
my $refused = qr/^(EMFILE|ENFILE|ENOLCK)$/;

my $program = temp_path('few-descriptors');
open my $fh, '>', $program or die "$program: $!\n";
print {$fh} "#!/bin/sh\nulimit -n $limit && exec ", Lockfs::Mount::binary(), qq( "\$@"\n);
close $fh;
chmod 0755, $program;

sub mount_few { return mount_lockfs(program => $program, source => 'tmpfs', @_) }

sub is_limited {
    my ($m) = @_;
    like slurp('/proc/' . $m->pid . '/limits'), qr/^Max open files\s+$limit\s+$limit\s/m, 'the limit is in force';
}

# Opens until it fails: the error, and how many there were.
sub open_all {
    my ($c, $path) = @_;
    my @fds;
    for my $i (1 .. 2 * $limit) {
        my $reply = $c->do('open', 'rw,creat', "$path/open-$i");
        return ($reply, @fds) unless $reply =~ /^ok (\d+)/;
        push @fds, $1;
    }
    return ('ok', @fds);
}

for my $in_place (0, 1) {
    subtest 'many open files, ' . ($in_place ? 'in place' : 'elsewhere') => sub {
        my $m = mount_few(in_place => $in_place);
        is_limited($m);
        my ($p, $hog, $owner, $dying, $fresh) = ($m->path, map { client() } 1 .. 4);
        expect ok => $owner, 'mkdir', "$p/x.lock";
        expect ok => $owner, 'mkdir', "$p/dir";
        expect ok => $owner, 'put', "$p/dir/file", 'text';
        expect ok => $owner, 'mkdir', "$p/dir/in.lock";
        expect ok => $owner, 'times', 6, 'mkdir', "$p/d{}";
        expect ok => $owner, 'times', 6, 'mkdir', "$p/d{}/in.lock";
        expect ok => $dying, 'mkdir', "$p/dead.lock";
        my ($error, @fds) = open_all($hog, $p);
        like $error, $refused, 'at some point there are no more';
        cmp_ok scalar(@fds), '>=', $limit / 4, 'not before many were open';
        is $fresh->stat("$p/open-" . (@fds + 1)), 'ENOENT', 'what could not be opened was not made';
        expect ok => $owner, 'put', $m->source . '/from-behind', 'text' unless $in_place;
        expect $refused => $fresh, 'creat', "$p/dir/file";

        expect ok       => $hog, 'write', $fds[0], 'text';
        expect 'ok text' => $hog, 'pread', $fds[0], 10, 0;
        expect qr/^ok type=file/ => $fresh, 'stat', "$p/dir/file";
        expect ok       => $owner, 'rmdir', "$p/dir/in.lock";
        expect ok       => $owner, 'times', 6, 'rmdir', "$p/d{}/in.lock";
        expect EEXIST   => $fresh, 'mkdir', "$p/x.lock";
        expect EBUSY    => $fresh, 'rmdir', "$p/x.lock";
        expect $refused => $fresh, 'get', "$p/dir/file";
        expect qr/^(EMFILE|ENFILE|ENOLCK|ok)$/ => $fresh, 'mkdir', "$p/fresh.lock";
        expect ok       => $owner, 'mkdir', "$p/second.lock";
        expect ok       => $owner, 'rmdir', "$p/second.lock";
        $dying->kill9;
        is $fresh->stat("$p/dead.lock"), 'ENOENT', 'the dead are seen to be dead';
        expect ok       => $owner, 'mkdir', "$p/dead.lock";
        is ref $fresh->stat("$p/x.lock"), 'HASH', 'the living are not healed';

        expect ok => $hog, 'close', $_ for @fds;
        expect qr/^(ok|EEXIST)$/ => $fresh, 'mkdir', "$p/fresh.lock";
        expect EEXIST    => $hog, 'mkdir', "$p/fresh.lock";
        expect 'ok text' => $fresh, 'get', "$p/dir/file";
        expect 'ok text' => $fresh, 'get', "$p/open-1";
        expect 'ok text' => $fresh, 'get', "$p/from-behind" unless $in_place;
        $fresh->kill9;
        expect ok => $hog, 'mkdir', "$p/fresh.lock";
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}

subtest 'many owners' => sub {
    my $m = mount_few();
    my $p = $m->path;
    my $deep = client();
    expect ok => $deep, 'mkdir', "$p/$_" for 'deep', 'deep/down', 'deep/down/x.lock';
    my (@held, @refused);
    for my $i (1 .. $limit + 10) {
        my $c = client();
        my $reply = $c->do('mkdir', "$p/$i.lock");
        if ($reply eq 'ok') { push @held, [ $c, $i ] }
        else                { push @refused, [ $c, $i, $reply ] }
    }
    cmp_ok scalar(@held), '>=', $limit / 5, 'many can hold one';    # each takes two, and the daemon some of its own
    ok @refused > 0, 'not all';
    is_deeply [ grep { $_->[2] !~ $refused } @refused ], [], 'the others are told there is no room';
    my $other = client();
    my @wrong = grep { $other->do('mkdir', "$p/$_->[1].lock") ne 'EEXIST' } @held;
    is scalar(@wrong), 0, 'every claim stands';
    is_deeply [ grep { $other->stat("$p/$_->[1].lock") ne 'ENOENT' } @refused ], [], 'what was refused was not made';
    expect ok => $deep, 'rmdir', "$p/deep/down/x.lock";
    expect ok => $deep, 'rmdir', "$p/$_" for 'deep/down', 'deep';
    like $m->log, qr/descriptors|Too many open files/, 'the log says why';

    my $first = shift @held;
    $first->[0]->kill9;
    expect ok => $refused[0][0], 'mkdir', "$p/$first->[1].lock";
    $_->[0]->kill9 for @held;
    is_deeply [ $other->list($p) ], ["$first->[1].lock"], 'the claims of the dead are gone, the others not';
    expect ok => $_->[0], 'mkdir', "$p/again-$_->[1].lock" for @refused[ 0 .. 5 ];
    is $m->umount, 'exit 0', 'the daemon ends well';
};

subtest 'many directories' => sub {
    my $m = mount_few();
    my ($p, $c) = ($m->path, client());
    expect ok => $c, 'times', 3 * $limit, 'mkdir', "$p/d{}";
    expect ok => $c, 'times', 3 * $limit, 'put', "$p/d{}/file", 'text';
    expect ok => $c, 'times', 3 * $limit, 'mkdir', "$p/d{}/x.lock";
    my $deep = $p;
    $deep .= "/$_" for 1 .. 100;
    is run([ 'mkdir', '-p', $deep ])->{status}, 'exit 0', 'a hundred levels';
    expect ok => $c, 'mkdir', "$deep/x.lock";
    expect ok => $c, 'times', 3 * $limit, 'get', "$p/d{}/file";
    $c->kill9;
    my $other = client();
    expect ok => $other, 'mkdir', "$deep/x.lock";
    expect ok => $other, 'times', 3 * $limit, 'mkdir', "$p/d{}/x.lock";
    is run([ 'rm', '-rf', "$p/1" ])->{status}, 'exit 1', 'rm -rf meets the lock';
    expect ok => $other, 'rmdir', "$deep/x.lock";
    is run([ 'rm', '-rf', "$p/1" ])->{status}, 'exit 0', 'then it removes all';
};

subtest 'many processes that only look' => sub {
    my $m = mount_few();
    my ($p, $owner) = ($m->path, client());
    expect ok => $owner, 'mkdir', "$p/x.lock";
    my @crowd = map { client() } 1 .. $limit + 10;
    $_->start('times', 20, 'stat', "$p/x.lock") for @crowd;
    is_deeply [ grep { $_ ne 'ok' } map { $_->reply } @crowd ], [], 'none needs a descriptor for itself';
    $_->start('rmdir', "$p/x.lock") for @crowd;
    is_deeply [ grep { $_ ne 'EBUSY' } map { $_->reply } @crowd ], [], 'nor to be refused';
};

done_testing;
