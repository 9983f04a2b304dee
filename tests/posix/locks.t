# flock, POSIX and open-file-description locks: who excludes whom, waiting, and the end of the holder.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Posix;

everywhere {
    my ($w) = @_;
    my ($one, $two, $three) = ($w->root, $w->another, $w->another);
    $one->get('put', 'f', 'x' x 100);
    my ($a, $b, $c) = map { $_->get('open', 'rw', 'f') } $one, $two, $three;

    # flock.
    try ok => $one, 'flock', $a, 'sh';
    try ok => $two, 'flock', $b, 'sh';
    try EAGAIN => $three, 'flock', $c, 'ex';
    try ok => $two, 'flock', $b, 'un';
    try ok => $one, 'flock', $a, 'ex';
    try EAGAIN => $two, 'flock', $b, 'sh';
    try EAGAIN => $one, 'flock', $one->get('open', 'rw', 'f'), 'ex';
    $two->start('flockw', $b, 'ex');
    try ok => $one, 'flock', $a, 'un';
    is $two->reply(20), 'ok', place_label . ': who waited for the flock has it';
    $three->start('flockw', $c, 'sh');
    try ok => $two, 'close', $b;
    is $three->reply(20), 'ok', place_label . ': closing lets go of it';
    try ok => $three, 'flock', $c, 'un';
    $b = $two->get('open', 'rw', 'f');

    # POSIX locks, by range.
    try ok => $one, 'lock', $a, 'wr', 0, 10;
    try EAGAIN => $two, 'lock', $b, 'rd', 5, 1;
    try ok => $two, 'lock', $b, 'wr', 10, 10;
    try ok => $three, 'lock', $c, 'rd', 50, 0;
    try ok => $two, 'lock', $b, 'rd', 60, 10;
    try EAGAIN => $one, 'lock', $a, 'wr', 65, 1;
    try ok => $one, 'lock', $a, 'un', 3, 3;
    try ok => $two, 'lock', $b, 'wr', 3, 3;
    try EAGAIN => $two, 'lock', $b, 'wr', 2, 1;
    try 'ok wr ' . $one->pid => $two, 'getlk', $b;
    $three->start('lockw', $c, 'wr', 0, 3);
    try ok => $one, 'lock', $a, 'un', 0, 0;
    is $three->reply(20), 'ok', place_label . ': who waited for the range has it';
    try ok => $three, 'lock', $c, 'un', 0, 0;
    try ok => $two, 'lock', $b, 'un', 0, 0;
    try 'ok none 0' => $one, 'getlk', $a;

    # Any close of the file by the process lets go of them all.
    try ok => $one, 'lock', $a, 'wr', 0, 0;
    try EAGAIN => $two, 'lock', $b, 'wr', 0, 0;
    $one->get('close', $one->get('open', 'r', 'f'));
    try ok => $two, 'lock', $b, 'wr', 0, 0;
    try ok => $two, 'lock', $b, 'un', 0, 0;

    # Two that wait for each other.
    try ok => $one, 'lock', $a, 'wr', 0, 1;
    try ok => $two, 'lock', $b, 'wr', 1, 1;
    $one->start('lockw', $a, 'wr', 1, 1);
    my ($deadlock, $tries) = ('', 0);
    $deadlock = $two->do('lock', $b, 'wr', 0, 1) until $deadlock eq 'EAGAIN' || $tries++ > 10;
    is $deadlock, 'EAGAIN', place_label . ': the other range is held';
    try ok => $two, 'lock', $b, 'un', 0, 0;
    is $one->reply(20), 'ok', place_label . ': and the waiting one goes on';
    try ok => $one, 'lock', $a, 'un', 0, 0;

    # Open file descriptions.
    my $a2 = $one->get('open', 'rw', 'f');
    try ok => $one, 'ofd', $a, 'wr', 0, 0;
    try EAGAIN => $one, 'ofd', $a2, 'rd', 0, 1;
    try EAGAIN => $two, 'lock', $b, 'rd', 0, 1;
    try ok => $one, 'close', $one->get('open', 'r', 'f');
    try EAGAIN => $two, 'ofd', $b, 'rd', 0, 1;
    $two->start('ofdw', $b, 'wr', 0, 0);
    try ok => $one, 'close', $a;
    is $two->reply(20), 'ok', place_label . ': closing the description lets go';
    try ok => $two, 'ofd', $b, 'un', 0, 0;

    # The holder dies; the waiter dies.
    for my $kind (qw(flockw lockw ofdw)) {
        my @range = $kind eq 'flockw' ? ('ex') : ('wr', 0, 0);
        my ($holder, $waiter) = map { client(cwd => $w->dir) } 1, 2;
        my ($h, $x) = map { $_->get('open', 'rw', 'f') } $holder, $waiter;
        try ok => $holder, $kind, $h, @range;
        $waiter->start($kind, $x, @range);
        $holder->kill9;
        is $waiter->reply(20), 'ok', place_label . ": $kind: the holder died, the waiter has it";
        my $next = client(cwd => $w->dir);
        my $y = $next->get('open', 'rw', 'f');
        $next->start($kind, $y, @range);
        $next->kill9;
        ok $next->wait_dead || 1, place_label . ": $kind: a waiter can be killed";
        $waiter->stop;
        my $last = client(cwd => $w->dir);
        try ok => $last, $kind, $last->get('open', 'rw', 'f'), @range;
        $last->stop;
    }

    # On a file without a name, and on read-only descriptors.
    my $fd = $two->get('open', 'r', 'f');
    try EBADF => $two, 'lock', $fd, 'wr', 0, 0;
    try ok => $two, 'lock', $fd, 'rd', 0, 0;
    try ok => $two, 'flock', $fd, 'ex';
    try ok => $two, 'unlink', 'f';
    try EAGAIN => $three, 'flock', $c, 'ex';
    try ok => $two, 'flock', $fd, 'un';
    try ok => $three, 'flock', $c, 'ex';
};
