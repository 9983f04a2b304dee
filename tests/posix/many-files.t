# The number of files in a tree is not bound by descriptors, and serving costs none in the long run. LOCKFS_FULL=1: 300,000
# files on a limit of 20,000 descriptors.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my ($limit, $dirs, $files) = $ENV{LOCKFS_FULL} ? (20_000, 3000, 100) : (400, 600, 50);
my $rounds = $ENV{LOCKFS_QUICK} ? 2_000 : $ENV{LOCKFS_FULL} ? 125_000 : 20_000;

my $program = temp_path('limited');
open my $fh, '>', $program or die "$program: $!\n";
print {$fh} "#!/bin/sh\nulimit -n $limit && exec ", Lockfs::Mount::binary(), qq( "\$@"\n);
close $fh;
chmod 0755, $program;

sub descriptors { my ($m) = @_; my @fds = glob '/proc/' . $m->pid . '/fd/*'; return scalar @fds }

sub memory_kb { my ($m) = @_; return slurp('/proc/' . $m->pid . '/status') =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }

# Every file of the tree, by name, twice; then a change in each directory.
sub walk {
    my ($m, $c) = @_;
    my $p = $m->path;
    for my $turn (1, 2) {
        is scalar(grep { $c->do('times', $files, 'stat', "$p/d$_/f{}") ne 'ok' } 0 .. $dirs - 1), 0, "every file is found, time $turn";
    }
    is scalar(grep { $c->do('list', "$p/d$_") eq '' } 0 .. $dirs - 1), 0, 'every directory is listed';
    is scalar(grep { $c->do('get', "$p/d$_/f7") ne 'ok 7' } 0 .. $dirs - 1), 0, 'and files of each are read';
    is scalar(grep { $c->do('link', "$p/d$_/f1", "$p/d$_/g") ne 'ok' } 0 .. $dirs - 1), 0, 'links in each';
    is scalar(grep { $c->do('get', "$p/d$_/g") ne 'ok 1' } 0 .. $dirs - 1), 0, 'are looked at';
    is scalar(grep { $c->do('unlink', "$p/d$_/g") ne 'ok' } 0 .. $dirs - 1), 0, 'and unlinked, last name last';
    is scalar(grep { $c->do('get', "$p/d$_/f1") ne 'ok 1' } 0 .. $dirs - 1), 0, 'the first name leads there still';
    is scalar(grep { $c->do('chmod', "$p/d$_/f1", '0600') ne 'ok' } 0 .. $dirs - 1), 0, 'so that it can be changed';
    is scalar(grep { $c->do('rename', "$p/d$_/f2", "$p/d" . ($_ + 1) % $dirs . '/moved') ne 'ok' } 0 .. $dirs - 1), 0, 'files go from each to the next';
    is scalar(grep { $c->do('get', "$p/d$_/moved") ne 'ok 2' } 0 .. $dirs - 1), 0, 'and are there';
    is scalar(grep { $c->do('rename', "$p/d$_/moved", "$p/d$_/f2") ne 'ok' } 0 .. $dirs - 1), 0, 'and get their names back';
}

sub fill {
    my ($c, $source) = @_;
    for my $d (0 .. $dirs - 1) {
        $c->get('mkdir', "$source/d$d");
        $c->get('times', $files, 'put', "$source/d$d/f{}", '{}');
    }
}

for my $user (undef, unprivileged) {
    for my $in_place (0, 1) {
        my $label = (defined $user ? 'an ordinary user' : 'root') . ($in_place ? ', in place' : '');
        subtest "daemon of $label" => sub {
            need_program('fusermount3') if defined $user;
            my $source = temp_path('source-' . ($user // 'root') . "-$in_place");
            mkdir $source;
            Lockfs::Sys::run_quiet('mount', '-t', 'tmpfs', '-o', 'mode=755', 'lockfs-test', $source) or die "no tmpfs\n";
            chown Lockfs::Sys::user_ids($user), $source if defined $user;
            my $c = client(defined $user ? (user => $user) : ());
            fill($c, $source);
            my $m = mount_lockfs(program => $program, source => $source, in_place => $in_place, defined $user ? (user => $user) : ());
            walk($m, $c);
            cmp_ok descriptors($m), '<=', $limit, 'within the limit: ' . descriptors($m) . ' descriptors for ' . $dirs * $files . ' files';
            diag sprintf '%s: %d files, %d descriptors, %d kB', $label, $dirs * $files, descriptors($m), memory_kb($m) if $ENV{LOCKFS_FULL};
            is $m->umount, 'exit 0', 'the daemon ends well';
            Lockfs::Sys::run_quiet('umount', $source);
        };
    }
}

# Nothing grows: eight operations a round.
subtest 'a long run' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other', in_place => 1);
    my ($c, $p) = (client(), $m->path);
    $c->get('mkdir', "$p/$_") for qw(a b);
    my $work = sub {
        my ($n) = @_;
        for (my $left = $n; $left > 0; $left -= 500) {
            for my $command (
                [ 'put', "$p/a/f{}", 'text' ], [ 'link', "$p/a/f{}", "$p/b/l{}" ], [ 'rename', "$p/a/f{}", "$p/b/f{}" ], [ 'get', "$p/b/l{}" ],
                [ 'unlink', "$p/b/f{}" ], [ 'unlink', "$p/b/l{}" ], [ 'mkdir', "$p/a/d{}.lock" ], [ 'rmdir', "$p/a/d{}.lock" ],
            ) {
                my $reply = $c->do('times', 500, @$command);
                return "@$command: $reply" if $reply ne 'ok';
            }
        }
        return 'ok';
    };
    is $work->(2000), 'ok', 'warmed up';
    my ($fds, $memory) = (descriptors($m), memory_kb($m));
    is $work->($rounds), 'ok', 8 * $rounds . ' operations';
    cmp_ok descriptors($m), '<=', $fds + 4, 'no more descriptors than before';
    # A sanitizer keeps what is freed.
    my $keeps = slurp('/proc/' . $m->pid . '/maps') =~ /lib[at]san/ ? 60_000 : 0;
    cmp_ok memory_kb($m), '<=', $memory + 1500 + $keeps, 'no more memory than before: ' . memory_kb($m) . " kB after $memory kB";
    is $m->umount, 'exit 0', 'the daemon ends well';
};
done_testing;
