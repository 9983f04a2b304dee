/* What /proc/self/mountinfo says of the mounts that matter to doctor. */
#ifndef LOCKFS_CLI_DOCTOR_MOUNT_H
#define LOCKFS_CLI_DOCTOR_MOUNT_H

#include <glib.h>

typedef struct {
    char *point;
    char *type;
    char *tags;    /* of propagation: "shared:1 master:2"; empty: private */
    char *options; /* of the filesystem */
} DoctorMount;

void doctor_mount_free(DoctorMount *mount);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DoctorMount, doctor_mount_free)

/* The mount that has this path (absolute, without links); NULL: not to be found out. */
DoctorMount *doctor_mount_of(const char *path);

/* Where the root of the cgroup hierarchy of version 2 is mounted, or NULL. */
char *doctor_mount_cgroups(void);

#endif
