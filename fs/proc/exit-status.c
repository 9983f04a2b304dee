#include "proc/exit-status.h"

#include "proc/pidfd-sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbered as in proc(5), which counts from 1; what follows comm begins with the third. */
#define FIELD_AFTER_COMM 3
#define FIELD_EXIT_CODE 52

static bool parse_exit_code(const char *stat, int *status)
{
    const char *at = strrchr(stat, ')');
    if (!at)
        return false;
    at++;
    for (int field = FIELD_AFTER_COMM; field < FIELD_EXIT_CODE; field++) {
        at = strchr(at + 1, ' ');
        if (!at)
            return false;
    }
    char *end;
    long value = strtol(at, &end, 10);
    if (end == at)
        return false;
    *status = (int)value;
    return true;
}

static int read_zombie(const Proc *proc, const Pidref *ref, int *status)
{
    char text[1024];
    ProcStat stat;
    ssize_t n = proc_read(proc, ref->pid, "stat", text, sizeof text);
    if (n < 0)
        return (int)n;
    if (!proc_text_stat(text, (size_t)n, &stat) || stat.start_time != ref->start_time ||
        stat.state != 'Z')
        return -ESRCH;
    return parse_exit_code(text, status) ? 0 : -ENODATA;
}

int exit_status_read(const Proc *proc, const Pidref *ref, bool trusted, int *status)
{
    /* In this order: who is reaped in between is told of by the second. */
    if (trusted && read_zombie(proc, ref, status) == 0)
        return 0;
    if (!proc_has(proc, PROC_WITHOUT_PIDFD_INFO))
        return -ENODATA;
    return pidfd_sys_exit(ref->fd, status) == 0 ? 0 : -ENODATA;
}
