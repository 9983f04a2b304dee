#include "base/fd.h"
#include "quote.h"
#include "subcommand.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
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

static Finding check_pidfd(const char *dir, char **text, const char **mend)
{
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    *text = g_strdup(fd >= 0 ? "pidfd_open works" : g_strerror(errno));
    *mend = "allow pidfd_open in the container's seccomp profile";
    return fd >= 0 ? FINE : WRONG;
}

static Finding check_device(const char *dir, char **text, const char **mend)
{
    AUTO_FD int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    *text = fd >= 0 ? g_strdup("can be opened") : g_strdup(g_strerror(errno));
    *mend = "load the module: modprobe fuse; in a container: --device /dev/fuse";
    return fd >= 0 ? FINE : WRONG;
}

static Finding check_fusermount(const char *dir, char **text, const char **mend)
{
    g_autofree char *path = g_find_program_in_path("fusermount3");
    struct stat st;
    *mend = "install the package fuse3; it must be set-user-id root";
    if (!path) {
        *text = g_strdup("not there: only root can mount");
        return DOUBT;
    }
    bool suid = stat(path, &st) == 0 && (st.st_mode & S_ISUID);
    *text = g_strdup_printf("%s%s", path, suid ? "" : ", not set-user-id: only root can mount");
    return suid ? FINE : DOUBT;
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
    return set ? FINE : DOUBT;
}

static Finding check_pid_namespace(const char *dir, char **text, const char **mend)
{
    struct stat st;
    /* The initial one has a number of its own in every kernel. */
    bool initial = stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == 0xEFFFFFFCU;
    *text = g_strdup(initial ? "the initial one"
                             : "a container's: callers outside of it cannot be identified");
    *mend = "run lockfs on the host and bind-mount the directory into the containers";
    return initial ? FINE : DOUBT;
}

/* The mount at `point` in /proc/self/mountinfo: its propagation and options. */
static bool mount_of(const char *point, char **propagation, char **options)
{
    g_autofree char *text = NULL;
    bool found = false;
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        if (g_strv_length(words) < 7 || strcmp(words[4], point) != 0)
            continue;
        const char *super = strrchr(*line, ' ');
        g_free(*propagation);
        g_free(*options);
        *propagation = g_strdup(strcmp(words[6], "-") == 0 ? "private" : words[6]);
        *options = g_strdup(super ? super + 1 : "");
        found = true;
    }
    return found;
}

static Finding check_proc(const char *dir, char **text, const char **mend)
{
    g_autofree char *propagation = NULL;
    g_autofree char *options = NULL;
    bool found = mount_of("/proc", &propagation, &options);
    const char *hide = found ? strstr(options, "hidepid=") : NULL;
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
    g_autofree char *propagation = NULL;
    g_autofree char *options = NULL;
    bool found = mount_of("/", &propagation, &options);
    bool shared = found && strstr(propagation, "shared:");
    *text = g_strdup(shared ? "shared: containers with rslave binds see later mounts"
                            : "private: a container started before the mount does not see it");
    *mend = "mount lockfs before the containers start, or: mount --make-rshared /, and bind with "
            "rslave";
    return shared ? FINE : DOUBT;
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
