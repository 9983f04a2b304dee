/* Claims of an earlier mount of the same source, taken up from the file it left.
 *
 * Each is proven anew: the entry must be the one that was claimed (device and inode), and its owner
 * is looked for by pid and compared by start time and pidfs inode. An owner that is found holds the
 * claim on, under its old token; one that is provably gone is a dead owner, whose entry heals as
 * always. Where that cannot be told, the entry stays, owned by nobody. After a reboot every owner
 * is gone.
 *
 * The file may be that of a daemon which was killed: what it was in the middle of is undone first.
 */
#ifndef LOCKFS_ENGINE_ADOPT_H
#define LOCKFS_ENGINE_ADOPT_H

#include "engine/engine.h"

/* What the pids in such a file are to us. */
typedef enum {
    ENGINE_WORLD_SAME,
    ENGINE_WORLD_GONE,    /* of another boot: all have ended */
    ENGINE_WORLD_FOREIGN, /* of another pid namespace: they say nothing */
} EngineWorld;

typedef struct {
    unsigned held, dead; /* taken up; with an owner that is gone */
    unsigned left;       /* not taken up */
} EngineAdoption;

/* `file` is borrowed. To be called before
 * engine_start(), by the thread that will serve; it may be repeated. -EPROTO: the file is damaged
 * or of another version. */
int engine_adopt(Engine *engine, int file, EngineWorld world, EngineAdoption *adoption);

#endif
