# mv(1) asks for RENAME_NOREPLACE whatever it is told: a file that a script puts in place with it is data, and outlives the script.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;

my $m = mount_lockfs(source => 'tmpfs', in_place => 1);
my $p = $m->path;
my $c = client();

is run([ 'sh', '-c', 'echo kept > draft; mv draft x.lock; :' ], cwd => $p)->{status}, 'exit 0', 'published by mv';
is slurp("$p/x.lock"), "kept\n", 'there after the script';
is run([ 'sh', '-c', 'echo new > draft; mv draft x.lock; :' ], cwd => $p)->{status}, 'exit 0', 'and once more, over it';
is slurp("$p/x.lock"), "new\n", 'replaced';

is run([ 'sh', '-c', 'mkdir draft; mv draft y.lock; :' ], cwd => $p)->{status}, 'exit 0', 'a directory moved by mv';
is $c->stat("$p/y.lock"), 'ENOENT', 'was a lock of the script';

my $other = client();
expect ok => $other, 'put',    "$p/draft",  'x';
expect ok => $other, 'rename', "$p/draft",  "$p/z.lock", 'noreplace';
expect EBUSY => $c,  'unlink', "$p/z.lock";
$other->kill9;
is $c->stat("$p/z.lock"), 'ENOENT', 'NOREPLACE by any other program is a lock';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
