/* What an entry of the source says by itself: its times, and the record of its owner that lies in
 * it. */
#ifndef LOCKFS_ENGINE_EVIDENCE_H
#define LOCKFS_ENGINE_EVIDENCE_H

#include "claims/inference.h"
#include "engine/engine.h"
#include "proc/open-files.h"

typedef struct {
    InferenceEntry entry; /* in_use is not filled in */
    LockRecord record;
    bool recorded;   /* there is one */
    OpenFileId file; /* in which it was found; ino 0: in none */
} Evidence;

/* Reads a few small files at most. `st` is what was seen of (dir, name) before; -EAGAIN: it is
 * changing. Lock held. */
int evidence_read(Engine *engine, Node *dir, const char *name, const struct stat *st,
                  Evidence *out);

/* Reads it again: does it say the same, and had nobody its record open for writing? Then what was
 * read is no half of something. Looks at all descriptors of the machine. */
bool evidence_is_settled(Engine *engine, Node *dir, const char *name, const struct stat *st,
                         const Evidence *evidence);

/* Is it open through the mount, or locked by anybody? Also true when that cannot be told. */
bool evidence_in_use(Engine *engine, const Node *node);

#endif
