// The lock directory of a template that several machines may build: owner.json names host and pid. On the same host the
// pid is asked; of another host only the age tells, and a build may take 30 minutes.
'use strict';
const os = require('os');
const { fs, main, pause, alive, readJson, now, removeTree } = require('./frame');
const AGE_LIMIT = 30 * 60_000;

main({
    make(lock) {
        fs.mkdirSync(lock, { recursive: false });
        pause('made');
        const owner = { pid: process.pid, hostname: os.hostname(), createdAt: new Date().toISOString() };
        fs.writeFileSync(lock + '/owner.json', JSON.stringify(owner));
        return owner;
    },
    judge(lock) {
        const owner = readJson(lock + '/owner.json');
        pause('read');
        if (owner && owner.hostname === os.hostname()) return !alive(owner.pid);
        const st = fs.statSync(lock, { throwIfNoEntry: false });
        return !st || now() - st.mtimeMs > AGE_LIMIT;
    },
    remove: removeTree,
    release(lock, { createdAt }) {
        const owner = readJson(lock + '/owner.json');
        if (owner?.pid !== process.pid || owner?.createdAt !== createdAt) return false;
        removeTree(lock);
        return true;
    },
});
