# What people look at, on a terminal: top, list --watch and watch.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Ctl;
use Lockfs::Screen;

need_root;
need_fuse;
need_program('tmux');

my $m = mount_lockfs(source => 'tmpfs', options => 'allow_other');
my $p = $m->path;
my ($holder, $other) = (client(), client());
my $ctl = ctl_program();
my ($short, $test) = ("/tmp/m-$$", $$);      # short, so that the first line has room
symlink $p, $short or die "$short: $!\n";
END { unlink $short if $short && $$ == $test }
my $s = Lockfs::Screen->new(columns => 80, rows => 24);
my $width = sub { my ($most) = sort { $b <=> $a } map {length} split /\n/, $_[0]; return $most };

subtest 'top' => sub {
    $s->type("echo before; $ctl top $short");
    my $text = $s->until([ qr/\Alockfs  $short  0 held, 0 waiting$/m, qr/^PATH +PID +COMMAND +CONTAINER +HELD +WAITERS/m, qr/\nq quit.*\z/ ], 20);
    is scalar(split /\n/, $text), 24, 'the whole screen';
    unlike $text, qr/before/, 'and nothing else';

    expect ok => $holder, 'mkdir', "$p/x.lock";
    ok $s->until([ qr/1 held/, qr/^x\.lock +${\ $holder->pid} +client/m ], 20), 'a claim appears';
    expect EEXIST => $other, 'mkdir', "$p/x.lock";
    ok $s->until(qr/1 held, 1 waiting/, 20), 'and who waits';
    $holder->kill9;
    ok $s->until(qr/0 held, 0 waiting/, 20), 'and goes with its owner';
};

subtest 'names' => sub {
    for my $name ("\e[2J\e[31m\a.lock", "two\nlines.lock", "bad\xff.lock") { expect ok => $other, 'mkdir', "$p/$name" }
    ok $s->until([ qr/\Alockfs .*3 held/, qr/^\$'\\(?:e|x1b|033)\[2J\\(?:e|x1b|033)\[31m\\(?:a|x07|007)\.lock'/m, qr/^\$'two\\nlines\.lock' /m,
        qr/^\$'bad\\(?:377|xff)\.lock' /mi ], 20), 'escapes, ends of lines and bytes that are none of UTF-8 are shown, not done';
    expect ok => $other, 'rmdir', "$p/$_" for "\e[2J\e[31m\a.lock", "two\nlines.lock", "bad\xff.lock";
    $s->until(qr/0 held/, 20);
};

subtest 'many, and keys' => sub {
    expect ok => $other, 'mkdir', sprintf "$p/%02d-%s.lock", $_, 'long' x 20 for 1 .. 60;
    my $text = $s->until([ qr/60 held/, qr/\A.*\n.*\n01-long/, qr/^21-long[^\n]*\nq quit[^\n]*\z/m ], 20);
    pass 'the oldest first';
    cmp_ok $width->($text), '<=', 80, 'no line is longer than the screen';
    $s->keys('Down');
    ok $s->until(qr/\A.*\n.*\n02-long/, 20), 'down';
    $s->keys('Up');
    ok $s->until(qr/\A.*\n.*\n01-long/, 20), 'up';
    $s->keys('NPage');
    ok $s->until(qr/\A.*\n.*\n22-long/, 20), 'a page down';
    $s->keys('PPage');
    ok $s->until(qr/\A.*\n.*\n01-long/, 20), 'a page up';
    $s->keys('NPage') for 1 .. 9;
    ok $s->until(qr/^60-long[^\n]*\nq quit/m, 20), 'to the last, and no further';
    $s->keys('Home');
    ok $s->until(qr/\A.*\n.*\n01-long/, 20), 'home';
};

subtest 'another size' => sub {
    $s->resize(50, 12);
    my $text = $s->until([ qr/\Alockfs.*\n(?:.*\n){10}q quit.*\z/, qr/^01-\S*lock +\d+  client /m ], 20);
    cmp_ok $width->($text), '<=', 50, 'everything fits';
    $s->resize(120, 30);
    ok $s->until(qr/\Alockfs.*\n(?:.*\n){28}q quit.*\z/, 20), 'and back to more';
    $s->resize(3, 2);
    $s->resize(80, 24);
    ok $s->until(qr/\Alockfs.*\n(?:.*\n){22}q quit.*\z/, 20), 'next to nothing does no harm';
};

subtest 'quit' => sub {
    is $s->get('#{alternate_on}#{cursor_flag}'), '10', 'it has a screen of its own, and no cursor';
    $s->keys('q');
    my $text = $s->until(qr/before\n[\$#]\z/, 20);
    is $s->get('#{alternate_on}#{cursor_flag}'), '01', 'the terminal is as it was';
    $s->type('echo status $?; stty -a | grep -o " -*echo "');
    ok $s->until(qr/status 0\n echo/, 20), 'and shows what is typed';
    $s->type("clear; $ctl top $short");
    $s->until(qr/60 held/, 20);
    $s->keys('C-c');
    ok $s->until(qr/^[\$#]\z/m, 20), 'interrupted';
    is $s->get('#{alternate_on}#{cursor_flag}'), '01', 'the same';
    $s->type('stty -a | grep -o " -*echo "');
    ok $s->until(qr/\n echo/, 20), 'and the same';
    expect ok => $other, 'rmdir', sprintf "$p/%02d-%s.lock", $_, 'long' x 20 for 1 .. 60;
};

subtest 'list --watch' => sub {
    $s->type("clear; $ctl list --watch $short");
    ok $s->until(qr/\APATH +PID/, 20), 'a table';
    expect ok => $other, 'mkdir', "$p/\e[31mw.lock";
    my $text = $s->until(qr/w\.lock' +${\ $other->pid}/, 20);
    like $text, qr/\APATH/, 'in place of the one before';
    is $s->get('#{cursor_y}'), 2, 'and nothing below';
    expect ok => $other, 'rmdir', "$p/\e[31mw.lock";
    ok $s->until(qr/\APATH[^\n]*\z/, 20), 'and empty again';
    $s->keys('C-c');
    $s->until(qr/^[\$#]\z/m, 20);
};

subtest 'watch' => sub {
    $s->resize(120, 24);
    $s->type("clear; $ctl watch $short");
    my $seen;
    until ($seen) {      # it is listening once it has said something
        $other->do($_, "$p/probe.lock") for qw(mkdir rmdir);
        $seen = eval { $s->until(qr/released +probe\.lock/, 1) };
    }
    my $dead = client();
    expect ok => $dead, 'mkdir', "$p/\e]0;x\a.lock";
    $dead->kill9;
    my $text = $s->until(qr/signal 9/, 20);
    like $text, qr/acquired +\$'\S*0;x\S*\.lock' +owner ${\ $dead->pid} \(client\)/, 'quoted';
    isnt $s->get('#{pane_title}'), 'x', 'the title is nobody\'s to change';
    like join("\n", $s->command('capture-pane -pe')), qr/\e\[31mhealed/, 'in colour';
    $s->keys('C-c');
    $s->until(qr/^[\$#]\z/m, 20);
};

$s->end;
done_testing;
