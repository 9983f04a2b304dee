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

is run([ 'sh', '-c', 'mkdir -p from/w.lock; mv from/w.lock .; :' ], cwd => $p)->{status}, 'exit 0', 'made in the script and moved';
is $c->stat("$p/w.lock"), 'ENOENT', 'a lock of the script, still';
mkdir $_ or die for "$p/old", "$p/old/data";
is run([ 'sh', '-c', 'mv old/data old/v.lockdir; :' ], cwd => $p)->{status}, 'exit 0', 'a lock taken with a directory of another name';
is $c->stat("$p/old/v.lockdir"), 'ENOENT', 'ends with the script';

my $before = mount_lockfs(source => do { my $d = temp_path('moved'); mkdir $_ or die for $d, "$d/from", "$d/from/v.lock"; $d });
is run([ 'sh', '-c', 'echo kept > from/v.lock/member; mv from/v.lock .; :' ], cwd => $before->path)->{status}, 'exit 0',
    'a directory that was data and keeps its name';
is slurp($before->path . '/v.lock/member'), "kept\n", 'is data, after the script';
is $before->umount, 'exit 0', 'unmounted';

my $other = client();
expect ok => $other, 'put',    "$p/draft",  'x';
expect ok => $other, 'rename', "$p/draft",  "$p/z.lock", 'noreplace';
expect EBUSY => $c,  'unlink', "$p/z.lock";
$other->kill9;
is $c->stat("$p/z.lock"), 'ENOENT', 'NOREPLACE by any other program is a lock';
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
