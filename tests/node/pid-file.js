// The pid file of a server: O_EXCL, the pid as text. Where it is there, the server is taken to run if somebody bears
// that pid, whoever it is; else the file is removed and tried once more.
'use strict';
const { fs, main, pause, alive } = require('./frame');

const pidIn = (file) => {
    try {
        return Number(fs.readFileSync(file, 'utf8').trim());
    } catch (e) {
        return 0;
    }
};

main({
    make(file) {
        const fd = fs.openSync(file, fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, 0o644);
        pause('made');
        fs.writeSync(fd, `${process.pid}\n`);
        fs.closeSync(fd);
        return true;
    },
    judge(file) {
        const pid = pidIn(file);
        pause('read');
        return pid > 0 && !alive(pid);
    },
    remove: fs.unlinkSync,
    release(file) {
        if (pidIn(file) !== process.pid) return false;
        fs.unlinkSync(file);
        return true;
    },
});
