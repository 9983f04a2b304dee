#include "target.h"

#include "base/fd.h"
#include "record.h"
#include "wire/command.h"
#include "wire/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NOT_LOCKFS "not on a lockfs mount; mount it first: lockfs DIR"

static Status open_entry(const char *dir, const char *path, Target *out)
{
    struct statfs fs;
    AUTO_FD int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        return status_fail(error == EACCES ? STATUS_DENIED : STATUS_FAILED, path,
                           "cannot open the directory: %s; give a path below an existing one",
                           g_strerror(error));
    }
    AUTO_FD int entry = openat(fd, NAMES_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0 && errno == EACCES)
        return status_fail(STATUS_DENIED, path, "not permitted to look into this directory");
    if (entry < 0 || fstatfs(entry, &fs) != 0 || fs.f_type != FUSE_SUPER_MAGIC)
        return status_fail(STATUS_NOT_LOCKFS, path, NOT_LOCKFS);
    AUTO_FD int probe = openat(entry, NAMES_STATS, O_RDONLY | O_CLOEXEC);
    if (probe < 0 && errno != EACCES)
        return status_fail(STATUS_NOT_LOCKFS, path, NOT_LOCKFS);
    if (probe < 0)
        return status_fail(STATUS_DENIED, path, "not permitted to read this directory");
    *out = (Target){.fd = fd_take(&entry), .path = g_strdup(path)};
    return STATUS_DONE;
}

Status target_open_dir(const char *dir, Target *out)
{
    return open_entry(dir, dir, out);
}

Status target_open(const char *path, Target *out)
{
    g_autofree char *trimmed = g_strdup(path);
    for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
        trimmed[n - 1] = '\0';
    const char *slash = strrchr(trimmed, '/');
    const char *name = slash ? slash + 1 : trimmed;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return status_fail(STATUS_USAGE, path, "expected the path of a lock, not of a directory");
    g_autofree char *dir = !slash             ? g_strdup(".")
                           : slash == trimmed ? g_strdup("/")
                                              : g_strndup(trimmed, (gsize)(slash - trimmed));
    Status status = open_entry(dir, path, out);
    if (status == STATUS_DONE)
        out->name = g_strdup(name);
    return status;
}

void target_done(Target *target)
{
    fd_close(target->fd);
    g_free(target->path);
    g_free(target->name);
}

/* How often what was cut short by a takeover (ESTALE) is asked again from its beginning. */
#define TRIES 10

/* Until the end of the file; negative errno. */
static int read_whole(int fd, GString *text)
{
    char buf[64 * 1024];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        g_string_append_len(text, buf, n);
    return n < 0 ? -errno : 0;
}

static int read_file(const Target *target, const char *file, GString *text)
{
    g_string_truncate(text, 0);
    AUTO_FD int fd = openat(target->fd, file, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : read_whole(fd, text);
}

Status target_read(const Target *target, const char *file, char **text)
{
    GString *all = g_string_new(NULL);
    int r = -ESTALE;
    for (int tries = 0; r == -ESTALE && tries < TRIES; tries++)
        r = read_file(target, file, all);
    if (r < 0) {
        g_string_free(all, TRUE);
        return status_fail(r == -EACCES ? STATUS_DENIED : STATUS_FAILED, target->path,
                           "cannot read %s/%s: %s", NAMES_DIR, file, g_strerror(-r));
    }
    *text = g_string_free(all, FALSE);
    return STATUS_DONE;
}

Status target_records(const Target *target, const char *file, JsonArray **records)
{
    g_autofree char *text = NULL;
    Status status = target_read(target, file, &text);
    if (status != STATUS_DONE)
        return status;
    JsonArray *all = json_array_new();
    for (char *line = text, *next; *line; line = next) {
        char *end = strchr(line, '\n');
        next = end ? end + 1 : line + strlen(line);
        JsonObject *object = record_parse(line, next - line);
        if (object)
            json_array_add_object_element(all, object);
    }
    *records = all;
    return STATUS_DONE;
}

/* *lost: the command was carried out, and its answer went with a worker that died. */
static int ask(const Target *target, const GString *line, GString *answer, bool *lost)
{
    *lost = false;
    AUTO_FD int fd = openat(target->fd, NAMES_CONTROL, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, line->str, line->len) < 0)
        return -errno;
    int r = read_whole(fd, answer);
    *lost = r == -ESTALE;
    return r;
}

int target_command(const Target *target, const char *const *words, JsonObject **out)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GString) answer = g_string_new(NULL);
    for (; *words; words++)
        command_append(line, *words);
    bool lost = true;
    int r = -ESTALE;
    /* What has an answer to lose only asks, and may be asked again. */
    for (int tries = 0; lost && tries < TRIES; tries++) {
        g_string_truncate(answer, 0);
        r = ask(target, line, answer, &lost);
    }
    if (r == 0 && out) {
        *out = record_parse(answer->str, (gssize)answer->len);
        r = *out ? 0 : -EPROTO;
    }
    return r;
}

Status target_explain_error(const Target *target, int error)
{
    switch (-error) {
    case ENOENT:
        return status_fail(STATUS_NO_CLAIM, target->path,
                           "no such claim; lockfs-ctl list shows what is held");
    case EPERM:
    case EACCES:
        return status_fail(STATUS_DENIED, target->path,
                           "not permitted: it takes root, the owner of the mount, or the user who "
                           "holds the claim");
    case ESTALE:
        return status_fail(STATUS_NO_CLAIM, target->path,
                           "that claim is gone, and somebody else has the name now; look again");
    case EBUSY:
        return status_fail(STATUS_HELD, target->path,
                           "living claims lie inside; deal with those first: lockfs-ctl list");
    default:
        return status_fail(STATUS_FAILED, target->path, "%s", g_strerror(-error));
    }
}

Status target_claim(const Target *target, bool quiet, JsonObject **claim)
{
    const char *words[] = {"show", target->name, NULL};
    int r = target_command(target, words, claim);
    if (r == -ENOENT && quiet)
        return STATUS_NO_CLAIM;
    return r < 0 ? target_explain_error(target, r) : STATUS_DONE;
}
