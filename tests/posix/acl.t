# POSIX access control lists: what they allow, what they inherit, how they and the mode go together.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob, $cid) = ($w->root, map { $w->user($_) } 1 .. 3);
    my $member = $w->user(4, $w->id(7));
    my ($b, $g) = ($w->id(2), $w->id(7));
    $root->get('put', 'f', 'text');
    $root->get('chown', 'f', $w->id(1), $w->id(1));
    $root->get('chmod', 'f', '0600');

    try ENODATA => $root, 'getacl', 'f', 'access';
    try EACCES => $bob, 'get', 'f';
    try ok => $ann, 'setacl', 'f', 'access', "u::6,u:$b:4,g::0,g:$g:6,m::6,o::0";
    try "ok u..6,u.$b.4,g..0,g.$g.6,m..6,o..0" => $ann, 'getacl', 'f', 'access';
    has $root, 'f', mode => '0660';
    try 'ok text' => $bob, 'get', 'f';
    try EACCES => $bob, 'put', 'f', 'text';
    try 'ok text' => $member, 'get', 'f';
    try ok => $member, 'put', 'f', 'text';
    try EACCES => $cid, 'get', 'f';
    try ok => $bob, 'access', 'f', 'r';
    try EACCES => $bob, 'access', 'f', 'w';

    # chmod sets the mask.
    try ok => $ann, 'chmod', 'f', '0640';
    try "ok u..6,u.$b.4,g..0,g.$g.6,m..4,o..0" => $ann, 'getacl', 'f', 'access';
    try EACCES => $member, 'put', 'f', 'text';
    try 'ok text' => $member, 'get', 'f';
    try ok => $ann, 'chmod', 'f', '0600';
    try EACCES => $bob, 'get', 'f';
    try EACCES => $member, 'get', 'f';
    changes ctime => $root, 'f', sub { $ann->do('setacl', 'f', 'access', "u::6,u:$b:6,g::0,m::6,o::4") };
    has $root, 'f', mode => '0664';
    try ok => $bob, 'put', 'f', 'text';
    try 'ok text' => $cid, 'get', 'f';
    try EACCES => $cid, 'put', 'f', 'x';

    # Minimal lists are the mode; removing one leaves the mode.
    try ok => $ann, 'setacl', 'f', 'access', 'u::7,g::5,o::1';
    has $root, 'f', mode => '0751';
    try ENODATA => $ann, 'getacl', 'f', 'access';
    try ok => $ann, 'setacl', 'f', 'access', "u::6,u:$b:6,g::0,m::6,o::0";
    try ok => $ann, 'removexattr', 'f', 'system.posix_acl_access';
    try ENODATA => $ann, 'getacl', 'f', 'access';
    try EACCES => $bob, 'get', 'f' if $root->stat('f')->{mode} !~ /[4-7]$/;

    # Who may set one, and what is one.
    try EPERM => $bob, 'setacl', 'f', 'access', "u::7,g::7,o::7";
    try EINVAL => $ann, 'setacl', 'f', 'access', "u::7,u:$b:7,g::7,o::7";
    try EACCES => $ann, 'setacl', 'f', 'default', 'u::7,g::7,o::7';

    # Set-group-id goes when the owner is not of the group.
    $root->get('chown', 'f', $w->id(1), $g);
    $root->get('chmod', 'f', '2755');
    try ok => $ann, 'setacl', 'f', 'access', "u::7,u:$b:4,g::5,m::5,o::5";
    has $root, 'f', mode => '0755';
    my $in_group = $w->user(1, $g);
    $root->get('chmod', 'f', '2755');
    try ok => $in_group, 'setacl', 'f', 'access', "u::7,u:$b:4,g::5,m::5,o::5";
    has $root, 'f', mode => '2755';

    # Inheritance.
    $root->get('mkdir', 'd');
    $root->get('chown', 'd', $w->id(1), $w->id(1));
    $root->get('chmod', 'd', '0755');
    my $default = "u::7,u:$b:7,g::5,m::7,o::0";
    try ok => $ann, 'setacl', 'd', 'default', $default;
    (my $shown = $default) =~ tr/:/./;
    try "ok $shown" => $ann, 'getacl', 'd', 'default';
    try ENODATA => $ann, 'getacl', 'd', 'access';
    has $ann, 'd', mode => '0755';
    $ann->get('umask', '077');    # does not count here
    try ok => $ann, 'creat', 'd/file', '0666';
    has $ann, 'd/file', mode => '0660';
    try "ok u..6,u.$b.7,g..5,m..6,o..0" => $ann, 'getacl', 'd/file', 'access';
    try ok => $bob, 'put', 'd/file', 'by bob';
    try EACCES => $cid, 'get', 'd/file';
    try ok => $ann, 'mkdir', 'd/dir', '0777';
    has $ann, 'd/dir', mode => '0770';
    try "ok $shown" => $ann, 'getacl', 'd/dir', 'default';
    try "ok $shown" => $ann, 'getacl', 'd/dir', 'access';
    try ok => $bob, 'creat', 'd/dir/bobs', '0644';
    has $bob, 'd/dir/bobs', mode => '0640', uid => $b;
    try ok => $ann, 'mknod', 'd/fifo', 'fifo', '0666';
    has $ann, 'd/fifo', mode => '0660';
    try ok => $ann, 'excl', 'd/excl', '0640';
    has $ann, 'd/excl', mode => '0640';
    my $fd = $ann->get('open', 'rw,tmpfile', 'd', '0666');
    try qr/mode=0660/ => $ann, 'fstat', $fd;
    try ok => $ann, 'close', $fd;
    try ok => $ann, 'symlink', 'x', 'd/ln';
    try ok => $ann, 'removexattr', 'd', 'system.posix_acl_default';
    try ok => $ann, 'creat', 'd/later', '0666';
    has $ann, 'd/later', mode => '0600';
    try ENODATA => $ann, 'getacl', 'd/later', 'access';

    # For directories.
    try ok => $ann, 'setacl', 'd', 'access', "u::7,u:$b:0,g::5,g:$g:7,m::7,o::5";
    try EACCES => $bob, 'stat', 'd/file';
    try EACCES => $bob, 'list', 'd';
    try qr/^ok/ => $cid, 'stat', 'd/file';
    try EACCES => $cid, 'creat', 'd/cid';
    try ok => $member, 'creat', 'd/member';
    try ok => $member, 'unlink', 'd/member';
};
