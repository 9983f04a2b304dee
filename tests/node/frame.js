// What the lock programs in this directory have in common. Each is written after the rules and the timings of a lock
// that is in use, its mistakes included, and speaks as Lockfs::Holder wants it:
//
//     node PROGRAM LOCK    tries once. "held", then reads a line, releases, "released" (or "robbed"), exit 0;
//                          or "busy", and in a second line why: "held", or "refused CODE" when it judged the lock
//                          stale and could not remove it. Where the original would sleep and try again, it is busy.
//
// In the environment:
//     LATER_MS=N     the clock of this program is ahead by that much: as if it had come so much later
//     AGED_MS=N      after taking the lock, sets the lock's time back by that much: a holder that is at work for long
//     PAUSE=A,B      says "at A" when it is there, and goes on when it has read a line
//     RULES=A,B      the variants that the program itself describes
'use strict';
const fs = require('fs');

const words = (text) => (text || '').split(',').filter((word) => word);
const pauses = words(process.env.PAUSE);
const rules = words(process.env.RULES);
const say = (text) => fs.writeSync(1, text + '\n');

function line() {
    const byte = Buffer.alloc(1);
    while (fs.readSync(0, byte) === 1 && byte[0] !== 10);
}

function pause(name) {
    if (!pauses.includes(name)) return;
    say('at ' + name);
    line();
}

// A question to the kernel, and the most common mistake about its answer.
function alive(pid) {
    try {
        process.kill(pid, 0);
        return true;
    } catch (e) {
        return e.code === 'EPERM' && !rules.includes('eperm-is-dead');
    }
}

function unless(code, act) {
    try {
        return act();
    } catch (e) {
        if (e.code !== code) throw e;
        return undefined;
    }
}

const readJson = (path) => {
    try {
        return JSON.parse(fs.readFileSync(path, 'utf8'));
    } catch (e) {
        return null;
    }
};

function refusal(remove, lock) {
    try {
        remove(lock);
        return null;
    } catch (e) {
        return e.code === 'ENOENT' ? null : 'refused ' + e.code;
    }
}

// make(lock): what release() needs, or undefined when the lock is there. judge(lock): is it stale?
function take(lock, { make, judge, remove }) {
    for (let removed = false; ; removed = true) {
        const held = unless('EEXIST', () => make(lock));
        if (held) return { held };
        if (removed || !judge(lock)) return { why: 'held' };
        pause('judged');
        const why = refusal(remove, lock);
        if (why) return { why };
    }
}

function age(lock) {
    const then = new Date(Date.now() - process.env.AGED_MS);
    fs.utimesSync(lock, then, then);
}

// release(lock, held): true when the lock was its own to the end.
function main(program) {
    const lock = process.argv[2];
    const { held, why } = take(lock, program);
    if (!held) {
        say('busy\n' + why);
        return;
    }
    if (process.env.AGED_MS) age(lock);
    say('held');
    line();
    say(program.release(lock, held) ? 'released' : 'robbed');
}

module.exports = {
    fs, main, pause, alive, readJson,
    now: () => Date.now() + Number(process.env.LATER_MS || 0),
    has: (rule) => rules.includes(rule),
    removeTree: (lock) => fs.rmSync(lock, { recursive: true }),
};
