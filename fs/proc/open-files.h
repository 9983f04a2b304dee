/* Who has a file open, in whichever mount and by whatever name. */
#ifndef LOCKFS_PROC_OPEN_FILES_H
#define LOCKFS_PROC_OPEN_FILES_H

#include "proc/proc.h"

typedef struct {
    uint64_t dev, ino;
} OpenFileId;

/* Has any process one of these open for writing? Looks at every descriptor of the machine. 1, 0, or
 * negative errno: not all could be seen. What /proc does not list at all (census_is_complete()) is
 * not among them. */
int open_files_for_writing(const Proc *proc, const OpenFileId *ids, unsigned n);

#endif
