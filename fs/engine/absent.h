/* Lock names that are known not to be there, so that taking a lock again does not ask the source.
 *
 * A lookup of a missing name is dear on some filesystems (tmpfs makes a directory-cache entry and
 * throws it away), and a lock that is taken and released over and over begins each time with one.
 * Where the source changes only through the mount, a name that we removed stays away until we make
 * it. The memo is small and forgets freely; it is never used where the source can change behind the
 * mount. Even a wrong memo could not give a lock two owners: the create itself is exclusive on the
 * source.
 *
 * Lock held.
 */
#ifndef LOCKFS_ENGINE_ABSENT_H
#define LOCKFS_ENGINE_ABSENT_H

#include <stdbool.h>
#include <stdint.h>

#define ABSENT_SLOTS 64
#define ABSENT_NAME_SIZE 48

typedef struct {
    struct {
        uint64_t dir; /* node id; 0: free */
        char name[ABSENT_NAME_SIZE];
    } slots[ABSENT_SLOTS];
} AbsentNames;

/* The name was removed. Long names are not remembered. */
void absent_note(AbsentNames *names, uint64_t dir, const char *name);

/* Something may have been made under the name. */
void absent_clear(AbsentNames *names, uint64_t dir, const char *name);

bool absent_has(const AbsentNames *names, uint64_t dir, const char *name);

#endif
