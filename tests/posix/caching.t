# What is unchanged costs nothing where only the mount changes it; what changed is seen at once, and what changed behind
# the mount soon.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

# The requests that reach the daemon while the code runs, as it traces them, without what comes when the kernel likes.
sub requests {
    my ($m, $code) = @_;
    my $before = length $m->log;
    $code->();
    return grep { !/^(RELEASE|RELEASEDIR|FORGET|BATCH_FORGET|INTERRUPT)$/ } substr($m->log, $before) =~ /opcode: (\w+)/g;
}

for my $options ('', 'allow_other') {
    subtest 'in place' . ($options && ", $options") => sub {
        my $m = mount_lockfs(source => 'tmpfs', options => $options, in_place => 1, args => ['-d']);
        my ($p, $c, $other) = ($m->path, client(), client());
        my $deep = "$p/one/two/three";
        for my $dir ("$p/one", "$p/one/two", $deep) { $c->get('mkdir', $dir) }
        $c->get('put', "$deep/f", 'content');
        $c->get('symlink', 'f', "$deep/ln");
        my %asks = (
            'stat'        => sub { $_[0]->get('stat', "$deep/f") },
            'a long path' => sub { $_[0]->get('stat', "$p/one/../one/two/../two/three/f") },
            'a link'      => sub { $_[0]->get('ostat', "$deep/ln") },
            'a name that is not there' => sub { $_[0]->do('stat', "$deep/missing") },
        );
        # On a private mount the daemon answers for the source what access(2) asks.
        $asks{access} = sub { $_[0]->get('access', "$deep/f", 'r') } if $options;
        ok scalar(requests($m, sub { $asks{$_}->($c) for sort keys %asks })), 'at first there are requests';
        for my $what (sort keys %asks) {
            is_deeply [ requests($m, sub { $asks{$what}->($_) for ($c, $other) x 10 }) ], [], "$what, again: no request";
        }
        # Two opens are asked for; the content is not.
        $c->get('get', "$deep/f") for 1, 2;    # reading has moved atime, which is asked for once
        is_deeply [ grep { !/^(OPEN|FLUSH)$/ } requests($m, sub { $_->get('get', "$deep/f") for ($c, $other) x 5 }) ], [], 'read again: only opened';
        my $fd = $c->get('open', 'r', "$deep/f");
        is_deeply [ requests($m, sub { $c->get('pread', $fd, 100, 0) for 1 .. 20 }) ], [], 'read again by one descriptor: no request';
        $c->get('close', $fd);

        # After a change it is all seen at once, and asked for no more than once.
        $other->get('put', "$deep/f", 'changed content');
        expect 'ok changed%20content' => $c, 'get', "$deep/f";
        is $c->stat("$deep/f")->{size}, 15, 'the new size';
        $c->get('get', "$deep/f");
        is_deeply [ grep { !/^(OPEN|FLUSH)$/ } requests($m, sub { $_->get('get', "$deep/f"), $_->get('stat', "$deep/f") for $c, $other }) ], [], 'once: no request after';
        $other->get('chmod', "$deep/f", '0604');
        is $c->stat("$deep/f")->{mode}, '0604', 'the new mode';
        $other->get('put', "$deep/missing", 'x');
        expect qr/^ok/ => $c, 'stat', "$deep/missing";
        $other->get('unlink', "$deep/missing");
        expect ENOENT => $c, 'stat', "$deep/missing";
        $other->get('rename', "$p/one/two", "$p/moved");
        expect ENOENT => $c, 'stat', "$deep/f";
        expect qr/^ok/ => $c, 'stat', "$p/moved/three/f";
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}

# Asks until it is so; the kernel is told to believe an entry for a second at most.
sub soon {
    my ($code, $name) = @_;
    my $end = now() + 10;
    my $so;
    do { $so = $code->() } until $so || now() > $end;
    ok $so, $name;
}

subtest 'changed behind the mount' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
    my ($p, $s, $c, $behind) = ($m->path, $m->source, client(), client());
    $behind->get('put', "$s/f", 'first');
    $behind->get('mkdir', "$s/d");
    expect 'ok first' => $c, 'get', "$p/f";
    $behind->get('put', "$s/f", 'second text');
    soon(sub { $c->do('get', "$p/f") eq 'ok second%20text' }, 'new content of another size');
    $behind->get('put', "$s/f", 'third texts');
    soon(sub { $c->do('get', "$p/f") eq 'ok third%20texts' }, 'new content of the same size');
    my $fd = $c->get('open', 'r', "$p/f");
    $behind->get('put', "$s/f", 'fourth text');
    soon(sub { $c->do('pread', $fd, 100, 0) eq 'ok fourth%20text' || !$c->get('fstat', $fd) }, 'also for who has it open');
    $c->get('close', $fd);
    $behind->get('chmod', "$s/f", '0600');
    soon(sub { $c->stat("$p/f")->{mode} eq '0600' }, 'a mode');
    expect ENOENT => $c, 'stat', "$p/new";
    $behind->get('put', "$s/new", 'x');
    expect qr/^ok/ => $c, 'stat', "$p/new";
    is_deeply [ $c->list($p) ], [qw(d f new)], 'a new entry is listed at once';
    $behind->get('unlink', "$s/new");
    soon(sub { $c->stat("$p/new") eq 'ENOENT' }, 'an entry that goes');
    $behind->get('rename', "$s/f", "$s/d/f");
    soon(sub { $c->stat("$p/f") eq 'ENOENT' }, 'a file that moves goes');
    expect 'ok fourth%20text' => $c, 'get', "$p/d/f";
    $behind->get('put', "$s/replacing", 'replaced');
    $behind->get('rename', "$s/replacing", "$s/d/f");
    soon(sub { $c->do('get', "$p/d/f") eq 'ok replaced' }, 'a file that is replaced');
    $behind->get('rename', "$s/d", "$s/e");
    expect 'ok replaced' => $c, 'get', "$p/e/f";
    soon(sub { $c->stat("$p/d") eq 'ENOENT' }, 'a directory that moves');
    $fd = $c->get('open', 'w,append', "$p/e/f");
    $behind->get('put', "$s/e/f", 'longer than before');
    expect ok => $c, 'write', $fd, '+end';
    expect 'ok longer%20than%20before+end' => $behind, 'get', "$s/e/f";
    $c->get('close', $fd);
    expect ok => $c, 'put', "$p/e/f", 'by the mount';
    expect 'ok by%20the%20mount' => $behind, 'get', "$s/e/f";
    is $m->umount, 'exit 0', 'the daemon ends well';
};
done_testing;
