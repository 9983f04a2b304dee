/* Files that were unpacked or checked out under lock names: data, though they were made by
 * exclusive creates. (What programs make that never take locks is no claim to begin with: see
 * owner_found_takes_no_locks().)
 *
 * While their maker runs they are claims like any other. What they are shows when it ends, and two
 * things show it for certain enough:
 *
 *   - the maker is a program that removes its own locks whenever it ends by itself (HELPER_TIDY:
 *     git), and it did end by itself;
 *   - a file with content bears a time from before it was made, which its owner gave it. Who keeps
 * a lock alive sets the present; the time of an archive is in the past. An owner that is known to
 * have been killed by a signal left a lock all the same.
 *
 * Such an entry is not healed: its claim ends and it stays, as after a rename to a data name.
 *
 * Called with the engine's lock held.
 */
#ifndef LOCKFS_ENGINE_UNPACKED_H
#define LOCKFS_ENGINE_UNPACKED_H

#include "engine/engine.h"

/* The modification time of a claimed file, or of its directory, was set. */
void unpacked_note_time(Engine *engine, const Caller *caller, const Node *node,
                        const struct timespec *mtime);

/* Is the entry of this claim, whose owner is dead, data? */
bool unpacked_is_data(Engine *engine, const Claim *claim);

/* Ends the claim and leaves the entry. */
void unpacked_leave(Engine *engine, Claim *claim);

#endif
