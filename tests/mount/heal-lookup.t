# Once waitpid on the owner has returned, no call of anybody sees what it held: not by name, by listing, from inside, or anew.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $quick = $ENV{LOCKFS_QUICK};

sub none_wrong { my ($wrong, $what) = @_; is join(', ', map { "$_ ($wrong->{$_} times)" } sort keys %$wrong), '', $what }

# Each call comes first after a death in its turn, since the first one is who must notice.
sub each_first {
    my ($p, $take, @calls) = @_;
    my ($c, %wrong) = (client());
    for my $round (1 .. ($quick ? 1 : 5)) {
        for my $turn (0 .. $#calls) {
            my $owner = client();
            for my $act (@$take) { my $reply = $owner->do(@$act); $wrong{"@$act: $reply"}++ if $reply ne 'ok' }
            $owner->kill9;
            for my $call (@calls[ $turn .. $#calls ], @calls[ 0 .. $turn - 1 ]) {
                my $reply = $c->do(@$call);
                $wrong{"@$call: $reply"}++ if $reply ne 'ENOENT';
            }
        }
    }
    return none_wrong(\%wrong, 'ENOENT for all of ' . @calls . ' calls, whichever came first');
}

for my $way ('elsewhere', 'in place') {
    my %opt = (source => 'tmpfs', in_place => $way eq 'in place');
    my $m   = mount_lockfs(%opt);
    my ($p, $c) = ($m->path, client());

    subtest "$way: a directory" => sub {
        my $x = "$p/x.lock";
        each_first($p, [ [ 'mkdir', $x ], [ 'put', "$x/pid", '1' ], [ 'mkdir', "$x/sub" ] ],
            [ 'stat', $x ], [ 'list', $x ], [ 'open', 'r', $x ], [ 'open', 'path', $x ], [ 'access', $x, 'f' ], [ 'access', $x, 'rx' ],
            [ 'statfs', $x ], [ 'chmod', $x, '0700' ], [ 'utimens', $x, 'now', 'now' ], [ 'listxattr', $x ],
            [ 'getxattr', $x, 'user.a' ], [ 'setxattr', $x, 'user.a', 'b' ], [ 'rmdir', $x ], [ 'rename', $x, "$p/away" ],
            [ 'rename', $x, "$p/y.lock" ], [ 'stat', "$x/pid" ], [ 'get', "$x/pid" ], [ 'put', "$x/new", 'a' ], [ 'mkdir', "$x/in.lock" ],
            [ 'unlink', "$x/pid" ], [ 'truncate', "$x/pid", 0 ], [ 'list', "$x/sub" ], [ 'link', "$x/pid", "$p/linked" ], [ 'chdir', $x ]);
        is_deeply [ $c->list($p) ], [], 'nothing is left';
    };

    subtest "$way: a file" => sub {
        my $x = "$p/x.lock";
        each_first($p, [ [ 'excl', $x ], [ 'put', $x, '1' ] ],
            [ 'stat', $x ], [ 'get', $x ], [ 'open', 'r', $x ], [ 'open', 'w', $x ], [ 'open', 'path', $x ], [ 'access', $x, 'f' ],
            [ 'truncate', $x, 0 ], [ 'chmod', $x, '0700' ], [ 'unlink', $x ], [ 'rename', $x, "$p/away" ], [ 'link', $x, "$p/linked" ],
            [ 'listxattr', $x ], [ 'rename', $x, "$p/y.lock", 'exchange' ]);
        is_deeply [ $c->list($p) ], [], 'nothing is left';
    };

    subtest "$way: a symbolic link" => sub {
        my $x = "$p/x.lock";
        each_first($p, [ [ 'symlink', '/', $x ] ],
            [ 'readlink', $x ], [ 'stat', $x ], [ 'list', $x ], [ 'unlink', $x ], [ 'stat', "$x/etc" ], [ 'rename', $x, "$p/away" ]);
        is_deeply [ $c->list($p) ], [], 'nothing is left';
    };

    subtest "$way: listings, new and begun before" => sub {
        my ($keep, %wrong) = (client());
        expect ok => $keep, qw(times 300 creat), "$p/data-{}";
        for my $round (1 .. ($quick ? 10 : 60)) {
            my $owner = client();
            $owner->do(qw(times 20 mkdir), "$p/x{}.lock");
            $owner->do(qw(times 20 excl), "$p/y{}.lock");
            opendir my $before, $p or die "$p: $!\n";
            opendir my $begun,  $p or die "$p: $!\n";
            my $first = readdir $begun;
            rewinddir $begun;
            my @all = grep { /lock$/ } readdir $begun;
            $wrong{'not listed: ' . @all}++ if @all != 40;
            rewinddir $begun;
            $owner->kill9;
            my @order = $round % 3 == 0 ? (sub { readdir $before }, sub { readdir $begun }, sub { $c->list($p) })
                : $round % 3 == 1       ? (sub { readdir $begun },  sub { $c->list($p) },   sub { readdir $before })
                :                         (sub { $c->list($p) },    sub { readdir $before }, sub { readdir $begun });
            for my $list (@order) {
                my @names = $list->();
                $wrong{'listed'}++ if grep { /lock$/ } @names;
                $wrong{'data is missing'}++ if 300 != grep { /^data-/ } @names;
            }
        }
        none_wrong(\%wrong, 'none of 40 locks, and all of 300 files of data');
        expect ok => $keep, qw(times 300 unlink), "$p/data-{}";
    };

    subtest "$way: from inside" => sub {
        my %wrong;
        my @calls = ([ 'stat', 'pid' ], [ 'get', 'pid' ], [ 'mkdir', 'new' ], [ 'put', 'new', 'a' ], [ 'access', 'pid', 'f' ], [ 'unlink', 'pid' ],
            [ 'truncate', 'pid', 0 ], [ 'stat', 'sub/deep' ], [ 'excl', 'in.lock' ], [ 'rename', 'pid', 'other' ]);
        for my $turn (0 .. $#calls, 0 .. $#calls) {
            my ($owner, $inside) = (client(), client());
            $owner->do('mkdir', "$p/x.lock");
            $owner->do('put', "$p/x.lock/pid", 'text');
            $owner->do('mkdir', "$p/x.lock/sub");
            $owner->do('put', "$p/x.lock/sub/deep", 'text');
            $inside->do('chdir', "$p/x.lock");
            my $fd = $inside->get('open', 'r', 'pid');
            $inside->do('stat', 'sub/deep') =~ /^ok/ or $wrong{'not there before'}++;
            $owner->kill9;
            for my $call (@calls[ $turn .. $#calls ], @calls[ 0 .. $turn - 1 ]) {
                my $reply = $inside->do(@$call);
                $wrong{"@$call: $reply"}++ if $reply ne 'ENOENT';
            }
            my $reply = $inside->do('pread', $fd, 10, 0);
            $wrong{"a descriptor open before: $reply"}++ if $reply ne 'ok text';
            $inside->stop;
        }
        none_wrong(\%wrong, 'ENOENT for all, but a descriptor that was open still reads');
        is_deeply [ $c->list($p) ], [], 'nothing is left';
    };

    is $m->umount, 'exit 0', "$way: the daemon ends well";
}
done_testing;
