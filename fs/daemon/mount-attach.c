#include "daemon/mount.h"

#include "base/fd.h"
#include "daemon/mount-table.h"

#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse_log.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUSE_DEVICE "/dev/fuse"
#define FUSE_RDEV makedev(10, 229)
#define FUSE_CONF "/etc/fuse.conf"
#define FUSERMOUNT "fusermount3"

/* libfuse explains itself through this; what it says is part of our one line. */
static void __attribute__((format(printf, 2, 0)))
keep_message(enum fuse_log_level level, const char *format, va_list args)
{
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    log_debug("libfuse: %s", g_strchomp(text));
}

/* To an ordinary user it must be open as well: libfuse opens it before it asks fusermount3. */
static bool have_device(void)
{
    AUTO_FD int fd = open(FUSE_DEVICE, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0) {
        const char *way_out = errno == EACCES || errno == EPERM
                                  ? "allow access to it: chmod 666 " FUSE_DEVICE
                                    " (for a container: --device " FUSE_DEVICE ")"
                                  : "load the module with: modprobe fuse";
        log_error(FUSE_DEVICE ": %s; %s", strerror(errno), way_out);
        return false;
    }
    if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != FUSE_RDEV) {
        log_error(FUSE_DEVICE ": not the device of FUSE; make it with: mknod -m 666 " FUSE_DEVICE
                              " c 10 229");
        return false;
    }
    return true;
}

static bool user_allow_other(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(FUSE_CONF, &text, NULL, NULL))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_equal(g_strstrip(*line), "user_allow_other"))
            return true;
    return false;
}

/* What fusermount3 would refuse in its own words. */
static bool have_fusermount(const Options *options)
{
    g_autofree char *found = g_find_program_in_path(FUSERMOUNT);
    if (!found) {
        log_error(FUSERMOUNT ": not found; an ordinary user needs it to mount: install the package "
                             "fuse3, or run lockfs as root");
        return false;
    }
    if (options->allow_other && !user_allow_other()) {
        log_error("option allow_other: not permitted to users; write the line user_allow_other "
                  "into " FUSE_CONF ", or run lockfs as root");
        return false;
    }
    if (access(options->mountpoint, W_OK) != 0) {
        log_error("%s: %s; a user mounts over directories that are the user's own",
                  options->mountpoint, strerror(errno));
        return false;
    }
    return true;
}

/* Commas and backslashes separate options for libfuse. */
static void append_escaped(GString *out, const char *value)
{
    for (; *value; value++) {
        if (*value == ',' || *value == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *value);
    }
}

static char *mount_options(const Options *options)
{
    GString *text = g_string_new("-osubtype=lockfs,fsname=");
    const char *source = options->source ? options->source : "none";
    append_escaped(text, options->fsname ? options->fsname : source);
    if (options->mount->len)
        g_string_append_printf(text, ",%s", options->mount->str);
    if (options->allow_other)
        g_string_append(text, ",allow_other,default_permissions");
    if (options->engine.read_only)
        g_string_append(text, ",ro");
    return g_string_free(text, FALSE);
}

/* libfuse mounts, directly or through fusermount3; the connection is ours from then on. */
static int mount_by_libfuse(const Options *options)
{
    static const struct fuse_lowlevel_ops nothing;
    g_autofree char *text = mount_options(options);
    char *argv[] = {"lockfs", text, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, argv);
    struct fuse_session *session = fuse_session_new(&args, &nothing, sizeof nothing, NULL);
    fuse_opt_free_args(&args);
    if (!session)
        return -EINVAL;
    if (fuse_session_mount(session, options->mountpoint) != 0) {
        int err = errno;
        fuse_session_destroy(session);
        return err ? -err : -EIO;
    }
    int fd = fcntl(fuse_session_fd(session), F_DUPFD_CLOEXEC, 3);
    int err = errno;
    fuse_session_destroy(session); /* closes its own copy of the descriptor, unmounts nothing */
    return fd < 0 ? -err : fd;
}

int mount_attach(const Options *options)
{
    fuse_set_log_func(keep_message);
    bool root = geteuid() == 0;
    if (!have_device() || (!root && !have_fusermount(options)))
        return -1;
    errno = 0;
    int fd = mount_by_libfuse(options);
    if (fd >= 0)
        return fd;
    if (fd == -EPERM)
        log_error("%s: not permitted to mount here; run lockfs as root or with fusermount3",
                  options->mountpoint);
    else
        log_error("%s: cannot mount: %s", options->mountpoint, strerror(-fd));
    return -1;
}

static void detach_by_fusermount(const char *mountpoint)
{
    char *argv[] = {FUSERMOUNT, "-u", "-q", "-z", "--", (char *)mountpoint, NULL};
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

void mount_detach(const char *mountpoint)
{
    if (umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno == EPERM)
        detach_by_fusermount(mountpoint);
}

void mount_clear(const char *mountpoint)
{
    g_autofree char *type = mount_table_type_at(mountpoint);
    if (g_strcmp0(type, "fuse.lockfs") != 0)
        return;
    log_warning("%s: nobody serves the lockfs that is mounted here: it is taken away", mountpoint);
    mount_detach(mountpoint);
}

void mount_clear_broken(const char *mountpoint)
{
    struct stat st;
    if (stat(mountpoint, &st) != 0 && errno == ENOTCONN)
        mount_clear(mountpoint);
}
