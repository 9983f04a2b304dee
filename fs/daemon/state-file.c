#include "daemon/state-file.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_DIR "/run/lockfs"

static char *directory(void)
{
    const char *given = g_getenv("LOCKFS_STATE_DIR"), *own = g_getenv("XDG_RUNTIME_DIR");
    if (given)
        return g_strdup(given);
    if (geteuid() == 0)
        return g_strdup(SYSTEM_DIR);
    return own ? g_build_filename(own, "lockfs", NULL) : NULL;
}

/* Ours, and nobody else can put a file there. */
static bool is_safe(const char *dir)
{
    struct stat st;
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static char *path_for(int source)
{
    g_autofree char *dir = directory();
    struct stat st;
    if (!dir || source < 0 || fstat(source, &st) != 0)
        return NULL;
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || !is_safe(dir)) {
        log_debug("%s: not usable for the state; claims will not outlive the mount", dir);
        return NULL;
    }
    return g_strdup_printf("%s/%llx-%llx", dir, (unsigned long long)st.st_dev,
                           (unsigned long long)st.st_ino);
}

/* Moves what is there aside. An older one that was never finished with says less. */
static void set_aside(StateFile *file)
{
    file->left_path = g_strconcat(file->path, ".left", NULL);
    if (rename(file->path, file->left_path) != 0 && errno != ENOENT)
        log_warning("%s: %s; the claims of the last mount are not taken up", file->path,
                    strerror(errno));
    file->left = open(file->left_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

int state_file_new(int source, StateFile *file)
{
    *file = STATE_FILE_NONE;
    file->path = path_for(source);
    if (!file->path) {
        file->fd = slot_file_new("lockfs");
        return file->fd < 0 ? file->fd : 0;
    }
    set_aside(file);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return file->fd < 0 ? -errno : 0;
}

void state_file_drop_left(StateFile *file)
{
    file->left = fd_close(file->left);
    if (file->left_path)
        unlink(file->left_path);
    g_clear_pointer(&file->left_path, g_free);
}

void state_file_remove(const StateFile *file)
{
    if (file->path)
        unlink(file->path);
}

void state_file_give_back(const StateFile *file)
{
    if (file->left >= 0)
        rename(file->left_path, file->path);
    else
        state_file_remove(file);
}

void state_file_clear(StateFile *file)
{
    file->fd = fd_close(file->fd);
    file->left = fd_close(file->left);
    g_clear_pointer(&file->path, g_free);
    g_clear_pointer(&file->left_path, g_free);
}
