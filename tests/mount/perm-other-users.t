# On a mount of root with allow_other, every user may do exactly what the source lets that user do.
use v5.30;
use warnings;
use Lockfs::Test;

need_root;
need_fuse;
need_program('setfacl', 'getfacl');

# Three users without names: two share a group that is supplementary to one of them.
my ($alice, $bob, $group, $other_group) = (4001, 4002, 4100, 4200);

sub user { my ($uid, @groups) = @_; my $c = client(); expect ok => $c, 'creds', $uid, $uid, join(',', @groups) || '-'; return $c }

# The same table, on the source itself and on a mount of it: the expectations are those of the source.
sub table {
    my ($p) = @_;
    my $root   = client();
    my $a      = user($alice);
    my $b      = user($bob);
    my $member = user($bob, $group);

    subtest 'modes' => sub {
        expect ok => $root, 'mkdir', "$p/$_", '0777' for qw(open);
        expect ok => $root, 'chmod', "$p/open", '0777';
        expect ok => $a, 'put', "$p/open/mine", 'secret';
        expect ok => $a, 'chmod', "$p/open/mine", '0600';
        expect 'ok secret' => $a, 'get', "$p/open/mine";
        expect EACCES => $b, 'get', "$p/open/mine";
        expect EACCES => $b, 'put', "$p/open/mine", 'x';
        expect EACCES => $b, 'truncate', "$p/open/mine", 0;
        expect EACCES => $b, 'open', 'r', "$p/open/mine";
        expect EACCES => $b, 'access', "$p/open/mine", 'r';
        expect ok     => $b, 'access', "$p/open/mine", 'f';
        expect 'ok secret' => $root, 'get', "$p/open/mine";
        expect ok     => $a, 'chmod', "$p/open/mine", '0444';
        expect 'ok secret' => $b, 'get', "$p/open/mine";
        expect EACCES => $a, 'put', "$p/open/mine", 'x';
        expect ok     => $root, 'put', "$p/open/mine", 'by root';
        expect EACCES => $a, 'open', 'rw', "$p/open/mine";
        expect ok     => $a, 'chmod', "$p/open/mine", '0000';
        expect EACCES => $a, 'get', "$p/open/mine";
        expect 'ok by%20root' => $root, 'get', "$p/open/mine";
    };

    subtest 'directories that others may not write' => sub {
        expect ok => $root, 'mkdir', "$p/closed", '0755';
        expect ok => $root, 'put', "$p/closed/file", 'text';
        expect ok => $root, 'mkdir', "$p/closed/dir";
        expect EACCES => $a, 'mkdir', "$p/closed/x";
        expect EACCES => $a, 'mkdir', "$p/closed/x.lock";
        expect EACCES => $a, 'excl', "$p/closed/x.lock";
        expect EACCES => $a, 'creat', "$p/closed/x";
        expect EACCES => $a, 'symlink', 'x', "$p/closed/x.lock";
        expect EACCES => $a, 'mknod', "$p/closed/x", 'fifo';
        expect EACCES => $a, 'unlink', "$p/closed/file";
        expect EACCES => $a, 'rmdir', "$p/closed/dir";
        expect EACCES => $a, 'rename', "$p/closed/file", "$p/closed/y";
        expect EACCES => $a, 'rename', "$p/closed/file", "$p/open/y";
        expect EACCES => $a, 'link', "$p/open/mine", "$p/closed/z";
        expect EACCES => $a, 'open', 'rw,tmpfile', "$p/closed";
        is_deeply [ $root->list("$p/closed") ], [qw(dir file)], 'all is as it was';
    };

    subtest 'sticky' => sub {
        expect ok => $root, 'mkdir', "$p/sticky";
        expect ok => $root, 'chmod', "$p/sticky", '1777';
        expect ok => $a, 'put', "$p/sticky/a", 'text';
        expect ok => $a, 'mkdir', "$p/sticky/dir";
        expect ok => $b, 'put', "$p/sticky/b", 'text';
        expect EPERM => $b, 'unlink', "$p/sticky/a";
        expect EPERM => $b, 'rmdir', "$p/sticky/dir";
        expect EPERM => $b, 'rename', "$p/sticky/a", "$p/sticky/c";
        expect EPERM => $b, 'rename', "$p/sticky/b", "$p/sticky/a";
        expect EPERM => $b, 'rename', "$p/sticky/b", "$p/sticky/a", 'exchange';
        expect ok    => $b, 'rename', "$p/sticky/b", "$p/sticky/c";
        expect ok    => $root, 'unlink', "$p/sticky/c";
        expect ok    => $a, 'unlink', "$p/sticky/a";
        expect ok    => $a, 'rmdir', "$p/sticky/dir";
    };

    subtest 'a directory of a group' => sub {
        expect ok => $root, 'mkdir', "$p/group";
        expect ok => $root, 'chown', "$p/group", 0, $group;
        expect ok => $root, 'chmod', "$p/group", '0770';
        expect ok => $member, 'put', "$p/group/file", 'text';
        expect ok => $member, 'mkdir', "$p/group/x.lock";
        expect EACCES => $_, 'list', "$p/group" for $a, $b;
        expect EACCES => $b, 'get', "$p/group/file";
        expect EACCES => $b, 'mkdir', "$p/group/y.lock";
        expect EACCES => $b, 'stat', "$p/group/file";
        my $primary = client();
        expect ok => $primary, 'creds', $alice, $group, '-';
        expect 'ok text' => $primary, 'get', "$p/group/file";
        expect ok => $primary, 'mkdir', "$p/group/y.lock";
        expect ok => $member, 'rmdir', "$p/group/x.lock";
        expect ok => $primary, 'rmdir', "$p/group/y.lock";
        is $primary->do('creat', "$p/group/by-primary"), 'ok', 'created';
        is $root->stat("$p/group/by-primary")->{gid}, $group, 'belongs to the primary group';
        is $root->stat("$p/group/file")->{gid}, $bob, 'and not to a supplementary one';
    };

    subtest 'groups that change' => sub {
        my $c = client();
        expect ok => $c, 'creds', 0, 0, '-';
        my $changing = $c->fork_client;
        expect ok => $changing, 'creds', $bob, $bob, "$group,$other_group";
        expect 'ok text' => $changing, 'get', "$p/group/file";
        my $left = $c->fork_client;
        expect ok => $left, 'creds', $bob, $bob, $other_group;
        expect EACCES => $left, 'get', "$p/group/file";
        my $joined = $c->fork_client;
        expect ok => $joined, 'creds', $bob, $bob, join ',', 5000 .. 5059, $group;
        expect 'ok text' => $joined, 'get', "$p/group/file";
        expect ok => $joined, 'put', "$p/group/file", 'more';
        expect ok => $root, 'put', "$p/group/file", 'text';
    };

    subtest 'search permission of what was looked up before' => sub {
        expect ok => $root, 'mkdir', "$p/deep";
        expect ok => $root, 'mkdir', "$p/deep/er";
        expect ok => $root, 'put', "$p/deep/er/file", 'text';
        expect 'ok text' => $a, 'get', "$p/deep/er/file";
        my $fd = $a->get('open', 'r', "$p/deep/er/file");
        expect ok => $root, 'chmod', "$p/deep", '0700';
        expect 'ok text' => $root, 'get', "$p/deep/er/file";
        expect EACCES => $a, 'get', "$p/deep/er/file";
        expect EACCES => $a, 'stat', "$p/deep/er/file";
        expect EACCES => $a, 'list', "$p/deep/er";
        expect EACCES => $a, 'mkdir', "$p/deep/er/x.lock";
        expect 'ok text' => $a, 'pread', $fd, 10, 0;
        expect ok => $root, 'chmod', "$p/deep", '0711';
        expect EACCES => $a, 'list', "$p/deep";
        expect 'ok text' => $a, 'get', "$p/deep/er/file";
        expect ok => $root, 'chmod', "$p/deep", '0744';
        expect 'ok er' => $a, 'list', "$p/deep";
        expect EACCES => $a, 'get', "$p/deep/er/file";
        expect ok => $root, 'chmod', "$p/deep", '0000';
        expect 'ok text' => $root, 'get', "$p/deep/er/file";
        expect ok => $root, 'chmod', "$p/deep", '0755';
    };

    subtest 'who owns what is made' => sub {
        for my $mask ('0000', '0022', '0077', '0177') {
            expect ok => $b, 'umask', $mask;
            my $d = "$p/open/$mask";
            my %made = (dir => '0777', 'dir.lock' => '0750', file => '0666', 'file.lock' => '0644', fifo => '0660', link => '0777');
            my $bits = sub { sprintf '%04o', oct($_[0]) & ~oct $mask };
            expect ok => $b, 'mkdir', "$d-dir", $made{dir};
            expect ok => $b, 'mkdir', "$d-dir.lock", $made{'dir.lock'};
            expect ok => $b, 'creat', "$d-file", $made{file};
            expect ok => $b, 'excl', "$d-file.lock", $made{'file.lock'};
            expect ok => $b, 'mknod', "$d-fifo", 'fifo', $made{fifo};
            expect ok => $b, 'symlink', 'x', "$d-link";
            my $fd = $b->get('open', 'rw,tmpfile', "$p/open", '0666');
            expect ok => $b, 'write', $fd, 'text';
            expect ok => $b, 'linkfd', $fd, "$d-tmp";
            expect ok => $b, 'close', $fd;
            $made{tmp} = '0666';
            for my $kind (sort keys %made) {
                my $st = $root->stat("$d-$kind");
                is "$st->{uid} $st->{gid}", "$bob $bob", "$kind under $mask: the caller's";
                is $st->{mode}, $kind eq 'link' ? '0777' : $bits->($made{$kind}), "$kind under $mask: its mode";
            }
            is slurp("$d-tmp"), 'text', 'O_TMPFILE, then linkat';
        }
        expect ok => $b, 'umask', '0022';
        expect EPERM => $b, 'mknod', "$p/open/device", 'chr';
    };

    subtest 'a set-group-id directory' => sub {
        expect ok => $root, 'mkdir', "$p/setgid";
        expect ok => $root, 'chown', "$p/setgid", 0, $group;
        expect ok => $root, 'chmod', "$p/setgid", '2777';
        for my $c ($a, $member) {
            my $uid = $c == $a ? $alice : $bob;
            expect ok => $c, 'mkdir', "$p/setgid/dir-$uid";
            expect ok => $c, 'mkdir', "$p/setgid/dir-$uid.lock";
            expect ok => $c, 'creat', "$p/setgid/file-$uid";
            expect ok => $c, 'creat', "$p/setgid/exec-$uid", '2775';
            expect ok => $c, 'symlink', 'x', "$p/setgid/link-$uid";
            is $root->stat("$p/setgid/$_-$uid")->{gid}, $group, "$_ of $uid: the directory's group" for qw(dir file exec link);
            is $root->stat("$p/setgid/dir-$uid")->{mode}, '2755', 'directories below are such again';
            is $root->stat("$p/setgid/dir-$uid.lock")->{mode}, '2755', 'locks as well';
        }
        is $root->stat("$p/setgid/exec-$bob")->{mode}, '2755', 'a member of the group may make set-group-id programs';
        is $root->stat("$p/setgid/exec-$alice")->{mode}, '0755', 'nobody else';
    };

    subtest 'chmod and chown' => sub {
        expect ok    => $a, 'put', "$p/open/own", 'text';
        expect EPERM => $b, 'chmod', "$p/open/own", '0777';
        expect EPERM => $b, 'chown', "$p/open/own", $bob, -1;
        expect EPERM => $a, 'chown', "$p/open/own", $bob, -1;
        expect EPERM => $a, 'chown', "$p/open/own", -1, $group;
        expect ok    => $a, 'chown', "$p/open/own", -1, $alice;
        expect ok    => $member, 'put', "$p/open/members", 'text';
        expect ok    => $member, 'chown', "$p/open/members", -1, $group;
        is $root->stat("$p/open/members")->{gid}, $group, 'to a group of one\'s own';
        expect ok    => $member, 'chmod', "$p/open/members", '2755';
        is $root->stat("$p/open/members")->{mode}, '2755', 'set-group-id for a group of one\'s own';
        expect ok    => $root, 'chown', "$p/open/members", $bob, $other_group;
        expect ok    => $member, 'chmod', "$p/open/members", '2755';
        is $root->stat("$p/open/members")->{mode}, '0755', 'and for no other';
        expect ok    => $a, 'chmod', "$p/open/own", '4755';
        expect ok    => $root, 'chown', "$p/open/own", $bob, $bob;
        is $root->stat("$p/open/own")->{mode}, '0755', 'a change of owner takes set-user-id away';
        expect ok    => $b, 'chmod', "$p/open/own", '4755';
        expect ok    => $b, 'chmod', "$p/open/own", '4777';
        expect ok    => $a, 'put', "$p/open/own", 'text';
        is $root->stat("$p/open/own")->{mode}, '0777', 'and so does a write by another user';
    };

    subtest 'times' => sub {
        expect ok     => $a, 'put', "$p/open/times", 'text';
        expect ok     => $a, 'utimens', "$p/open/times", 1e9, 1e9;
        is $b->stat("$p/open/times")->{mtime}, 1e9, 'by the owner';
        expect EPERM  => $b, 'utimens', "$p/open/times", 2e9, 2e9;
        expect EACCES => $b, 'utimens', "$p/open/times", 'now', 'now';
        expect ok     => $a, 'chmod', "$p/open/times", '0666';
        expect EPERM  => $b, 'utimens', "$p/open/times", 2e9, 2e9;
        expect ok     => $b, 'utimens', "$p/open/times", 'now', 'now';
        expect qr/^ok/ => $a, 'open', 'r,noatime', "$p/open/times";
        expect EPERM  => $b, 'open', 'r,noatime', "$p/open/times";
    };

    subtest 'links to what one may not write' => sub {
        my $protected = slurp('/proc/sys/fs/protected_hardlinks') =~ /1/;
        expect ok => $a, 'put', "$p/open/linked", 'text';
        expect ok => $a, 'chmod', "$p/open/linked", '0600';
        expect $protected ? 'EPERM' : 'ok' => $b, 'link', "$p/open/linked", "$p/open/stolen";
        expect ok => $a, 'link', "$p/open/linked", "$p/open/again";
        expect ok => $root, 'link', "$p/open/linked", "$p/open/by-root";
    };

    subtest 'extended attributes' => sub {
        expect ok => $a, 'put', "$p/open/xattr", 'text';
        expect ok => $a, 'setxattr', "$p/open/xattr", 'user.colour', 'red';
        expect 'ok red' => $b, 'getxattr', "$p/open/xattr", 'user.colour';
        expect EACCES => $b, 'setxattr', "$p/open/xattr", 'user.colour', 'blue';
        expect EACCES => $b, 'removexattr', "$p/open/xattr", 'user.colour';
        expect EPERM  => $a, 'setxattr', "$p/open/xattr", 'trusted.colour', 'red';
        expect ok     => $root, 'setxattr', "$p/open/xattr", 'trusted.colour', 'red';
        expect 'ok red' => $root, 'getxattr', "$p/open/xattr", 'trusted.colour';
        expect ENODATA => $a, 'getxattr', "$p/open/xattr", 'trusted.colour';
        expect ok     => $a, 'chmod', "$p/open/xattr", '0600';
        expect EACCES => $b, 'getxattr', "$p/open/xattr", 'user.colour';
    };

    subtest 'access control lists' => sub {
        expect ok => $a, 'put', "$p/open/acl", 'text';
        expect ok => $a, 'chmod', "$p/open/acl", '0600';
        expect EACCES => $b, 'get', "$p/open/acl";
        is run([ 'setfacl', '-m', "u:$bob:r", "$p/open/acl" ])->{status}, 'exit 0', 'setfacl';
        expect 'ok text' => $b, 'get', "$p/open/acl";
        expect EACCES => $b, 'put', "$p/open/acl", 'x';
        is run([ 'setfacl', '-m', "u:$bob:rw,m:r", "$p/open/acl" ])->{status}, 'exit 0', 'setfacl with a mask';
        expect EACCES => $b, 'put', "$p/open/acl", 'x';
        is run([ 'setfacl', '-m', "m:rw", "$p/open/acl" ])->{status}, 'exit 0', 'the mask widened';
        expect ok => $b, 'put', "$p/open/acl", 'x';
        is run([ 'setfacl', '-m', "g:$group:r,u:$bob:-,m:rwx", "$p/open/acl" ])->{status}, 'exit 0', 'for a group, not for the user';
        expect EACCES => $member, 'get', "$p/open/acl";
        isnt run([ 'setfacl', '-b', "$p/open/acl" ], user => unprivileged)->{status}, 'exit 0', 'only the owner may';

        expect ok => $root, 'mkdir', "$p/default";
        expect ok => $root, 'chmod', "$p/default", '0755';
        is run([ 'setfacl', '-m', "u:$alice:rwx,d:u:$bob:rwx,d:u:$alice:rwx,d:o:-", "$p/default" ])->{status}, 'exit 0', 'a default list';
        expect ok => $a, 'umask', '0077';    # does not count where there is a default list
        expect ok => $a, 'put', "$p/default/file", 'text';
        expect ok => $a, 'mkdir', "$p/default/dir";
        expect ok => $a, 'mkdir', "$p/default/dir.lock";
        expect ok => $a, 'excl', "$p/default/file.lock";
        expect ok => $a, 'umask', '0022';
        expect 'ok text' => $b, 'get', "$p/default/file";
        expect ok => $b, 'put', "$p/default/file", 'text';
        expect ok => $b, 'put', "$p/default/dir/file", 'text';
        is $root->stat("$p/default/file")->{mode}, '0660', 'mode of a file';
        is $root->stat("$p/default/dir")->{mode}, '0770', 'mode of a directory';
        is $root->stat("$p/default/dir.lock")->{mode}, '0770', 'mode of a lock directory';
        is $root->stat("$p/default/file.lock")->{mode}, '0660', 'mode of a lock file';
        my $list = run([ 'getfacl', '-cpn', "$p/default/dir" ])->{out};
        like $list, qr/^user:$bob:rwx$/m, 'the list is handed down';
        like $list, qr/^default:user:$bob:rwx$/m, 'and its default';
    };

    subtest 'locks of other users' => sub {
        expect ok => $a, 'mkdir', "$p/open/x.lock", '0700';
        expect EEXIST => $b, 'mkdir', "$p/open/x.lock";
        expect EACCES => $b, 'list', "$p/open/x.lock";
        expect EACCES => $b, 'put', "$p/open/x.lock/owner", 'me';
        expect ok => $a, 'rmdir', "$p/open/x.lock";
    };
    $_->stop for $root, $a, $b, $member;
}

sub fresh_dir { my $path = temp_path($_[0]); mkdir $path or die "$path: $!\n"; chmod 0755, $path; return $path }

subtest 'on the source itself' => sub { table(fresh_dir('bare')) };

for my $in_place (0, 1) {
    subtest $in_place ? 'on a mount in place' : 'on a mount' => sub {
        my $m = mount_lockfs(source => fresh_dir("source-$in_place"), in_place => $in_place, options => 'allow_other');
        table($m->path);
        is $m->umount, 'exit 0', 'the daemon ends well';
    };
}

done_testing;
