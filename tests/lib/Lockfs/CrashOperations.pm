package Lockfs::CrashOperations;

# Every operation that changes something, with what makes it ready and what must hold after it; and how one is run while an
# order of Lockfs::CrashPoint is in force.

use v5.30;
use warnings;
use Exporter qw(import);
use Lockfs::CrashPoint;
use Lockfs::Ctl;
use Lockfs::Test;

our @EXPORT = qw(operate_on operations operation_names run_operation leftovers);

# A step is "WHO COMMAND ARGUMENTS [-> EXPECTED]" (WHO is a client, or ctl, victim, watch: see below). /x stands for x in the mount.
# "-> fd f" keeps a descriptor, which is $f from there on; without "->" the answer begins with ok.
my @OPERATIONS = (
    'mkdir of a lock' => {
        call => ['owner mkdir /x.lock'],
        then => [ 'other mkdir /x.lock -> EEXIST', 'other rmdir /x.lock -> EBUSY', 'owner rmdir /x.lock' ],
    },
    'first lock of a process' => {
        ready => ['victim born'],
        call  => ['victim mkdir /v.lock'],
        then  => [ 'other rmdir /v.lock -> EBUSY', 'victim rmdir /v.lock' ],
    },
    'mkdir of data' => { call => ['owner mkdir /d'], then => [ 'owner mkdir /d -> EEXIST', 'other rmdir /d' ] },
    'exclusive create of a lock' => {
        call => ['owner open rw,creat,excl /f.lock -> fd f'],
        then => [ 'other excl /f.lock -> EEXIST', 'other unlink /f.lock -> EBUSY', 'owner write $f text', 'owner close $f', 'owner unlink /f.lock' ],
    },
    'create of data that cannot be read' => {
        call => ['owner open rw,creat,excl /secret 0 -> fd f'],
        then => [ 'owner write $f text', 'owner close $f', 'owner unlink /secret' ],
    },
    'plain create' => {
        call => ['owner open rw,creat /plain -> fd f'],
        then => [ 'owner write $f text', 'owner close $f', 'other get /plain -> ok text', 'owner unlink /plain' ],
    },
    'create of what is there' => {
        ready => ['owner put /plain text'],
        call  => ['owner open rw,creat /plain -> fd f'],
        then  => [ 'owner read $f 9 -> ok text', 'owner close $f', 'owner unlink /plain' ],
    },
    'open that truncates' => {
        ready => ['owner put /plain text'],
        call  => [ 'owner open rw,trunc /plain -> fd f', 'owner write $f new' ],
        then  => [ 'owner close $f', 'other get /plain -> ok new', 'owner unlink /plain' ],
    },
    'symlink' => {
        call => [ 'owner symlink me /s.lock', 'owner symlink you /s' ],
        then => [ 'other readlink /s.lock -> ok me', 'other readlink /s -> ok you', 'other unlink /s.lock -> EBUSY', 'owner unlink /s.lock', 'owner unlink /s' ],
    },
    'link' => {
        call => [ 'owner link /data /l.lock', 'owner link /data /l' ],
        then => [ 'other unlink /l.lock -> EBUSY', 'owner unlink /l.lock', 'owner unlink /l' ],
    },
    'mknod' => {
        call => [ 'owner mknod /n.lock fifo', 'owner mknod /n reg' ],
        then => [ 'other mknod /n.lock fifo -> EEXIST', 'other unlink /n.lock -> EBUSY', 'owner unlink /n.lock', 'owner unlink /n' ],
    },
    'rmdir' => {
        ready => [ 'owner mkdir /x.lock', 'owner mkdir /d' ],
        call  => [ 'owner rmdir /x.lock', 'owner rmdir /d' ],
        then  => [ 'other mkdir /x.lock', 'other rmdir /x.lock', 'other mkdir /d', 'other rmdir /d' ],
    },
    'rmdir of what is open' => {
        ready => [ 'owner mkdir /d', 'owner open dir /d -> fd f' ],
        call  => ['owner rmdir /d'],
        then  => [ 'other mkdir /d', 'other put /d/file text', 'owner fstat $f', 'owner close $f', 'other unlink /d/file', 'other rmdir /d' ],
    },
    'unlink' => {
        ready => [ 'owner open rw,creat,excl /f.lock -> fd f', 'owner put /d text' ],
        call  => [ 'owner unlink /f.lock', 'owner unlink /d' ],
        then  => [ 'owner write $f text', 'owner close $f', 'other open rw,creat,excl /f.lock -> fd f', 'other close $f', 'other unlink /f.lock' ],
    },
    'rename to a free name' => {
        ready => ['owner put /from new'],
        call  => ['owner rename /from /to'],
        then  => [ 'other get /to -> ok new', 'other get /from -> ENOENT', 'owner unlink /to' ],
    },
    'rename over a file' => {
        ready => [ 'owner put /from new', 'owner put /to old', 'other open r /to -> fd f' ],
        call  => ['owner rename /from /to'],
        then  => [ 'other get /to -> ok new', 'other get /from -> ENOENT', 'other read $f 9 -> ok old', 'other close $f', 'owner unlink /to' ],
    },
    'rename over a directory' => {
        ready => [ 'owner mkdir /from', 'owner put /from/in text', 'owner mkdir /to' ],
        call  => ['owner rename /from /to'],
        then  => [ 'other get /to/in -> ok text', 'owner unlink /to/in', 'owner rmdir /to' ],
    },
    'rename that is refused' => {
        ready => [ 'owner put /from new', 'owner put /to old' ],
        call  => ['owner rename /from /to noreplace -> EEXIST'],
        then  => [ 'other get /to -> ok old', 'owner unlink /to', 'owner unlink /from' ],
    },
    'rename of one name of a file to the other' => {
        ready => [ 'owner put /from text', 'owner link /from /to' ],
        call  => ['owner rename /from /to'],
        then  => [ 'owner unlink /to', 'owner unlink /from' ],
    },
    'publish' => {
        ready => [ 'owner put /index old', 'owner open rw,creat,excl /index.lock -> fd f', 'owner write $f new', 'owner close $f' ],
        call  => ['owner rename /index.lock /index'],
        then  => [ 'other get /index -> ok new', 'other open rw,creat,excl /index.lock -> fd f', 'other close $f', 'other unlink /index.lock', 'other unlink /index' ],
    },
    'lock moved to another lock name' => {
        ready => [ 'owner open rw,creat,excl /a.lock -> fd f', 'owner close $f' ],
        call  => ['owner rename /a.lock /b.lock'],
        then  => [ 'other unlink /b.lock -> EBUSY', 'other unlink /a.lock -> ENOENT', 'owner unlink /b.lock' ],
    },
    'rename of data to a lock name' => {
        ready => ['owner put /tmp me'],
        call  => ['owner rename /tmp /r.lock noreplace'],
        then  => [ 'other unlink /r.lock -> EBUSY', 'other get /r.lock -> ok me', 'owner unlink /r.lock' ],
    },
    'rename of a directory to a lock name' => {
        ready => [ 'owner mkdir /tmp', 'owner put /tmp/id me' ],
        call  => ['owner rename /tmp /x.lock'],
        then  => [ 'other unlink /x.lock/id -> EBUSY', 'owner unlink /x.lock/id', 'owner rmdir /x.lock' ],
    },
    'exchange' => {
        ready => [ 'owner put /a 1', 'owner put /b 2' ],
        call  => ['owner rename /a /b exchange'],
        then  => [ 'other get /a -> ok 2', 'other get /b -> ok 1', 'owner unlink /a', 'owner unlink /b' ],
    },
    'exchange with a lock' => {
        ready => [ 'owner put /a 1', 'owner open rw,creat,excl /b.lock -> fd f', 'owner write $f 2', 'owner close $f' ],
        call  => ['owner rename /a /b.lock exchange'],
        then  => [ 'other get /a -> ok 2', 'other get /b.lock -> ok 1', 'other unlink /b.lock -> EBUSY', 'owner unlink /a', 'owner unlink /b.lock' ],
    },
    'attributes' => {
        ready => ['owner put /a text'],
        call  => [ 'owner chmod /a 640', 'owner chown /a 1 2', 'owner utimens /a 5000000000 7000000000', 'owner truncate /a 2' ],
        then  => [ 'other get /a -> ok te', 'owner unlink /a' ],
    },
    'writing' => {
        ready => [ 'owner put /a 0123456789', 'owner open rw /a -> fd f' ],
        call  => [ 'owner pwrite $f abc 2', 'owner ftruncate $f 8', 'owner fallocate $f 0 8 2', 'owner fsync $f' ],
        then  => [ 'owner close $f', 'other stat /a', 'owner truncate /a 8', 'other get /a -> ok 01abc567', 'owner unlink /a' ],
    },
    'appending' => {
        ready => [ 'owner put /a 01', 'owner open w,append /a -> fd f' ],
        call  => [ 'owner write $f ab', 'owner write $f ab' ],
        then  => [ 'owner close $f', 'other get /a -> ok 01abab', 'owner unlink /a' ],
    },
    'punching a hole' => {
        ready => [ 'owner put /a 0123456789', 'owner open rw /a -> fd f' ],
        call  => ['owner fallocate $f 3 0 4'],
        then  => [ 'owner pread $f 3 7 -> ok 789', 'owner close $f', 'owner unlink /a' ],
    },
    'copying a range' => {
        ready => [ 'owner put /a 0123', 'owner put /b xxxxxx', 'owner open r /a -> fd f', 'owner open rw /b -> fd g' ],
        call  => ['owner copyrange $f $g 4 -> ok 4'],
        then  => [ 'owner close $f', 'owner close $g', 'other get /b -> ok 0123xx', 'owner unlink /a', 'owner unlink /b' ],
    },
    'extended attributes' => {
        ready => [ 'owner put /a text', 'owner setxattr /a user.gone v' ],
        call  => [ 'owner setxattr /a user.once v create', 'owner removexattr /a user.gone', 'owner setxattr /a user.no v replace -> ENODATA',
                   'owner setxattr /a user.once w replace', 'owner setxattr /a user.once w create -> EEXIST' ],
        then  => [ 'other getxattr /a user.once -> ok w', 'other getxattr /a user.gone -> ENODATA', 'other getxattr /a user.no -> ENODATA', 'owner unlink /a' ],
    },
    'file without a name' => {
        call => [ 'owner open rw,tmpfile / -> fd f', 'owner write $f text', 'owner linkfd $f /named' ],
        then => [ 'owner close $f', 'other get /named -> ok text', 'owner unlink /named' ],
    },
    'file without a name becomes a lock' => {
        ready => [ 'owner open rw,tmpfile / -> fd f', 'owner write $f text' ],
        call  => ['owner linkfd $f /t.lock'],
        then  => [ 'owner close $f', 'other unlink /t.lock -> EBUSY', 'owner unlink /t.lock' ],
    },
    'locks of the kernel' => {
        ready => ['owner put /a text'],
        call  => [ 'owner open rw /a -> fd f', 'owner flock $f ex', 'owner setlk $f wr', 'owner close $f' ],
        then  => [ 'other open rw /a -> fd f', 'other flock $f ex', 'other close $f', 'owner unlink /a' ],
    },
    'listing' => {
        ready => [ 'owner mkdir /d', map {"owner mknod /d/$_ reg"} 1 .. 3 ],
        call  => ['other list /d -> ok 1 2 3'],
        then  => [ ( map {"owner unlink /d/$_"} 1 .. 3 ), 'owner rmdir /d' ],
    },
    'taking the name of the dead' => {
        ready => [ 'victim born', 'victim mkdir /x.lock' ],
        call  => [ 'victim dies', 'owner mkdir /x.lock' ],
        then  => [ 'other mkdir /x.lock -> EEXIST', 'other rmdir /x.lock -> EBUSY', 'owner rmdir /x.lock' ],
    },
    'taking the name of the dead who left something' => {
        ready => [ 'victim born', 'victim mkdir /x.lock', 'victim put /x.lock/in text' ],
        call  => [ 'victim dies', 'owner mkdir /x.lock' ],
        then  => [ 'other get /x.lock/in -> ENOENT', 'owner rmdir /x.lock', 'ctl restore --as /back /x.lock', 'owner get /back/in -> ok text', 'owner unlink /back/in', 'owner rmdir /back' ],
    },
    'rename over the dead who left something' => {
        ready => [ 'owner mkdir /tmp', 'owner put /tmp/id me', 'victim born', 'victim mkdir /x.lock', 'victim put /x.lock/in text' ],
        call  => [ 'victim dies', 'owner rename /tmp /x.lock' ],
        then  => [ 'other get /x.lock/id -> ok me', 'other unlink /x.lock/id -> EBUSY', 'owner unlink /x.lock/id', 'owner rmdir /x.lock',
                   'ctl restore --as /back /x.lock', 'owner unlink /back/in', 'owner rmdir /back' ],
    },
    'removing a directory with the dead inside' => {
        ready => [ 'owner mkdir /d', 'victim born', 'victim mkdir /d/x.lock', 'victim mkdir /d/y.lock', 'owner open dir /d -> fd f' ],
        call  => [ 'victim dies', 'owner rmdir /d' ],
        then  => [ 'owner mkdir /d', 'owner put /d/file text', 'owner fstat $f', 'owner close $f', 'owner unlink /d/file', 'owner rmdir /d' ],
    },
    'removing a directory that somebody is in, with the dead inside' => {
        ready => [ 'owner mkdir /d', 'owner chdir /d', 'victim born', 'victim mkdir /d/x.lock', 'victim mkdir /d/y.lock' ],
        call  => [ 'victim dies', 'other rmdir /d' ],
        then  => [ 'other mkdir /d', 'other put /d/file text', 'owner stat file -> ENOENT', 'owner chdir OUT', 'other unlink /d/file', 'other rmdir /d' ],
    },
    'healing without a look' => {
        ready => [ 'victim born', 'victim mkdir /x.lock', 'victim symlink me /s.lock', 'victim link /data /l.lock', 'victim excl /f.lock', 'watch' ],
        call  => [ 'victim dies', 'watch x.lock s.lock l.lock f.lock' ],
        then  => [ map { ( "owner mkdir /$_.lock", "owner rmdir /$_.lock" ) } qw(x s l f) ],
    },
    'healing what held something' => {
        ready => [ 'victim born', 'victim mkdir /x.lock', 'victim put /x.lock/in text', 'watch' ],
        call  => [ 'victim dies', 'watch x.lock' ],
        then  => [ 'other get /x.lock/in -> ENOENT', 'ctl restore --as /back /x.lock', 'owner get /back/in -> ok text', 'owner unlink /back/in', 'owner rmdir /back' ],
    },
    'lockfs-ctl break' => {
        ready => [ 'owner mkdir /x.lock', 'owner put /x.lock/in text', 'watch' ],
        call  => [ 'ctl break --yes /x.lock', 'watch x.lock' ],
        then  => [ 'other mkdir /x.lock', 'other rmdir /x.lock', 'ctl restore --as /back /x.lock', 'owner unlink /back/in', 'owner rmdir /back' ],
    },
    'lockfs-ctl transfer' => {
        ready => ['owner mkdir /x.lock'],
        call  => ['ctl transfer /x.lock OTHER'],
        then  => [ 'owner rmdir /x.lock -> EBUSY', 'other rmdir /x.lock' ],
    },
    'lockfs-ctl restore' => {
        ready => [ 'victim born', 'victim mkdir /x.lock', 'victim put /x.lock/in text', 'watch', 'victim dies', 'watch x.lock' ],
        call  => ['ctl restore --as /back /x.lock'],
        then  => [ 'owner get /back/in -> ok text', 'owner unlink /back/in', 'owner rmdir /back' ],
    },
);

my ($p, $watcher, %clients, %fds);

# From here on the steps are about this mount, with new clients.
sub operate_on {
    my ($m) = @_;
    $p       = $m->path;
    %clients = (owner => client(), other => client());
    expect ok => $clients{owner}, 'put', "$p/data", 'text';
}

sub operations { return { @OPERATIONS } }
sub operation_names { return map { $OPERATIONS[ 2 * $_ ] } 0 .. $#OPERATIONS / 2 }

sub words {
    my ($text) = @_;
    return map { m{^/(.*)} ? "$p/$1" : /^\$(\w)$/ ? $fds{$1} // 'none' : $_ eq 'OUT' ? '/' : $_ eq 'OTHER' ? $clients{other}->pid : $_ } split ' ', $text;
}

# What programs do that are no clients.
my %actors = (
    watch => sub {
        my (@names) = @_;
        return $watcher = watcher($p) if !@names;
        my %left = map { $_ => 1 } @names;
        while (%left) { my $event = $watcher->next(20) or last; delete $left{ $event->{name} } if $event->{mask} =~ /DELETE/ }
        $watcher->stop;
        return %left ? 'still there: ' . join(' ', sort keys %left) : 'ok';
    },
    ctl => sub {
        my $r = ctl([ map { s{^\Q$p\E/(back)$}{$1}r } @_ ]);
        return $r->{status} eq 'exit 0' ? 'ok' : "$r->{status}: $r->{err}";
    },
);

# What went wrong in a step.
sub step {
    my ($text) = @_;
    my ($act, $expected) = split / -> /, $text;
    my ($who, @command) = words($act);
    if ($text eq 'victim born') { $clients{victim} = client(); return () }
    if ($text eq 'victim dies') { $clients{victim}->kill9;     return () }
    my $got = $actors{$who} ? $actors{$who}->(@command) : $clients{$who}->do(@command);
    if (($expected // '') =~ /^fd (\w)/) { my $name = $1; ($fds{$name}) = $got =~ /^ok (\d+)/; $expected = undef }
    return () if defined $expected ? $got eq $expected : ref $got || $got =~ /^ok\b/;
    return "'$text': $got";
}

# Everything around one call. What was passed, or whether the orders were carried out; and what went wrong.
sub run_operation {
    my ($operation, @orders) = @_;
    my @wrong = map { step($_) } @{ $operation->{ready} // [] };
    passes();
    arm(@orders);
    push @wrong, map { step($_) } @{ $operation->{call} }, 'other stat /data';
    my $result = $orders[-1] eq '?' ? [ passes() ] : !armed();
    disarm();
    push @wrong, map { step($_) } @{ $operation->{then} };
    return ($result, @wrong);
}

# Nothing is left over, here or behind the mount.
sub leftovers {
    my ($m) = @_;
    my @wrong = map { "left over: $_" } grep { $_ ne 'data' } $clients{other}->list($p);
    push @wrong, 'a claim is left: ' . $_ for $clients{other}->do('get', "$p/.lockfs/locks") =~ /^ok ([^%].*)/;
    return @wrong if $m->path eq $m->source;
    return @wrong, map { "left over in the source: $_" } grep { !/^(data|\.lockfs)$/ } $clients{other}->list($m->source);
}

1;
