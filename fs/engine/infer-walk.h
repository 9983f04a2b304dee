/* Looks through the source once after the mount, so that what was left there heals though nobody
 * asks for it, and what stays can be listed.
 *
 * It has a thread of its own, which holds the engine's lock only to have one entry judged. It looks
 * at a bounded number of entries; what lies beyond is judged when somebody comes to it.
 */
#ifndef LOCKFS_ENGINE_INFER_WALK_H
#define LOCKFS_ENGINE_INFER_WALK_H

#include "engine/engine.h"

/* NULL: there is no need, or no thread to be had. */
InferWalk *infer_walk_start(Engine *engine);

/* Ends it, done or not. NULL is fine. */
void infer_walk_stop(InferWalk *walk);

#endif
