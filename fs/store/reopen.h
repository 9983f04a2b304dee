/* Opening anew what the processes that served had open, when all of them were killed and the table
 * of descriptors went with them.
 *
 * A file that has a name is opened by it, the way it was opened before, by the daemon itself: the
 * caller's right was asked when the caller opened it. It must be the same file (device and inode).
 * A file without a name ended with its last descriptor. Its handles, and those that cannot be
 * opened, stay without one: calls on them fail with ESTALE.
 */
#ifndef LOCKFS_STORE_REOPEN_H
#define LOCKFS_STORE_REOPEN_H

#include "store/handle.h"

/* No record names a descriptor any more. Before store_recover(). */
void reopen_forget(Store *store);

/* What can be opened is; may be repeated. Returns how many handles are left without. After
 * store_recover(). */
unsigned reopen_handles(Store *store);

/* The file that an O_CREAT|O_EXCL by a process that was killed has made, opened as the call would
 * have. Negative errno. */
int reopen_created(Store *store, Node *dir, const char *name, int flags);

#endif
