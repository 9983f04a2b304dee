// The lock file beside a session's transcript (x.jsonl.lock): O_EXCL, JSON with pid, time, and the process's start time
// from /proc. Stale is a lock whose pid is dead or started at another time, one older than 30 minutes by its own
// record, and one without a record (its maker was killed before it wrote) that is as old.
// RULES: no-starttime as it was before the start time was added.
'use strict';
const { fs, main, pause, alive, readJson, now, has } = require('./frame');
const AGE_LIMIT = 30 * 60_000;

function startTime(pid) {
    try {
        const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    } catch (e) {
        return undefined;
    }
}

const isAnother = (record) => {
    const started = has('no-starttime') ? undefined : startTime(record.pid);
    return started !== undefined && record.starttime !== undefined && started !== record.starttime;
};

main({
    make(lock) {
        const fd = fs.openSync(lock, 'wx');
        pause('made');
        const starttime = has('no-starttime') ? undefined : startTime(process.pid);
        fs.writeSync(fd, JSON.stringify({ pid: process.pid, createdAt: Date.now(), starttime }));
        fs.closeSync(fd);
        return true;
    },
    judge(lock) {
        const record = readJson(lock);
        pause('read');
        if (record) return !alive(record.pid) || isAnother(record) || now() - record.createdAt > AGE_LIMIT;
        const st = fs.statSync(lock, { throwIfNoEntry: false });
        return !st || now() - st.mtimeMs > AGE_LIMIT;
    },
    remove: fs.unlinkSync,
    release(lock) {
        if (readJson(lock)?.pid !== process.pid) return false;
        fs.unlinkSync(lock);
        return true;
    },
});
