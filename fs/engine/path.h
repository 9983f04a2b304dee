/* From paths to nodes. Lock held. */
#ifndef LOCKFS_ENGINE_PATH_H
#define LOCKFS_ENGINE_PATH_H

#include "engine/engine.h"

/* The directory at a path from the root ("": the root), whether or not anybody has asked for it
 * yet; pinned. NULL: there is none. Claims on the way are not looked at. */
Node *path_reach(Engine *engine, const char *path);

#endif
