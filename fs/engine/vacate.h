/* Takes a dead claim's entry off the source: at once, whatever lies below it.
 *
 * What held nothing is removed. What held something is moved out of sight with one rename and kept
 * for a while (trash.h), so a wrong rule costs nobody their data.
 *
 * Called with the engine's lock held.
 */
#ifndef LOCKFS_ENGINE_VACATE_H
#define LOCKFS_ENGINE_VACATE_H

#include "engine/engine.h"

/* `claim` is DEAD. On success it is a GHOST and the name is free. On failure (no room to move the
 * content to, read-only source) nothing has changed and the entry stays hidden. */
int vacate_claim(Engine *engine, Claim *claim);

/* Makes way for something new under this name: a dead claim is vacated and its record dropped. 0
 * when nothing dead stood there. */
int vacate_name(Engine *engine, Node *dir, const char *name);

/* All dead claims directly in a directory that is to be removed or replaced. */
int vacate_children(Engine *engine, Node *dir);

#endif
