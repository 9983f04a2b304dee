/* Names that are lockfs' own in every directory. */
#ifndef LOCKFS_ENGINE_RESERVED_H
#define LOCKFS_ENGINE_RESERVED_H

#include "wire/names.h"

#include <stdbool.h>
#include <string.h>

/* In the root of the source it holds what was healed; in the mount it is never listed. */
#define RESERVED_DIR NAMES_DIR

/* A healed entry that could not be moved there is kept beside its old place under such a name. */
#define RESERVED_PREFIX ".lockfs-healed-"

/* The extended attributes that speak of claims. */
#define RESERVED_XATTR "user.lockfs."

static inline bool reserved_name(const char *name)
{
    return name[0] == '.' && name[1] == 'l' &&
           (strcmp(name, RESERVED_DIR) == 0 ||
            strncmp(name, RESERVED_PREFIX, sizeof RESERVED_PREFIX - 1) == 0);
}

static inline bool reserved_xattr(const char *name)
{
    return strncmp(name, RESERVED_XATTR, sizeof RESERVED_XATTR - 1) == 0;
}

#endif
