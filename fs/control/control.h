/* The `.lockfs` directory, its files, and the extended attributes that speak of claims; without any
 * type of FUSE.
 *
 * What a file says is made when it is opened and stays as it is, so one reader sees one moment.
 * That may take a while, so an open has two halves: control_open() checks and makes the handle, in
 * the serving thread; control_fill() writes the text, in whichever thread.
 *
 * Over a takeover the files stay open. What was read to its end stays so, what was not read yet is
 * made anew, and readers of events are told how many they have lost.
 *
 * `events` is different: its readers hear what happens from their open on. A read for which there
 * is nothing yet is answered later: control_events_wait().
 *
 * Locks: a handle's text belongs to its opener until it is filled. The table of handles and the
 * readers of events have a lock of their own, taken after the engine's, never before it.
 */
#ifndef LOCKFS_CONTROL_CONTROL_H
#define LOCKFS_CONTROL_CONTROL_H

#include "control/virtual-node.h"
#include "engine/engine.h"

typedef struct Control Control;

typedef enum {
    CONTROL_UPGRADE_NONE,
    CONTROL_UPGRADE_CHECKING, /* the installed program is being asked */
    CONTROL_UPGRADE_REFUSED,
    CONTROL_UPGRADE_STARTING,
    CONTROL_UPGRADE_DONE,
} ControlUpgradeOutcome;

typedef struct {
    uint32_t number;  /* of the attempt; it counts them */
    uint32_t outcome; /* ControlUpgradeOutcome */
    uint32_t old_layout, new_layout;
    int64_t took_ns;
    char old_version[32], new_version[32];
    char problem[512];
} ControlUpgradeResult;

/* Whoever can put another program in the place of this one. 0 or negative errno. */
typedef struct {
    int (*ask)(void *ctx, uint32_t *number); /* that of the attempt that will be made */
    int (*result)(void *ctx, ControlUpgradeResult *result); /* of the last one */
    void *ctx;
} ControlUpgrade;

/* Tells the kernel that who polls may look again. */
typedef void (*ControlWake)(void *ctx, uint64_t poll_handle);

/* Takes up the files that callers of another worker have open. upgrade: NULL for none; it must
 * outlive the control. */
Control *control_new(Engine *engine, const ControlUpgrade *upgrade, ControlWake wake, void *ctx);

/* Ends all reads that wait, with -ENODEV. */
void control_free(Control *control);

/* Is this name one to ask control_lookup() about? In a directory of the store. */
bool control_is_entry(const char *name);

/* In a directory of the store: `.lockfs`; in a virtual one: its files. As engine_lookup(). */
int control_lookup(Control *control, uint64_t parent, const char *name, Entry *entry);
int control_getattr(Control *control, uint64_t id, Entry *entry);

/* The n-th (from 0) entry of a virtual directory; false past the end. */
bool control_list(uint64_t dir, unsigned n, uint64_t *id, const char **name, bool *is_dir);

/* May the caller do that (a mask of access(2)) to a virtual file? */
int control_access(Control *control, const Caller *caller, uint64_t id, int mask);

/* flags of open(2). *slow: control_fill() is to be called before the open is answered. */
int control_open(Control *control, const Caller *caller, uint64_t id, int flags, uint64_t *fh,
                 bool *slow);
void control_fill(Control *control, uint64_t fh);
void control_close(Control *control, uint64_t fh);

/* Is control_fill() to be called before this is read? The text was in a worker that has died;
 * whoever has read part of it cannot go on (-ESTALE) and is to open it anew. */
bool control_is_forgotten(const Control *control, uint64_t fh, off_t offset);

/* Not of `events`. *data belongs to the handle and stays until it is closed or written to. */
ssize_t control_read(Control *control, uint64_t fh, size_t size, off_t offset, const char **data);

/* A command. */
ssize_t control_write(Control *control, const Caller *caller, uint64_t fh, const char *data,
                      size_t size);

/* user.lockfs.*; what getxattr(2) returns. */
ssize_t control_getxattr(Control *control, const Caller *caller, uint64_t node, const char *name,
                         char *value, size_t size);

/* --- events --- */

/* Bytes, or -EAGAIN when there is nothing to read yet. */
ssize_t control_events_read(Control *control, uint64_t fh, char *data, size_t size);

/* Answers later; called once, from any thread, with the engine's lock held. n: as a read returns.
 */
typedef void (*ControlAnswer)(void *request, const char *data, ssize_t n);

/* As control_events_read(), but hands over `request` when there is nothing: true, answered later.
 */
bool control_events_wait(Control *control, uint64_t fh, size_t size, ControlAnswer answer,
                         void *request, char *data, ssize_t *n);

/* Takes back a request that waits; false: it has been answered. */
bool control_events_cancel(Control *control, const void *request);

/* Is there something to read? If not, the poll handle (0: none) is woken once there is; it replaces
 * the one before. */
bool control_events_poll(Control *control, uint64_t fh, uint64_t poll_handle);

#endif
