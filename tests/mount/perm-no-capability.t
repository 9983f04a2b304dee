# A daemon of root that may not become its callers (a container without CAP_SETUID) refuses them: it never acts for them as root.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;
need_program('setpriv');

my $dir = temp_path('bin');
mkdir $dir or die "$dir: $!";
open my $script, '>', "$dir/lockfs" or die "$dir: $!";
print $script "#!/bin/sh\nexec setpriv --bounding-set=-setuid,-setgid '" . Lockfs::Mount::binary() . qq{' "\$\@"\n};
close $script;
chmod 0755, "$dir/lockfs";

local $ENV{LOCKFS_BINARY} = "$dir/lockfs";
my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
my ($root, $user) = (client(), client(user => unprivileged));
chmod 0777, $m->source;

expect EPERM => $user, 'mkdir', "$p/d";
expect EPERM => $user, 'creat', "$p/f";
expect EPERM => $user, 'mkdir', "$p/d.lock";
is_deeply [ $root->list($p) ], [], 'nothing was made';
expect ok => $root, 'mkdir', "$p/x.lock";
expect ok => $root, 'rmdir', "$p/x.lock";
is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
