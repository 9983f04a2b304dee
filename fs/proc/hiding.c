#include "proc/hiding.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MOUNTS_SIZE (1 << 20)

static bool read_mount(const Proc *proc, ProcMount *mount)
{
    char *text = malloc(MOUNTS_SIZE);
    ssize_t len = text ? proc_read(proc, getpid(), "mountinfo", text, MOUNTS_SIZE) : -1;
    bool found = len > 0 && proc_text_proc_mount(text, (size_t)len, mount);
    free(text);
    return found;
}

static bool in_group(const Proc *proc, pid_t tid, gid_t gid)
{
    gid_t *groups = malloc(NGROUPS_MAX * sizeof *groups);
    int n = groups ? proc_groups(proc, tid, groups, NGROUPS_MAX) : 0;
    bool found = false;
    for (int i = 0; i < n && !found; i++)
        found = groups[i] == gid;
    free(groups);
    return found;
}

Hiding hiding_from(const Proc *proc, pid_t tid, uid_t uid, gid_t gid)
{
    ProcMount mount;
    if (uid == 0)
        return HIDING_NOTHING;
    if (!read_mount(proc, &mount))
        return HIDING_NUMBERS;
    if (mount.hidepid == 0 || gid == mount.gid || in_group(proc, tid, mount.gid))
        return HIDING_NOTHING;
    return mount.hidepid == 1 ? HIDING_DETAILS : HIDING_NUMBERS;
}
