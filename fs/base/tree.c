#include "base/tree.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One directory on the way down: the open stream, and its name in the one above. */
typedef struct {
    DIR *stream;
    char *name;
} Level;

static void level_clear(gpointer data)
{
    Level *level = data;
    if (level->stream)
        closedir(level->stream);
    g_free(level->name);
}

static int open_level(GArray *levels, int dirfd, const char *name)
{
    AUTO_FD int fd =
        openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    DIR *stream = fdopendir(fd);
    if (!stream)
        return -errno;
    fd_take(&fd);
    Level level = {stream, g_strdup(name)};
    g_array_append_val(levels, level);
    return 0;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes one entry; 1 when it is a directory with something in it, to be entered. */
static int remove_one(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : -errno;
}

static int innermost(const GArray *levels)
{
    return dirfd(g_array_index(levels, Level, levels->len - 1).stream);
}

/* The innermost directory is done with: leave it, and remove it from the one above. */
static int leave_level(GArray *levels, int top)
{
    g_autofree char *name = g_strdup(g_array_index(levels, Level, levels->len - 1).name);
    g_array_set_size(levels, levels->len - 1);
    int above = levels->len ? innermost(levels) : top;
    return unlinkat(above, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* Deals with the next entry of the innermost directory. */
static int step(GArray *levels, int top)
{
    struct dirent *entry = readdir(g_array_index(levels, Level, levels->len - 1).stream);
    if (!entry)
        return leave_level(levels, top);
    if (is_dot(entry->d_name))
        return 0;
    int r = remove_one(innermost(levels), entry->d_name);
    return r == 1 ? open_level(levels, innermost(levels), entry->d_name) : r;
}

int tree_remove(int dirfd, const char *name)
{
    int first = remove_one(dirfd, name);
    if (first <= 0)
        return first;
    g_autoptr(GArray) levels = g_array_new(FALSE, FALSE, sizeof(Level));
    g_array_set_clear_func(levels, level_clear);
    first = open_level(levels, dirfd, name);
    while (levels->len) {
        int r = step(levels, dirfd);
        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}

/* --- how large --- */

#define BLOCK 512 /* of st_blocks */

/* The next entry of the innermost directory. */
static int64_t measure_step(GArray *levels, dev_t dev)
{
    struct stat st;
    const struct dirent *entry = readdir(g_array_index(levels, Level, levels->len - 1).stream);
    if (!entry) {
        g_array_set_size(levels, levels->len - 1);
        return 0;
    }
    if (is_dot(entry->d_name) ||
        fstatat(innermost(levels), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        st.st_dev != dev)
        return 0;
    if (S_ISDIR(st.st_mode))
        open_level(levels, innermost(levels), entry->d_name);
    return (int64_t)st.st_blocks * BLOCK;
}

int64_t tree_bytes(int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    int64_t bytes = (int64_t)st.st_blocks * BLOCK;
    g_autoptr(GArray) levels = g_array_new(FALSE, FALSE, sizeof(Level));
    g_array_set_clear_func(levels, level_clear);
    if (S_ISDIR(st.st_mode))
        open_level(levels, dirfd, name);
    while (levels->len)
        bytes += measure_step(levels, st.st_dev);
    return bytes;
}
