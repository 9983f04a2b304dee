# Root of a container with a user namespace may do to the files of its own users what it may do on the source, and
# no more: every step is asked of the bare source and of the mount alike.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Container;
use Lockfs::Sys qw(become user_ids);

need_crun;

my ($first, $user) = (first_uid, first_uid + 1000);

sub make { my ($path, $mode, $uid, $text) = @_;
    if (defined $text) { open my $fh, '>', $path or die "$path: $!\n"; print {$fh} $text } else { mkdir $path or die "$path: $!\n" }
    chown $uid, $uid, $path;
    chmod $mode, $path or die "$path: $!\n";
}

# What a state directory may hold: files of the container's users, and some that are of nobody in there.
sub fill {
    my ($dir) = @_;
    make($dir, 0755, $first);
    make("$dir/users", 0700, $user);
    make("$dir/users/file", 0600, $user, 'text');
    make("$dir/sticky", 01777, $first);
    make("$dir/sticky/file", 0600, $user, 'text');
    make("$dir/sticky/foreign", 0600, 0, 'text');
    make("$dir/foreign", 0700, 0);
    make("$dir/open", 0777, 0);
    make("$dir/open/foreign", 0600, 0, 'text');
    chmod 01777, "$dir/open";
}

my @steps = (
    [ 'mkdir', 'made' ], [ 'chown', 'made', 1000, 1000 ], [ 'put', 'made/file', 'text' ], [ 'chown', 'made/file', 1000, 1000 ],
    [ 'chmod', 'made', '2750' ], [ 'chmod', 'made/file', '600' ], [ 'put', 'made/file', 'more' ], [ 'truncate', 'made/file', 2 ],
    [ 'get', 'made/file' ], [ 'utimens', 'made/file', 1e9, 1e9 ], [ 'list', 'users' ], [ 'get', 'users/file' ],
    [ 'put', 'users/file', 'root' ], [ 'mkdir', 'users/dir' ], [ 'excl', 'users/x.lock' ], [ 'unlink', 'users/x.lock' ],
    [ 'link', 'users/file', 'users/link' ], [ 'rename', 'users/file', 'users/renamed' ], [ 'symlink', 'a', 'users/symlink' ],
    [ 'setxattr', 'users/renamed', 'user.x', 'y' ], [ 'getxattr', 'users/renamed', 'user.x' ],
    [ 'unlink', 'sticky/file' ], [ 'unlink', 'sticky/foreign' ], [ 'get', 'sticky/foreign' ], [ 'put', 'sticky/foreign', 'x' ],
    [ 'chmod', 'sticky/foreign', '666' ], [ 'chown', 'sticky/foreign', 0, 0 ], [ 'list', 'foreign' ], [ 'mkdir', 'foreign/x' ],
    [ 'mkdir', 'foreign/x.lock' ], [ 'rmdir', 'foreign' ], [ 'chown', 'foreign', 0, 0 ], [ 'unlink', 'open/foreign' ],
    [ 'rename', 'open/foreign', 'open/mine' ], [ 'link', 'open/foreign', 'open/linked' ], [ 'get', 'open/foreign' ],
    [ 'chown', 'made', 70000, 70000 ], [ 'mknod', 'made/null', 'chr' ], [ 'mkdir', 'open/x.lock' ], [ 'rmdir', 'open/x.lock' ],
    [ 'setxattr', 'users/renamed', 'trusted.x', 'y' ],
);

# The same as another user inside, who has no rights over others.
my @limited = (
    [ 'get', 'made/file' ], [ 'mkdir', 'sticky/own' ], [ 'chown', 'sticky/own', 0, 0 ], [ 'chown', 'sticky/own', 1001, 1001 ],
    [ 'list', 'users' ], [ 'chmod', 'made', '777' ], [ 'unlink', 'sticky/foreign' ], [ 'rmdir', 'sticky/own' ], [ 'mkdir', 'x' ],
);

sub ask {
    my ($dir) = @_;
    my $c = container(binds => { '/state' => $dir }, userns => $first);
    my $run = sub {
        my ($command, @args) = @_;
        my $paths = $command =~ /^(link|rename)$/ ? 2 : 1;
        my $from  = $command eq 'symlink' ? 1 : 0;
        $args[$_] = "/state/$args[$_]" for $from .. $from + $paths - 1;
        return "$command @args: " . $c->do($command, @args);
    };
    my @answers = map { $run->(@$_) } @steps;
    $c->do('creds', 1001, 1001, '-');
    push @answers, map { '1001: ' . $run->(@$_) } @limited;
    $c->kill_init;
    return \@answers;
}

my $bare = temp_path('bare');
fill($bare);
my $m = mount_lockfs(options => 'allow_other');
fill($m->source . '/state');
my ($want, $got) = (ask($bare), ask($m->path . '/state'));
is $got->[$_], $want->[$_], $want->[$_] for 0 .. $#$want;

sub tree { my ($dir) = @_; return [ map { s{^\./}{}r } split /\n/, run([ 'find', '.', '-printf', '%p %y %m %U %G %s\n' ], cwd => $dir)->{out} ] }
is_deeply [ sort @{ tree($m->source . '/state') } ], [ sort grep { !/^\.lockfs/ } @{ tree($bare) } ], 'the trees are the same';

subtest 'an ordinary user of the host in a user namespace of its own' => sub {
    my $p = $m->path;
    my $dir = $m->source . '/private';
    make($dir, 0711, 0);
    make("$dir/file", 0600, 0, 'secret');
    plan skip_all => 'user namespaces are for root only here'
        if run([ 'unshare', '--user', 'true' ], user => unprivileged)->{status} ne 'exit 0';
    my ($uid, $gid) = user_ids(unprivileged);
    my $c = client(under => [ 'setpriv', '--reuid', $uid, '--regid', $gid, '--clear-groups', '--', 'unshare', '--user', '--map-root-user' ]);
    expect EACCES => $c, 'get', "$p/private/file";
    expect EACCES => $c, 'put', "$p/private/file", 'x';
    expect EACCES => $c, 'mkdir', "$p/private/dir";
    expect EACCES => $c, 'mkdir', "$p/private/x.lock";
    expect EACCES => $c, 'list', "$p/private";
    expect EACCES => $c, 'get', "$p/private/.lockfs/locks";
    expect EACCES => $c, 'open', 'rw', "$p/private/.lockfs/control";
    expect qr/^E(PERM|INVAL)$/ => $c, 'chown', "$p/private", 0, 0;
    expect EPERM  => $c, 'chmod', "$p/private", '777';
};

is $m->umount, 'exit 0', 'the daemon ends well';
done_testing;
