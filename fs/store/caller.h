/* Acting as the caller, so that the source decides with its own rules what the caller may do.
 *
 * Objects are made, and permissions checked, with the caller's uid, gid and umask. Supplementary
 * groups cost a read of /proc, and only matter when the source says no without them, or when a
 * set-group-id bit is at stake; so they are added on demand:
 *
 *     AS_CALLER(creds, caller, r, some_call(...));      // r: 0 or negative errno; tried again with
 * the groups
 *
 * What a caller may do as a user, root in a container's user namespace may do to all files whose
 * owner and group are mapped there; and a capability can be held by whoever. With allow_other the
 * kernel has checked that before it asked, so such a caller's rights over files are added as well
 * where the source says no (creds_add_rights). Where no check of the kernel's came before, as for
 * what .lockfs offers, the call is made with AS_CALLER_ALONE.
 *
 * The thread keeps the identity until the next act asks for another: creds_as_daemon() goes back.
 * One Creds belongs to one thread, because on Linux a thread has its own.
 */
#ifndef LOCKFS_STORE_CALLER_H
#define LOCKFS_STORE_CALLER_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    pid_t tid;
    uid_t uid;
    gid_t gid;
    mode_t umask;
} Caller;

/* Finds a thread's supplementary groups: how many, or negative errno. */
typedef int (*CredsGroupsFunc)(const void *ctx, pid_t tid, gid_t *groups, int max);

/* A thread's effective capabilities. */
typedef uint64_t (*CredsRightsFunc)(const void *ctx, pid_t tid);

typedef struct {
    CredsGroupsFunc groups;
    CredsRightsFunc rights; /* NULL: nobody checks before the source does */
    const void *groups_ctx;
    uid_t daemon_uid;
    gid_t daemon_gid;
    uid_t uid;
    gid_t gid;
    mode_t umask;
    bool can_switch; /* root, with the right to */
    bool has_groups;
    bool has_rights;
} Creds;

/* Takes the present identity as the daemon's. If it is root, drops its supplementary groups, and
 * the right to more space than others. */
void creds_init(Creds *creds, CredsGroupsFunc groups, const void *groups_ctx);

/* The same identities for another thread, which may have been started by one that acted as
 * somebody; it acts as the daemon from here on. */
void creds_init_thread(Creds *creds, const Creds *from);

void creds_as_daemon(Creds *creds);

/* The daemon itself, for calls that want a caller. */
static inline Caller creds_daemon(const Creds *creds)
{
    return (Caller){.uid = creds->daemon_uid, .gid = creds->daemon_gid};
}

/* In whose name to read. An unprivileged daemon reads as itself for all it lets in (allow_other):
 * there the kernel has checked the caller's rights before it asks (default_permissions). */
static inline Caller creds_reader(const Creds *creds, const Caller *caller)
{
    return creds->can_switch ? *caller : creds_daemon(creds);
}

/* 0, or -EPERM: an unprivileged daemon cannot act for this user. */
int creds_as_caller(Creds *creds, const Caller *caller);

/* For calls that make something. It stays until the next one: nothing else looks at it, and what
 * the daemon makes for itself has no mode that a umask would take from. */
void creds_set_umask(Creds *creds, mode_t mask);

/* Adds the caller's groups to the identity in force; false when that changed nothing. */
bool creds_add_groups(Creds *creds, const Caller *caller);

/* Adds the caller's rights over files; false when that changed nothing. */
bool creds_add_rights(Creds *creds, const Caller *caller);

/* Evaluates `call` (a system call: negative on failure, errno set) as the caller. */
#define AS_CALLER(creds, caller, result, call)                                                     \
    AS_CALLER_WITH_GROUPS(creds, caller, false, result, call)

/* groups: have them from the start, for a call that succeeds without and does something else. */
#define AS_CALLER_WITH_GROUPS(creds, caller, groups, result, call)                                 \
    do {                                                                                           \
        AS_CALLER_ALONE(creds, caller, groups, result, call);                                      \
        if ((result == -EACCES || result == -EPERM) && creds_add_rights(creds, caller))            \
            result = (call) < 0 ? -errno : 0;                                                      \
    } while (0)

/* Without what only the kernel could have checked. */
#define AS_CALLER_ALONE(creds, caller, groups, result, call)                                       \
    do {                                                                                           \
        result = creds_as_caller(creds, caller);                                                   \
        if (result == 0) {                                                                         \
            if (groups)                                                                            \
                creds_add_groups(creds, caller);                                                   \
            result = (call) < 0 ? -errno : 0;                                                      \
            if ((result == -EACCES || result == -EPERM) && creds_add_groups(creds, caller))        \
                result = (call) < 0 ? -errno : 0;                                                  \
        }                                                                                          \
    } while (0)

#endif
