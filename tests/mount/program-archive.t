# Archives unpacked and trees copied that are full of files, directories and links called like locks: every byte is there
# after those that made them have ended, and after a remount. What gives it away that they are data: see
# "Unpacked, checked out, copied" in docs/semantics.md.
use v5.30;
use warnings;
use FindBin qw($Bin);
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_program(qw(tar cp mv sed busybox dash bsdtar cpio zip unzip 7zz rsync gzip xz));

# Every name of the built-in list, and more.
my @listed = slurp("$Bin/../../fs/rules/builtin.c") =~ /RULE_DATA, "([^"]+)"/g;
s/\[._-\]/./, s/\*/any/g for @listed;
my @known = map { /^(esy|dune)\.lock$/ ? "$_/index.json" : ($_, "sub/$_") } @listed;
push @known, 'package-lock.json', 'plain', '.hidden', 'lock', '#lock#', 'x.lock.orig', 'lock.d/a', '.file.swp';
my @own = ('.lock', 'sub/own.lock', 'held.lck', 'dir.lock/inside', 'dir.lockdir/deep/file');
my $own = 'data=.lock,data=own.lock,data=held.lck,data=dir.lock,data=dir.lockdir,data=empty.lock,data=symbolic.lock,data=hard.lock';

my $tree = temp_path('tree');
for my $name (@known, @own) {
    my $path = "$tree/$name";
    system('mkdir', '-p', $path =~ s{/[^/]*$}{}r) == 0 or die;
    open my $fh, '>', $path or die "$path: $!\n";
    print $fh "content of $name\n" x 100;
    close $fh;
    chmod 0640, $path;
    utime 1e9, 1e9 + length $name, $path;
}
symlink 'plain', "$tree/$_" or die for 'symlink', 'symbolic.lock';
link "$tree/plain", "$tree/$_" or die for 'hard link', 'hard.lock';
mkdir "$tree/empty.lock" or die;
my $archive = temp_path('tree.tar');
system('tar', '-cf', $archive, '-C', $tree, '.') == 0 or die;

# Names, modes, link counts, sizes, times and content of the files of a tree; its directories; where its symbolic links lead.
my $listing = script(<<'END');
export LC_ALL=C
cd "$1" && find . -type f -printf '%p %m %n %s %Ts\n' | sort && find . -type l -printf '%p %l\n' | sort && find . -type d | sort
find . -type f -print0 | sort -z | xargs -0 sha256sum
END

sub listing { my ($dir) = @_; my $r = run([ 'dash', $listing, $dir ]); return $r->{out} . $r->{err} }

my $want = listing($tree);
my %pack = (zip => 'zip -qry', cpio => 'find . -print0 | cpio -0 -o -H newc --quiet -F', '7z' => '7zz a -bd -snl >/dev/null');
for my $kind (sort keys %pack) {
    my $files = $kind eq 'cpio' ? '' : '.';
    is run([ 'sh', '-c', "$pack{$kind} $tree.$kind $files" ], cwd => $tree)->{status}, 'exit 0', "packed: $kind";
}

# Those that keep times: the listing is to be the same to the second.
my %unpack = (
    'tar'             => 'tar -xpf "$archive" -C "$to"',
    'tar, twice'      => 'tar -xpf "$archive" -C "$to" && tar -xpf "$archive" -C "$to"',
    'bsdtar'          => 'bsdtar -xpf "$archive" -C "$to"',
    'busybox tar'     => 'busybox tar -xpf "$archive" -C "$to"',
    'tar | tar'       => 'tar -cf - -C "$tree" . | tar -xpf - -C "$to"',
    'cpio -i'         => 'cd "$to" && cpio -idm --quiet <"$tree.cpio"',
    'cpio -p'         => 'cd "$tree" && find . -depth -print0 | cpio -0 -pdm --quiet "$to"',
    'rsync -a'        => 'rsync -aH "$tree/" "$to/"',
    'rsync --inplace' => 'rsync -aH --inplace "$tree/" "$to/"',
    'cp -a'           => 'cp -a "$tree/." "$to/"',
    'cp -al'          => 'cp -a "$tree" "$to/t" && cp -al "$to/t/." "$to/" && rm -rf "$to/t"',
    'mv'              => 'cp -a "$tree" "$to/t" && mv "$to"/t/* "$to"/t/.[!.]* "$to/" && rmdir "$to/t"',
    'mv across'       => 'cp -a "$tree" "$tree.moved" && mv "$tree.moved" "$to/t" && mv "$to"/t/* "$to"/t/.[!.]* "$to/" && rmdir "$to/t"',
);
# Those that do not: content, and where symbolic links lead.
my %unpack_new = (
    'tar -m'         => 'tar -xmf "$archive" -C "$to"',
    'cp -r'          => 'cp -r "$tree/." "$to/"',
    'busybox cp -r'  => 'busybox cp -r "$tree/." "$to/"',
    'busybox unzip'  => 'busybox unzip -q "$tree.zip" -d "$to"',
    'unzip'          => 'unzip -q "$tree.zip" -d "$to"',
    'unzip -D'       => 'unzip -q -D "$tree.zip" -d "$to"',
    '7zz'            => '7zz x -bd -snl -o"$to" "$tree.7z" >/dev/null',
    'rsync -r'       => 'rsync -rl "$tree/" "$to/"',
    'gzip and xz -d' => 'cd "$to" && cp -r "$tree/." . && for z in gzip xz; do $z -q held.lck .lock && $z -d held.lck.* .lock.* || exit; done',
);

# Each as a script that has ended when its result is looked at.
sub unpack_with {
    my ($how, $to) = @_;
    mkdir $to;
    my $command = $unpack{$how} // $unpack_new{$how};
    my $r = run([ 'dash', script("set -e; archive='$archive' tree='$tree' to='$to'\n$command\n") ]);
    is $r->{status} . $r->{err}, 'exit 0', "$how ends well";
}

sub same_listing {
    my ($how, $to, $what) = @_;
    my ($got, $expected) = (listing($to), $want);
    if ($unpack_new{$how}) {
        s/ \d+ \d+ \d+ \d+$//mg for $got, $expected;
    }
    is $got, $expected, "$how: $what";
}

my @ways = (sort(keys %unpack), sort keys %unpack_new);
my $fewer = $ENV{LOCKFS_QUICK} ? 'busybox' : 'none';
for my $rules ([], [ options => $own ]) {
    subtest @$rules ? 'with rules for the names that only the user can know' : 'without' => sub {
        my $m = mount_lockfs(source => 'tmpfs', @$rules);
        my @now = grep { !@$rules || /^(tar|cp -a|mv)$/ } grep { !/$fewer/ } @ways;
        for my $how (@now) {
            my $to = $m->path . "/$how";
            unpack_with($how, $to);
            same_listing($how, $to, 'every byte is there');
        }
        is $m->umount, 'exit 0', 'unmounted';
        my $again = mount_lockfs(source => $m->source, @$rules);
        same_listing($_, $again->path . "/$_", 'and on the next mount') for @now;
        is run([ 'sh', '-c', 'rm -rf -- * .[!.]*' ], cwd => $again->path)->{status}, 'exit 0', 'anybody may remove it';
        is_deeply [ client()->list($again->path) ], [], 'all of it';
    };
}

subtest 'the names of the list are data, whatever becomes of their maker' => sub {
    my $m = mount_lockfs(source => 'tmpfs');
    my ($p, $other) = ($m->path, client());
    for my $make (qw(excl mkdir)) {
        my $maker = client();
        my @made = grep { $maker->do($make, "$p/$_") eq 'ok' } @listed;
        is @made, @listed, "$make: all are made";
        $maker->kill9;
        is_deeply [ $other->list($p) ], [ sort @listed ], 'all are there when it was killed';
        is run([ 'sh', '-c', 'rm -rf -- *' ], cwd => $p)->{status}, 'exit 0', 'and can be removed';
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
