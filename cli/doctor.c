#include "base/fd.h"
#include "doctor-mount.h"
#include "quote.h"
#include "subcommand.h"
#include "wire/names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

typedef enum {
    FINE,
    DOUBT, /* works with a limit */
    WRONG,
} Finding;

/* One check: what was found in *text, how to mend it in *mend (static). */
typedef struct {
    const char *name;
    Finding (*check)(const char *dir, char **text, const char **mend);
} Check;

static Finding check_kernel(const char *dir, char **text, const char **mend)
{
    struct utsname name;
    int major = 0, minor = 0;
    uname(&name);
    *text = g_strdup_printf("Linux %s", name.release);
    sscanf(name.release, "%d.%d", &major, &minor);
    *mend = "use Linux 5.4 or later; from 6.9 on a process can never be mistaken for another, from "
            "6.15 on it is known how every owner ended";
    int version = major * 1000 + minor;
    return version < 5004 ? WRONG : version < 6009 ? DOUBT : FINE;
}

/* Whoever is served already, as in a container, mounts nothing. */
static bool is_served(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, NAMES_DIR, NULL);
    g_autofree char *real = realpath(dir, NULL);
    g_autoptr(DoctorMount) mount = real ? doctor_mount_of(real) : NULL;
    return mount && strcmp(mount->type, "fuse.lockfs") == 0 && access(path, F_OK) == 0;
}

static Finding check_pidfd(const char *dir, char **text, const char **mend)
{
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    *text = g_strdup(fd >= 0 ? "pidfd_open works" : g_strerror(errno));
    *mend = "allow pidfd_open in the container's seccomp profile";
    return fd >= 0 ? FINE : is_served(dir) ? DOUBT : WRONG;
}

static Finding check_device(const char *dir, char **text, const char **mend)
{
    AUTO_FD int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    bool needed = !is_served(dir);
    *text = fd >= 0  ? g_strdup("can be opened")
            : needed ? g_strdup(g_strerror(errno))
                     : g_strdup("cannot be opened, and need not: the directory is served");
    *mend = "load the module: modprobe fuse; in a container: --device /dev/fuse, or mount on the "
            "host";
    return fd >= 0 || !needed ? FINE : WRONG;
}

static Finding check_fusermount(const char *dir, char **text, const char **mend)
{
    g_autofree char *path = g_find_program_in_path("fusermount3");
    struct stat st;
    *mend = "install the package fuse3; it must be set-user-id root";
    if (!path) {
        *text = g_strdup("not there: only root can mount");
        return is_served(dir) ? FINE : DOUBT;
    }
    bool suid = stat(path, &st) == 0 && (st.st_mode & S_ISUID);
    *text = g_strdup_printf("%s%s", path, suid ? "" : ", not set-user-id: only root can mount");
    return suid || is_served(dir) ? FINE : DOUBT;
}

static Finding check_allow_other(const char *dir, char **text, const char **mend)
{
    g_autofree char *conf = NULL;
    bool set = false;
    *mend = "add the line user_allow_other to /etc/fuse.conf";
    if (g_file_get_contents("/etc/fuse.conf", &conf, NULL, NULL)) {
        g_auto(GStrv) lines = g_strsplit(conf, "\n", -1);
        for (char **line = lines; *line; line++)
            set = set || strcmp(g_strstrip(*line), "user_allow_other") == 0;
    }
    *text =
        g_strdup(set ? "set in /etc/fuse.conf" : "not set: only root may mount with allow_other");
    return set || is_served(dir) ? FINE : DOUBT;
}

/* Asks the daemon of `dir` which process this is. 1: it knows, 0: it does not, -1: no daemon, or
 * one that cannot be asked. */
static int known_to_daemon(const char *dir, gint64 *pid)
{
    g_autofree char *path = g_build_filename(dir, NAMES_DIR, NAMES_CONTROL, NULL);
    static const char command[] = "whoami";
    char text[256];
    AUTO_FD int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || write(fd, command, strlen(command)) < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text);
    g_autoptr(JsonObject) answer = n > 0 ? record_parse(text, n) : NULL;
    if (!answer || !json_object_has_member(answer, "pid"))
        return -1;
    *pid = record_int(answer, "pid");
    return *pid > 0;
}

static Finding check_pid_namespace(const char *dir, char **text, const char **mend)
{
    struct stat st;
    gint64 pid = 0;
    int known = known_to_daemon(dir, &pid);
    *mend = "run lockfs on the host and bind-mount the directory into the containers";
    if (known >= 0) {
        *text = known
                    ? g_strdup_printf("the daemon knows this process, as %" G_GINT64_FORMAT, pid)
                    : g_strdup("not below the daemon's: locks cannot be taken from here (ENOLCK)");
        return known ? FINE : WRONG;
    }
    /* The initial one has a number of its own in every kernel. */
    bool initial = stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == 0xEFFFFFFCU;
    *text = g_strdup(initial ? "the initial one"
                             : "a container's: callers outside of it cannot be identified");
    return initial ? FINE : DOUBT;
}

static Finding check_proc(const char *dir, char **text, const char **mend)
{
    g_autoptr(DoctorMount) mount = doctor_mount_of("/proc");
    bool found = mount && strcmp(mount->type, "proc") == 0;
    const char *hide = found ? strstr(mount->options, "hidepid=") : NULL;
    bool hidden =
        hide && strncmp(hide, "hidepid=0", 9) != 0 && strncmp(hide, "hidepid=off", 11) != 0;
    *text = g_strdup(!found   ? "no mount at /proc"
                     : hidden ? "mounted with hidepid: an ordinary user's daemon cannot see others"
                              : "mounted, shows all processes");
    *mend = "run lockfs as root, or mount -o remount,hidepid=0 /proc";
    return !found ? WRONG : hidden ? DOUBT : FINE;
}

static Finding check_descriptors(const char *dir, char **text, const char **mend)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    *text = g_strdup_printf("%llu at most", (unsigned long long)limit.rlim_max);
    *mend = "raise the hard limit (LimitNOFILE= in the unit): each owner and open file takes one";
    return limit.rlim_max >= 65536 ? FINE : DOUBT;
}

static Finding check_propagation(const char *dir, char **text, const char **mend)
{
    g_autofree char *real = realpath(dir, NULL);
    g_autoptr(DoctorMount) mount = real ? doctor_mount_of(real) : NULL;
    bool shared = mount && strstr(mount->tags, "shared:");
    bool follows = mount && strstr(mount->tags, "master:");
    *text = g_strdup(shared    ? "shared: what is mounted here later is seen by rslave binds of it"
                     : follows ? "slave: what the host mounts here later is seen"
                               : "private: what is mounted later is not seen in containers that "
                                 "run already, nor in them what the host mounts");
    *mend =
        "mount lockfs before the containers start; or, on the host, mount --make-rshared of the "
        "mount that has the directory, and bind its parent with rslave (HostToContainer)";
    return shared || follows ? FINE : DOUBT;
}

static Finding check_cgroup(const char *dir, char **text, const char **mend)
{
    g_autofree char *path = doctor_mount_cgroups();
    *text = path ? g_strdup_printf("version 2 at %s", path)
                 : g_strdup("no version 2 with its root: owner=cgroup means the process");
    *mend = "mount -t cgroup2 none /sys/fs/cgroup, where the daemon sees it";
    return path || is_served(dir) ? FINE : DOUBT;
}

static bool is_network(unsigned long type)
{
    static const unsigned long types[] = {0x6969,     0xFF534D42, 0xFE534D42, 0x517B,    0x01021997,
                                          0x00C36400, 0x0BD00BD0, 0x5346414F, 0x6B414653};
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i] == type)
            return true;
    return false;
}

static Finding check_source(const char *dir, char **text, const char **mend)
{
    struct statfs fs;
    if (statfs(dir, &fs) != 0) {
        *text = g_strdup(g_strerror(errno));
        *mend = "give a directory that exists";
        return WRONG;
    }
    bool network = is_network((unsigned long)fs.f_type & 0xFFFFFFFFUL);
    *text =
        g_strdup(network ? "a network filesystem: other machines do not see these locks" : "local");
    *mend = "use lockfs where one machine alone has the directory";
    return network ? DOUBT : FINE;
}

static const Check checks[] = {
    {"kernel", check_kernel},
    {"pidfd", check_pidfd},
    {"/dev/fuse", check_device},
    {"fusermount3", check_fusermount},
    {"user_allow_other", check_allow_other},
    {"pid namespace", check_pid_namespace},
    {"/proc", check_proc},
    {"descriptors", check_descriptors},
    {"propagation", check_propagation},
    {"cgroup", check_cgroup},
    {"source", check_source},
};

static const char *const finding_names[] = {"ok", "warning", "wrong"};

static void add_record(JsonArray *records, const char *name, Finding finding, const char *text,
                       const char *mend)
{
    JsonObject *record = json_object_new();
    json_object_set_string_member(record, "check", name);
    json_object_set_string_member(record, "result", finding_names[finding]);
    json_object_set_string_member(record, "found", text);
    if (finding != FINE)
        json_object_set_string_member(record, "mend", mend);
    json_array_add_object_element(records, record);
}

Status doctor_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an array of objects", NULL},
        {0},
    };
    g_autoptr(JsonArray) records = json_array_new();
    Status status = subcommand_parse(
        &argc, &argv, entries, "[DIR]",
        "Checks what on this machine could keep lockfs from working (for DIR), and says the mend.",
        "Exit status 1 when something is wrong, 0 with warnings only.", 0, 1);
    if (status != STATUS_DONE)
        return status;
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_autofree char *text = NULL;
        const char *mend = "";
        Finding finding = checks[i].check(argc > 1 ? argv[1] : ".", &text, &mend);
        add_record(records, checks[i].name, finding, text, mend);
        if (finding == WRONG)
            status = STATUS_FAILED;
        if (!json)
            printf("%-8s %-17s %s\n", finding_names[finding], checks[i].name, text);
        if (!json && finding != FINE)
            printf("%26s mend: %s\n", "", mend);
    }
    if (json)
        record_print_array(records);
    return status;
}
