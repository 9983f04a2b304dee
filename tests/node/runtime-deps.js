// The lock directory around an installation of dependencies, with an owner.json in it. Stale is a lock whose pid is
// dead; one without owner.json after 30 s; and, before that was mended, any lock after 10 minutes, be its owner alive
// (RULES: age-limit). Contenders remove the whole of it.
'use strict';
const { fs, main, pause, alive, readJson, now, has, removeTree } = require('./frame');
const AGE_LIMIT = 10 * 60_000;
const OWNERLESS_AGE_LIMIT = 30_000;

const time = (path) => fs.lstatSync(path, { throwIfNoEntry: false })?.mtimeMs || 0;

main({
    make(lock) {
        fs.mkdirSync(lock);
        pause('made');
        fs.writeFileSync(lock + '/owner.json', JSON.stringify({ pid: process.pid, createdAtMs: Date.now() }));
        return true;
    },
    judge(lock) {
        const owner = readJson(lock + '/owner.json');
        pause('read');
        const old = now() - Math.max(time(lock), time(lock + '/owner.json'));
        if (!owner) return old > OWNERLESS_AGE_LIMIT;
        return !alive(owner.pid) || (has('age-limit') && now() - owner.createdAtMs > AGE_LIMIT);
    },
    remove: removeTree,
    release(lock) {
        if (readJson(lock + '/owner.json')?.pid !== process.pid) return false;
        removeTree(lock);
        return true;
    },
});
