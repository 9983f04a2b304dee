# Set-id bits go when somebody changes the content; for root they stay.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

# Each changes the content of "f" through a way of its own.
my %writing = (
    write     => sub { my ($c) = @_; by_fd($c, 'w', 'write', 'text') },
    pwrite    => sub { my ($c) = @_; by_fd($c, 'rw', 'pwrite', 'text', 2) },
    append    => sub { my ($c) = @_; by_fd($c, 'w,append', 'write', 'text') },
    direct    => sub { my ($c) = @_; by_fd($c, 'w,sync', 'write', 'text') },
    truncate  => sub { my ($c) = @_; $c->do('truncate', 'f', 1) },
    ftruncate => sub { my ($c) = @_; by_fd($c, 'w', 'ftruncate', 100) },
    'O_TRUNC' => sub { my ($c) = @_; by_fd($c, 'w,trunc', 'lseek', 0, 'cur') },
    fallocate => sub { my ($c) = @_; by_fd($c, 'w', 'fallocate', 0, 0, 100) },
    punch     => sub { my ($c) = @_; by_fd($c, 'w', 'fallocate', 3, 0, 1) },
    sendfile  => sub { my ($c) = @_; from_other($c, 'sendfile') },
    splice    => sub { my ($c) = @_; from_other($c, 'splice') },
    copyrange => sub { my ($c) = @_; from_other($c, 'copyrange') },
);

sub by_fd {
    my ($c, $flags, $command, @args) = @_;
    my $fd = $c->get('open', $flags, 'f');
    my $reply = $c->do($command, $fd, @args);
    $c->get('close', $fd);
    return $reply;
}

sub from_other {
    my ($c, $command) = @_;
    my ($in, $out) = ($c->get('open', 'r', 'other'), $c->get('open', 'w', 'f'));
    my $reply = $c->do($command, $command eq 'sendfile' ? ($out, $in) : ($in, $out), 4);
    $c->get('close', $_) for $in, $out;
    return $reply;
}

everywhere {
    my ($w) = @_;
    my ($root, $ann, $bob) = ($w->root, $w->user(1), $w->user(2));
    my $member = $w->user(2, $w->id(7));
    $root->get('put', 'other', 'other text');

    for my $way (sort keys %writing) {
        for my $case (
            [qw(4777 0777)], [qw(2777 0777)], [qw(6777 0777)], [qw(0777 0777)], [qw(1666 1666)], [qw(4666 0666)], [qw(6676 0676)],
        ) {
            my ($before, $after) = @$case;
            $root->get('put', 'f', 'some text');
            $root->get('chown', 'f', $w->id(1), $w->id(7));
            $root->get('chmod', 'f', $before);
            my $reply = $writing{$way}->($bob);
            like $reply, qr/^(ok|EOPNOTSUPP)/, place_label . ": $way by somebody else: $reply";
            has $root, 'f', mode => $after;
        }

        # Without execution for the group the bit means something else: members keep it.
        $root->get('chmod', 'f', '2666');
        like $writing{$way}->($member), qr/^(ok|EOPNOTSUPP)/, place_label . ": $way by a member of the group";
        has $root, 'f', mode => '2666';

        # The owner loses them too; root does not.
        $root->get('chmod', 'f', '6777');
        like $writing{$way}->($ann), qr/^(ok|EOPNOTSUPP)/, place_label . ": $way by the owner";
        has $root, 'f', mode => '0777';
        $root->get('chmod', 'f', '6777');
        like $writing{$way}->($root), qr/^(ok|EOPNOTSUPP)/, place_label . ": $way by root";
        has $root, 'f', mode => '6777';
    }

    # Reading, stamping and renaming touch nothing.
    $root->get('chmod', 'f', '6777');
    $root->get('chown', '.', $w->id(2), -1);
    try qr/^ok/ => $bob, 'get', 'f';
    try ok => $bob, 'utimens', 'f', 'now', 'now';
    try ok => $bob, 'rename', 'f', 'g';
    has $root, 'g', mode => '6777';
    my $fd = $bob->get('open', 'rw', 'g');
    has $root, 'g', mode => '6777';
    try ok => $bob, 'close', $fd;
    has $root, 'g', mode => '6777';

    # File capabilities go as well.
    $root->get('put', 'cap', 'text');
    $root->get('chmod', 'cap', '0777');
    try ok => $root, 'setcap', 'cap';
    try 'ok 20' => $root, 'xattrsize', 'cap', 'security.capability';
    try ok => $bob, 'put', 'cap', 'changed';
    try ENODATA => $root, 'xattrsize', 'cap', 'security.capability';
};
