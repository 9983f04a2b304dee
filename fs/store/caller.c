#include "store/caller.h"

#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 1024
#define FILE_RIGHTS                                                                                \
    (1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER |     \
     1U << CAP_FSETID)

/* A root that may not (in a container, say) would act as itself for everybody, unnoticed. */
static bool may_switch(void)
{
    const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    return geteuid() == 0 && syscall(SYS_capget, &head, data) == 0 &&
           (data[0].effective & needed) == needed;
}

/* It lets its holder past quotas and into the blocks kept for root, whatever the uid: what counts
 * is whether the caller is root. Of this thread and those it starts. */
static void drop_resource_right(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &head, data) != 0)
        return;
    data[0].effective &= ~(1U << CAP_SYS_RESOURCE);
    syscall(SYS_capset, &head, data);
}

void creds_init(Creds *creds, CredsGroupsFunc groups, const void *groups_ctx)
{
    *creds = (Creds){
        .groups = groups,
        .groups_ctx = groups_ctx,
        .daemon_uid = geteuid(),
        .daemon_gid = getegid(),
        .uid = geteuid(),
        .gid = getegid(),
        .can_switch = may_switch(),
    };
    if (creds->can_switch) {
        syscall(SYS_setgroups, 0, NULL);
        drop_resource_right();
    }
    umask(0);
}

void creds_init_thread(Creds *creds, const Creds *from)
{
    *creds = (Creds){
        .groups = from->groups,
        .rights = from->rights,
        .groups_ctx = from->groups_ctx,
        .daemon_uid = from->daemon_uid,
        .daemon_gid = from->daemon_gid,
        .uid = from->daemon_uid,
        .gid = from->daemon_gid,
        .can_switch = from->can_switch,
    };
    if (creds->can_switch) {
        setfsuid(creds->uid);
        setfsgid(creds->gid);
        syscall(SYS_setgroups, 0, NULL);
    }
}

/* The raw call: the C library's changes all threads at once. */
static void drop_additions(Creds *creds)
{
    if (creds->has_groups || creds->has_rights) {
        setfsuid(creds->daemon_uid); /* from there to an ordinary uid all rights over files go */
        syscall(SYS_setgroups, 0, NULL);
        creds->uid = creds->daemon_uid;
        creds->has_groups = creds->has_rights = false;
    }
}

static void become(Creds *creds, uid_t uid, gid_t gid)
{
    drop_additions(creds);
    if (creds->uid == uid && creds->gid == gid)
        return;
    /* The group first: once the uid is an ordinary one, changing the group is not allowed. */
    if (creds->gid != gid) {
        if (creds->uid != creds->daemon_uid) {
            setfsuid(creds->daemon_uid);
            creds->uid = creds->daemon_uid;
        }
        setfsgid(gid);
        creds->gid = gid;
    }
    if (creds->uid != uid) {
        setfsuid(uid);
        creds->uid = uid;
    }
}

void creds_as_daemon(Creds *creds)
{
    if (creds->can_switch)
        become(creds, creds->daemon_uid, creds->daemon_gid);
}

int creds_as_caller(Creds *creds, const Caller *caller)
{
    if (creds->can_switch)
        become(creds, caller->uid, caller->gid);
    else if (caller->uid != creds->daemon_uid && caller->uid != 0)
        return -EPERM;
    return 0;
}

void creds_set_umask(Creds *creds, mode_t mask)
{
    if (creds->umask != mask) {
        umask(mask);
        creds->umask = mask;
    }
}

bool creds_add_groups(Creds *creds, const Caller *caller)
{
    if (!creds->can_switch || creds->has_groups || caller->uid == 0)
        return false;
    gid_t groups[GROUPS_MAX];
    int n = creds->groups(creds->groups_ctx, caller->tid, groups, GROUPS_MAX);
    if (n <= 0)
        return false;
    setfsuid(creds->daemon_uid);
    bool done = syscall(SYS_setgroups, n, groups) == 0;
    setfsuid(caller->uid);
    creds->has_groups = done;
    return done;
}

bool creds_add_rights(Creds *creds, const Caller *caller)
{
    if (!creds->can_switch || !creds->rights || creds->has_rights || caller->uid == 0 ||
        caller->tid <= 0)
        return false;
    uint32_t rights = (uint32_t)creds->rights(creds->groups_ctx, caller->tid) & FILE_RIGHTS;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (!rights || syscall(SYS_capget, &head, data) != 0)
        return false;
    data[0].effective |= rights & data[0].permitted;
    creds->has_rights = syscall(SYS_capset, &head, data) == 0;
    return creds->has_rights;
}
