# What a helper program or a subshell takes belongs to the script; it outlives the script only while the subshell is at work.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs');
my ($p, $other) = ($m->path, client());

# A script that does $act and then waits for lines; $1 is the directory of the mount.
sub script {
    my ($shell, $act) = @_;
    my $s = spawn([ $shell, '-c', "$act\necho done\nwhile read -r line; do eval \"\$line\"; done", 'script', $p ]);
    is $s->recv, 'done', 'the script goes on';
    return $s;
}

sub held_by_script {
    my ($shell, $what, $act, $lock, $release) = @_;
    subtest "$shell: $what" => sub {
        need_program($shell);
        my $s = script($shell, $act);
        is ref $other->stat("$p/$lock"), 'HASH', 'the lock is there after the helper has ended';
        expect EEXIST => $other, 'mkdir', "$p/$lock";
        expect EBUSY  => $other, $release, "$p/$lock";
        $s->send("rm -rf \"\$1/$lock\"; echo \$?");
        is $s->recv, '0', 'the script may release it';
        is $other->stat("$p/$lock"), 'ENOENT', 'released';
        $s->kill9;

        $s = script($shell, $act);
        expect EBUSY => $other, $release, "$p/$lock";
        $s->kill9;
        is $other->stat("$p/$lock"), 'ENOENT', 'gone with the script';
        expect ok => $other, 'mkdir', "$p/$lock";
        expect ok => $other, 'rmdir', "$p/$lock";
    };
}

for my $shell (qw(sh bash dash)) {
    held_by_script($shell, 'mkdir', 'mkdir "$1/x.lock"', 'x.lock', 'rmdir');
    held_by_script($shell, 'mkdir in a subshell', '(mkdir "$1/x.lock"; :)', 'x.lock', 'rmdir');
    held_by_script($shell, 'mkdir in a substitution', ': $(mkdir "$1/x.lock"; :)', 'x.lock', 'rmdir');
    held_by_script($shell, 'mkdir by env by nice', 'env A=1 nice mkdir "$1/x.lock"', 'x.lock', 'rmdir');
    held_by_script($shell, 'ln -s', 'ln -s "$$" "$1/x.lock"', 'x.lock', 'unlink');
    held_by_script($shell, 'noclobber', 'set -C; : > "$1/x.lock"; set +C', 'x.lock', 'unlink');
    held_by_script($shell, 'noclobber in a subshell', '(set -C; echo $$ > "$1/x.lock")', 'x.lock', 'unlink');
    held_by_script($shell, 'noclobber two subshells down', '(: ; (set -C; echo $$ > "$1/x.lock"); :)', 'x.lock', 'unlink');
    held_by_script($shell, 'mkfifo', 'mkfifo "$1/x.lock"', 'x.lock', 'unlink');
    held_by_script($shell, 'a directory moved onto the name', 'mkdir "$1/made"; mv -T "$1/made" "$1/x.lock"', 'x.lock', 'rmdir');
}

subtest 'a program that is no helper owns what it takes' => sub {
    my $s = script('sh', 'perl -e "mkdir shift or die" "$1/x.lock"');
    is $other->stat("$p/x.lock"), 'ENOENT', 'gone with that program, the script runs';
    $s->kill9;
};

# The script ends; a subshell it left in the background works on. It says so and waits on fifo 3.
sub background {
    my ($what, $act, $release) = @_;
    for my $shell (qw(sh bash)) {
        subtest "$shell: a background subshell outlives the script: $what" => sub {
            my ($in, $out) = map { temp_path("$shell-$_") } qw(in out);
            POSIX::mkfifo($_, 0600) for $in, $out;
            my $s = spawn([ $shell, '-c', "( exec 3<>'$in'; $act; echo \$(sh -c 'echo \$PPID') >'$out'; read line <&3; : ) &\n"
                    . "echo done; read line", 'script', $p ]);
            is $s->recv, 'done', 'the script goes on';
            open my $said, '<', $out or die;
            my $line = <$said>;
            expect EBUSY => $other, $release, "$p/x.lock";
            $s->kill9;
            is ref $other->stat("$p/x.lock"), 'HASH', 'the script has ended, the subshell is at work';
            expect EBUSY  => $other, $release, "$p/x.lock";
            expect EEXIST => $other, 'mkdir', "$p/x.lock";
            my $w = watcher($p);
            open my $tell, '>', $in or die;
            syswrite $tell, "end\n";
            ok scalar($w->until('DELETE', 'x.lock', 20)), 'gone when the subshell has ended, and nobody looked';
            is $other->stat("$p/x.lock"), 'ENOENT', 'gone';
            $w->stop;
            unlink $in, $out;
        };
    }
}

background('noclobber by the subshell itself', 'set -C; : >"$1/x.lock"; set +C', 'unlink');
background('mkdir run by the subshell', 'mkdir "$1/x.lock"', 'rmdir');
background('noclobber by a subshell of the subshell', '( set -C; : >"$1/x.lock" ); :', 'unlink');
background('mkdir run by a subshell of the subshell', '( mkdir "$1/x.lock"; : )', 'rmdir');

is_deeply [ $other->list($p) ], [], 'nothing is left over';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
