/* What an entry of the source says by itself: its times, and the record of its owner that lies in
 * it. */
#ifndef LOCKFS_ENGINE_EVIDENCE_H
#define LOCKFS_ENGINE_EVIDENCE_H

#include "claims/inference.h"
#include "engine/engine.h"

typedef struct {
    InferenceEntry entry; /* in_use is not filled in */
    LockRecord record;
    bool recorded; /* there is one */
} Evidence;

/* Reads a few small files at most. `st` is what was seen of (dir, name) before; -EAGAIN: it is
 * changing. Lock held. */
int evidence_read(Engine *engine, Node *dir, const char *name, const struct stat *st,
                  Evidence *out);

/* Is it open through the mount, or locked by anybody? Also true when that cannot be told. */
bool evidence_in_use(Engine *engine, const Node *node);

#endif
