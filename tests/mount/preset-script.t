# The preset script: bare names, as scripts lock with them.
use v5.30;
use warnings;
use Lockfs::Holder;
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_program(qw(dash bash ln mkdir));

my $frame = <<'END_OF_FRAME';
lock=$1
if take; then
    echo held
    read -r line
    drop
    echo released
else
    echo busy
fi
END_OF_FRAME

my %scripts = (
    'mkdir' => [ dir => 'dash', 'take() { mkdir "$lock" 2>/dev/null; }; drop() { rmdir "$lock"; }' ],
    'mkdir, with a pid in it' => [ dir => 'dash',
        'take() { mkdir "$lock" 2>/dev/null && echo $$ >"$lock/pid"; }; drop() { rm -r "$lock"; }' ],
    'ln -s' => [ file => 'dash', 'take() { ln -s $$ "$lock" 2>/dev/null; }; drop() { rm "$lock"; }' ],
    'ln' => [ file => 'dash',
        'take() { echo $$ >"$lock.$$"; ln "$lock.$$" "$lock" 2>/dev/null; r=$?; rm "$lock.$$"; return $r; }; drop() { rm "$lock"; }' ],
    'noclobber' => [ file => 'bash', 'take() { ( set -C; echo $$ >"$lock" ) 2>/dev/null; }; drop() { rm "$lock"; }' ],
);

my $m = mount_lockfs(source => 'tmpfs', options => 'preset=script');
my $bare = temp_path('bare');
mkdir $bare;
for my $how (sort keys %scripts) {
    my ($kind, $shell, $text) = @{ $scripts{$how} };
    my @argv = ($shell, script("$text\n$frame"));
    for my $name (qw(lock lockdir LOCK)) {
        subtest "$how: $name" => sub { holds_well(\@argv, on => $m->path, bare => $bare, lock => $name, kind => $kind) };
    }
}
is $m->umount, 'exit 0', 'the daemon ends well';

subtest 'other names' => sub {
    my $lock = Lockfs::Protocol->new(program => 'registry', lock => 'lock', options => 'preset=script');
    $lock->heals(mkdir => 'lock', 'a/lock', 'a/b/lockdir');
    $lock->keeps(mkdir => 'locks', 'a/Lock', 'blocked');
    $lock->keeps(excl => 'lock.c', 'lockfile', 'unlock');
    $lock->done;
    my $without = Lockfs::Protocol->new(program => 'registry', lock => 'lock');
    $without->keeps(mkdir => 'lock', 'a/lockdir');
    $without->keeps(excl => 'LOCK');
    $without->done;
};
done_testing;
