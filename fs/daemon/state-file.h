/* Where the state of a mount lies: a file of its own for each source, in a directory that ends with
 * the boot.
 *
 *     /run/lockfs/DEVICE-INODE            root
 *     $XDG_RUNTIME_DIR/lockfs/…           an ordinary user
 *     $LOCKFS_STATE_DIR/…                 where that is set
 *
 * It stays there after the unmount as long as claims are held, for the next mount of the same
 * source. Where there is no such directory, and for memory, it is a file without a name.
 */
#ifndef LOCKFS_DAEMON_STATE_FILE_H
#define LOCKFS_DAEMON_STATE_FILE_H

#include <stdbool.h>

typedef struct {
    int fd;
    int left;        /* the file of an earlier mount; -1: there is none */
    char *path;      /* NULL: without a name */
    char *left_path; /* to be removed when its claims are taken up */
} StateFile;

#define STATE_FILE_NONE ((StateFile){.fd = -1, .left = -1})

/* A new file for the source behind the descriptor; -1: memory. The source is locked by the caller,
 * so no other daemon uses the file. 0 or negative errno. */
int state_file_new(int source, StateFile *file);

/* What the earlier mount left is taken up, or cannot be. */
void state_file_drop_left(StateFile *file);

/* Takes the name away: nothing in it is worth keeping. */
void state_file_remove(const StateFile *file);

/* There was no mount after all: what the earlier one left is put back. */
void state_file_give_back(const StateFile *file);

void state_file_clear(StateFile *file);

#endif
