# Tracked files that are called like locks: git makes them with O_EXCL, as it does its locks, and they outlive it.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_program(qw(git tar));

my $home = temp_path('home');
mkdir $home;
%ENV = (%ENV, HOME => $home, GIT_CONFIG_NOSYSTEM => 1, GIT_TERMINAL_PROMPT => 0, GIT_AUTHOR_NAME => 'A',
    GIT_AUTHOR_EMAIL => 'a@example.org', GIT_COMMITTER_NAME => 'A', GIT_COMMITTER_EMAIL => 'a@example.org');

sub git {
    my ($where, @argv) = @_;
    my $r = run([ 'git', '-C', $where, @argv ]);
    die "git @argv: $r->{status}: $r->{err}" if $r->{status} ne 'exit 0';
    return $r->{out};
}

# What package managers write, at the top and in packages; and names that only the user can know.
my @known = map { ($_, "packages/a/$_") } qw(Cargo.lock yarn.lock poetry.lock Gemfile.lock composer.lock flake.lock Pipfile.lock uv.lock
    pdm.lock mix.lock pubspec.lock Podfile.lock deno.lock bun.lock Chart.lock buf.lock);
push @known, 'package-lock.json', 'pnpm-lock.yaml', 'go.sum', 'node_modules/x/index.js';
my @own = ('a/b.lock', 'fixtures/empty.lock', 'fixtures/dir.lock/inside', 'c.lck');

my $origin = temp_path('origin');
git('/', 'init', '-q', '-b', 'main', $origin);
for my $name (@known, @own) {
    system('mkdir', '-p', "$origin/$name" =~ s{/[^/]*$}{}r) == 0 or die;
    open my $fh, '>', "$origin/$name" or die "$origin/$name: $!\n";
    print $fh "content of $name\n" if $name !~ /empty/;
}
git($origin, 'add', '-f', '.');
git($origin, 'commit', '-q', '-m', 'all');
git($origin, 'mv', 'Cargo.lock', 'elsewhere.txt');
git($origin, 'rm', '-q', 'yarn.lock', 'a/b.lock');
git($origin, 'commit', '-q', '-m', 'fewer');

sub same_tree {
    my ($want, $got, $what) = @_;
    my $r = run([ 'diff', '-r', '--exclude=.git', $want, $got ]);
    is $r->{status} . $r->{out}, 'exit 0', $what;
}

my $data = 'data=a/b.lock,data=**/a/b.lock,data=**/fixtures/**,data=c.lck';

for my $rules ([], [ options => $data ]) { subtest @$rules ? 'with rules for the names that only the user can know' : 'without' => sub {
    my $m = mount_lockfs(source => 'tmpfs', @$rules);
    my $repo = $m->path . '/repo';
    git('/', 'clone', '-q', '--no-local', "file://$origin", $repo);
    same_tree($origin, $repo, 'the clone is complete after git has ended');
    git($repo, 'checkout', '-q', 'HEAD~1');
    ok -e "$repo/$_", "$_ is checked out" for 'Cargo.lock', 'yarn.lock', 'a/b.lock';
    git($repo, 'checkout', '-q', 'main');
    ok !-e "$repo/$_", "$_ is removed by a checkout" for 'Cargo.lock', 'yarn.lock', 'a/b.lock';
    git($repo, 'mv', 'fixtures/dir.lock', 'moved.lock');
    git($repo, 'mv', 'moved.lock', 'fixtures/dir.lock');
    is run([ 'sh', '-c', 'git -C "$1" diff HEAD HEAD~1 | git -C "$1" apply && git -C "$1" reset -q --hard && rm -f "$1"/yarn.lock "$1"/a/b.lock', 'sh',
        $repo ])->{status}, 'exit 0', 'a patch is applied, and taken back';
    git($repo, 'clean', '-qfd');
    run([ 'sh', '-c', "echo changed >>$repo/uv.lock && echo new >$repo/new.lock" ]);
    git($repo, 'add', 'new.lock');
    git($repo, 'stash', '-q');
    is git($repo, 'status', '--porcelain'), '', 'all is in the stash';
    git($repo, 'reset', '-q', '--hard');
    git($repo, 'worktree', 'add', '-q', $m->path . '/tree', 'HEAD~1');
    is git($m->path . '/tree', 'status', '--porcelain'), '', 'a worktree is complete';
    is git($repo, 'fsck', '--strict', '--no-dangling'), '', 'the repository is sound';
    my $from = $m->umount;
    is $from, 'exit 0', 'unmounted';
    same_tree($origin, $m->source . '/repo', 'it is all on the source');
    my $again = mount_lockfs(source => $m->source, @$rules);
    same_tree($origin, $again->path . '/repo', 'and on the next mount');
} }

subtest 'a dry run tells, and takes nothing' => sub {
    my $m = mount_lockfs(source => 'tmpfs', options => 'observe');
    git('/', 'clone', '-q', '--no-local', "file://$origin", $m->path . '/repo');
    same_tree($origin, $m->path . '/repo', 'complete');
};

done_testing;
