// A lock file of an installer: O_EXCL, JSON with the pid; the descriptor stays open, and at the end the file is removed
// only if it still is the same one. Stale is a lock whose pid is dead; there is no age limit, so nothing ends the wait
// for a pid that somebody else bears. RULES: unchecked-release removes at the end whatever is there.
'use strict';
const { fs, main, pause, alive, readJson, has } = require('./frame');

const inode = (path) => fs.statSync(path, { throwIfNoEntry: false })?.ino;

main({
    make(lock) {
        const fd = fs.openSync(lock, 'wx');
        pause('made');
        fs.writeSync(fd, JSON.stringify({ pid: process.pid, startedAt: new Date().toISOString() }));
        return { fd };
    },
    judge(lock) {
        const before = inode(lock);
        const record = readJson(lock);
        pause('read');
        if (inode(lock) !== before) return inode(lock) === undefined;
        return Boolean(record) && !alive(record.pid);
    },
    remove: fs.unlinkSync,
    release(lock, { fd }) {
        const own = inode(lock) === fs.fstatSync(fd).ino;
        fs.closeSync(fd);
        if (own || has('unchecked-release')) fs.rmSync(lock, { force: true });
        return own;
    },
});
