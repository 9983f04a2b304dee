# The preset eve: template-locks/BACKEND/KEY.lock.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Protocol;

need_root;
need_fuse;
need_node;

for my $path ('template-locks/docker/0a1b2c.lock', '.eve/sandbox-cache/template-locks/local/0a1b2c.lock') {
    subtest $path => sub {
        my $lock = Lockfs::Protocol->new(program => 'template', lock => $path, kind => 'dir', options => 'data=**,preset=eve');
        $lock->works;
        $lock->number_is_used_again;
        $lock->other_container(hosts => [ 'app', 'app' ]);
        $lock->judged_then_removed;
        $lock->keeps(excl  => 'template-locks/docker/file.lock', 'template-locks/a.lock', 'deno.lock');
        $lock->keeps(mkdir => 'template-locks/docker/data',      'templates/docker/0a1b2c.lock');
        $lock->done;
    };
}
done_testing;
