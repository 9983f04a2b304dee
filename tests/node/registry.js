// A registry's lock directory. In it a file "owner" with the pid, written aside and renamed. Stale is a lock whose pid
// is dead, and any lock that is older than 10 s, whether its owner lives or not.
'use strict';
const { fs, main, pause, alive, now, removeTree } = require('./frame');
const AGE_LIMIT = 10_000;

const ownerOf = (lock) => {
    try {
        return Number(fs.readFileSync(lock + '/owner', 'utf8'));
    } catch (e) {
        return 0;
    }
};

main({
    make(lock) {
        fs.mkdirSync(lock);
        pause('made');
        fs.writeFileSync(`${lock}/owner.tmp.${process.pid}`, String(process.pid));
        fs.renameSync(`${lock}/owner.tmp.${process.pid}`, lock + '/owner');
        return true;
    },
    judge(lock) {
        const pid = ownerOf(lock);
        pause('read');
        if (pid && !alive(pid)) return true;
        const st = fs.statSync(lock, { throwIfNoEntry: false });
        return !st || now() - st.mtimeMs > AGE_LIMIT;
    },
    remove: removeTree,
    release(lock) {
        if (ownerOf(lock) !== process.pid) return false;
        removeTree(lock);
        return true;
    },
});
