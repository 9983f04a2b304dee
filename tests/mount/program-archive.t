# tar, cp, mv and sed over a tree with files called like locks: what the rules call data is whole, and stays.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_program(qw(tar cp mv sed busybox dash));

my @known = ('Cargo.lock', 'yarn.lock', 'sub/uv.lock', 'sub/Gemfile.lock', 'esy.lock/index.json', 'package-lock.json',
    'plain', '.hidden', 'lock', '#lock#', 'x.lock.orig', 'lock.d/a', '.file.swp');
my @own = ('.lock', 'sub/own.lock', 'held.lck', 'dir.lock/inside', 'dir.lockdir/deep/file');
my $own = 'data=.lock,data=own.lock,data=held.lck,data=dir.lock,data=dir.lockdir';

my $tree = temp_path('tree');
for my $name (@known, @own) {
    my $path = "$tree/$name";
    system('mkdir', '-p', $path =~ s{/[^/]*$}{}r) == 0 or die;
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh "content of $name\n" x 1000;
    close $fh;
    chmod 0640, $path;
    utime 1e9, 1e9 + length $name, $path;
}
symlink 'plain', "$tree/symlink" or die;
link "$tree/plain", "$tree/hard link" or die;
my $archive = temp_path('tree.tar');
system('tar', '-cf', $archive, '-C', $tree, '.') == 0 or die;

# Names, modes, times, link counts and content of the files of a tree, and where its symbolic links lead.
my $listing = script(<<'END');
export LC_ALL=C
cd "$1" && find . -type f -printf '%p %m %n %s %Ts\n' | sort && find . -type l -printf '%p %l\n' | sort
find . -type f -print0 | sort -z | xargs -0 sha256sum
END

sub listing { my ($dir) = @_; my $r = run([ 'dash', $listing, $dir ]); return $r->{out} . $r->{err} }

my $want = listing($tree);
my %unpack = (
    'tar'         => 'tar -xpf "$archive" -C "$to"',
    'tar, twice'  => 'tar -xpf "$archive" -C "$to" && tar -xpf "$archive" -C "$to"',
    'busybox tar' => 'busybox tar -xpf "$archive" -C "$to"',
    'tar | tar'   => 'tar -cf - -C "$tree" . | tar -xpf - -C "$to"',
    'cp -a'       => 'cp -a "$tree/." "$to/"',
    'cp -al'      => 'cp -a "$tree" "$to/t" && cp -al "$to/t/." "$to/" && rm -rf "$to/t"',
    'mv'          => 'cp -a "$tree" "$tree.moved" && mv "$tree.moved" "$to/t" && mv "$to"/t/* "$to"/t/.[!.]* "$to/" && rmdir "$to/t"',
);

# Each as a script that has ended when its result is looked at.
sub unpack_with {
    my ($how, $to) = @_;
    mkdir $to;
    my $text = qq{set -e; archive='$archive' tree='$tree' to='$to'\n$unpack{$how}\n};
    is run([ 'dash', script($text) ])->{status}, 'exit 0', "$how ends well";
}

subtest 'with rules for the names that only the user can know' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => $own);
    my $p = $m->path;
    for my $how (sort keys %unpack) {
        unpack_with($how, "$p/out");
        is listing("$p/out"), $want, "$how: every byte is there";
        is listing($m->source . '/out'), $want, "$how: on the source too";
        is run([ 'rm', '-rf', "$p/out" ])->{status}, 'exit 0', 'anybody may remove it';
    }
};

subtest 'without them an exclusive create is a lock of whoever asked for it' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
    my $p = $m->path;
    for my $how ('tar', 'busybox tar', 'cp -a') {
        unpack_with($how, "$p/out");
        ok -e "$p/out/$_", "$how: $_ is there" for @known;
        ok !-e "$p/out/$_", "$how: $_ is not" for @own;
        is run([ 'rm', '-rf', "$p/out" ])->{status}, 'exit 0', 'the rest can be removed';
    }
};

subtest 'what is published by rename is data' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my $p = $m->path;
    my $text = <<"END";
set -e; cd $p
echo one >plain && perl -e 'rename shift, shift or die' plain renamed.lock
echo one >written.lock && sed -i s/one/two/ written.lock && sed -i.bak s/two/three/ written.lock
echo one >draft && (set -C; echo lock >taken.lock) && busybox mv draft moved.lck && mv taken.lock published
END
    is run([ 'dash', script($text) ])->{status}, 'exit 0', 'the script ends well';
    is_deeply [ client()->list($p) ], [qw(moved.lck published renamed.lock written.lock written.lock.bak)], 'all is there';
    is slurp("$p/written.lock"), "three\n", 'with the last content';
};

subtest 'what was there before the mount stays' => sub {
    my $m = mount_lockfs(source => $tree);
    is listing($m->path), $want, 'all of it is seen';
    is run([ 'tar', '-cf', temp_path('again.tar'), '-C', $m->path, '.' ])->{status}, 'exit 0', 'and can be packed';
};
is listing($tree), $want, 'nothing has changed';

done_testing;
