# Node: proper-lockfile with its heartbeat, lockfile of npm, fs.promises and worker threads.
use v5.30;
use warnings;
use IO::Select;
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_node($_) for qw(proper-lockfile lockfile);

my $m = mount_lockfs(source => 'tmpfs');
my $p = $m->path;
my $bare = temp_path('bare');
mkdir $bare;

my $frame = <<'END';
const fs = require('fs');
const lock = process.argv[2];
const file = lock.replace(/\.lock$/, '');
const say = (text) => fs.writeSync(1, text + '\n');
const line = () => new Promise((resolve) => process.stdin.once('data', resolve).once('end', resolve));
async function hold(take, drop, busy) {
    let release;
    try {
        release = await take();
    } catch (e) {
        if (e.code !== busy) throw e;
        say('busy');
        return;
    }
    say('held');
    await line();
    await drop(release);
    say('released');
    process.stdin.destroy();
}
END

sub node { my ($text) = @_; return ('node', script("$frame$text")) }

my %programs = (
    'fs.promises.mkdir' => <<'END',
hold(() => fs.promises.mkdir(lock), () => fs.promises.rmdir(lock), 'EEXIST');
END
    'fs.promises.open with wx' => <<'END',
hold(() => fs.promises.open(lock, 'wx'), async (f) => { await f.close(); await fs.promises.unlink(lock) }, 'EEXIST');
END
    'fs.mkdirSync in a worker thread that has ended' => <<'END',
const { Worker } = require('worker_threads');
const inThread = (text) => new Promise((resolve, reject) => {
    const w = new Worker(text, { eval: true, workerData: lock });
    w.once('error', reject).once('exit', resolve);
});
const act = (name) => inThread(`require('fs').${name}(require('worker_threads').workerData)`);
hold(() => act('mkdirSync'), () => act('rmdirSync'), 'EEXIST');
END
    'proper-lockfile' => <<'END',
hold(() => require('proper-lockfile').lock(file, { realpath: false }), (release) => release(), 'ELOCKED');
END
    'proper-lockfile, sync' => <<'END',
hold(() => require('proper-lockfile').lockSync(file, { realpath: false }), (release) => release(), 'ELOCKED');
END
    'lockfile' => <<'END',
const { promisify } = require('util');
const lockfile = require('lockfile');
hold(() => promisify(lockfile.lock)(lock, {}), () => promisify(lockfile.unlock)(lock), 'EEXIST');
END
);

for my $name (sort keys %programs) {
    my $text = $programs{$name};
    my @argv = node($text);
    subtest $name => sub { holds_well(\@argv, on => $p, bare => $bare) };
}

subtest 'the heartbeat of proper-lockfile' => sub {
    my @argv = node(<<'END');
const options = { realpath: false, stale: 2000, update: 1000, onCompromised: (e) => say('compromised: ' + e.message) };
hold(() => require('proper-lockfile').lock(file, options), (release) => release(), 'ELOCKED');
END
    my $w = watcher($p);
    my $holder = hold([ @argv, "$p/x.lock" ]);
    is $holder->{said}, 'held', 'takes the lock';
    # The first is the probe for the precision of times, the next two are beats.
    my $beats = $ENV{LOCKFS_QUICK} ? 2 : 3;
    for my $beat (1 .. $beats) {
        ok scalar($w->until('ATTRIB', 'x.lock', 10)), "the time of the lock is set ($beat)";
        is try_once([ @argv, "$p/x.lock" ]), 'busy', 'the next one does not get it';
    }
    is let_go($holder), 'exit 0', 'the holder never thought itself compromised, and releases';
    $w->stop;
};

# The event loop of the holder is busy for an hour: its lock has the time of the last beat.
my @stalled = node(<<'END');
const options = { realpath: false, stale: 2000, update: 1000, onCompromised: (e) => { throw e } };
require('proper-lockfile').lock(file, options).then((release) => {
    const old = new Date(Date.now() - 3600000);
    fs.utimesSync(lock, old, old);
    say('held');
    fs.readSync(0, Buffer.alloc(1));
    say(fs.existsSync(lock) && +fs.statSync(lock).mtime === +old ? 'still mine' : 'robbed');
    fs.rmdirSync(lock);
    say('released');
    process.exit(0);
});
END
my @contender = node(<<'END');
const options = { realpath: false, stale: 2000 };
hold(() => require('proper-lockfile').lock(file, options), (release) => release(), 'ELOCKED');
END
my @checker = node(<<'END');
require('proper-lockfile').check(file, { realpath: false, stale: 2000 }).then((is) => say(is ? 'held' : 'free'));
END

subtest 'proper-lockfile does not judge a live holder by its heartbeat' => sub {
    my $holder = hold([ @stalled, "$bare/x.lock" ]);
    is $holder->{said}, 'held', 'bare: the holder is busy';
    is try_once([ @checker, "$bare/x.lock" ]), 'free', 'bare: check() calls it free';
    is try_once([ @contender, "$bare/x.lock" ]), 'held', 'bare: a contender takes it away';
    $holder->kill9;

    $holder = hold([ @stalled, "$p/x.lock" ]);
    is $holder->{said}, 'held', 'the holder is busy';
    is try_once([ @checker, "$p/x.lock" ]), 'held', 'check() says that it is held';
    is try_once([ @contender, "$p/x.lock" ]), 'busy', 'a contender does not get it';
    $holder->kill('STOP');
    is try_once([ @contender, "$p/x.lock" ]), 'busy', 'nor when the holder is stopped';
    $holder->kill('CONT');
    $holder->send('');
    is $holder->recv, 'still mine', 'the holder has it, with the time that it had set';
    is $holder->recv, 'released', 'and releases';
    is $holder->status_text, 'exit 0', 'and ends well';
};

subtest 'proper-lockfile with retries gets the lock of a holder that is killed' => sub {
    my @patient = node(<<'END');
const options = { realpath: false, stale: 600000, retries: { retries: 1000, minTimeout: 10, maxTimeout: 10 } };
const attempt = fs.mkdir;
options.fs = { ...fs, mkdir: (...a) => { if (!options.said) say('waiting'); options.said = true; attempt(...a) } };
hold(() => require('proper-lockfile').lock(file, options), (release) => release(), 'ELOCKED');
END
    my $holder = hold([ @contender, "$p/x.lock" ]);
    my @waiters = map { hold([ @patient, "$p/x.lock" ]) } 1 .. 3;
    $holder->kill9;
    my $left = IO::Select->new(map { $_->{from} } @waiters);
    while ($left->count) {
        my ($from, @more) = $left->can_read(60);
        is @more, 0, 'one at a time has it';
        my ($winner) = grep { $_->{from} == $from } @waiters;
        is $winner->recv, 'held', 'a waiter gets it';
        $left->remove($from);
        is let_go($winner), 'exit 0', 'and passes it on';
    }
};

subtest 'lockfile of npm does not rob a live holder that it thinks stale' => sub {
    my @holder = node($programs{lockfile});
    my @thief = node(<<'END');
const { promisify } = require('util');
const lockfile = require('lockfile');
hold(() => promisify(lockfile.lock)(lock, { stale: 50, wait: 400, pollPeriod: 20 }),
    () => promisify(lockfile.unlock)(lock), 'EEXIST');
END
    my $holder = hold([ @holder, "$bare/x.lock" ]);
    is try_once([ @thief, "$bare/x.lock" ]), 'held', 'bare: taken away after the time-out';
    $holder->kill9;
    $holder = hold([ @holder, "$p/x.lock" ]);
    is try_once([ @thief, "$p/x.lock" ]), 'busy', 'not taken away';
    is let_go($holder), 'exit 0', 'the holder releases';
};

is_deeply [ client()->list($p) ], [], 'nothing is left in the directory';
done_testing;
