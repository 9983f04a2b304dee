/* Names of directory entries, kept in slots so that records can refer to them by number.
 *
 * A NameRef is such a number; 0 is no name. Four sizes of slot keep short names small.
 */
#ifndef LOCKFS_BASE_NAMES_H
#define LOCKFS_BASE_NAMES_H

#include "base/slots.h"

#define NAMES_CLASSES 4

typedef uint32_t NameRef;

typedef struct {
    SlotArray classes[NAMES_CLASSES];
} Names;

/* Bytes of file that a Names takes, for laying out what comes after it; and as many as one class
 * again for paths. */
#define NAMES_FILE_SPAN ((NAMES_CLASSES - 1) * (1ULL << 40))

int names_init(Names *names, int fd, uint64_t offset, uint64_t paths_offset, uint32_t max);
void names_done(Names *names);

/* Keeps a copy; 0 when there is no room or the name is longer than 255 bytes. */
NameRef names_add(Names *names, const char *name);

/* The same for a whole path; of a longer one than the system takes in one piece, the end. */
NameRef names_add_path(Names *names, const char *path);
void names_remove(Names *names, NameRef ref);

/* The name; valid until it is removed. "" for 0. */
const char *names_get(const Names *names, NameRef ref);

/* Is there a name under this number (or is it 0)? For what comes from a file. */
bool names_holds(const Names *names, NameRef ref);

/* Removing what no record refers to: mark all that is referred to, and sweep, which ends the marks.
 */
typedef struct {
    uint8_t *classes[NAMES_CLASSES];
} NamesMarks;

NamesMarks *names_marks_new(const Names *names);
void names_mark(NamesMarks *marks, NameRef ref);
void names_sweep(Names *names, NamesMarks *marks);

#endif
