/* Commands for the finer points of POSIX: descriptors' attributes, locks, mappings, positions in
 * directories, sockets, programs. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fd_of(const char *text)
{
    return (int)command_number(text);
}

static int put_count(ssize_t n, FILE *value)
{
    if (n < 0)
        return -errno;
    fprintf(value, "%zd", n);
    return 0;
}

static int do_ostat(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct stat st;
    if (stat(argv[1], &st) < 0)
        return -errno;
    command_put_stat(value, &st);
    return 0;
}

static int do_ochown(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(
        chown(argv[1], (uid_t)command_number(argv[2]), (gid_t)command_number(argv[3])));
}

static int do_fchmod(int argc, char **argv, FILE *value)
{
    (void)value;
    return command_result(fchmod(fd_of(argv[1]), command_mode(argc, argv, 2, 0)));
}

static int do_fchown(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(
        fchown(fd_of(argv[1]), (uid_t)command_number(argv[2]), (gid_t)command_number(argv[3])));
}

static int do_ftouch(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(futimens(fd_of(argv[1]), NULL));
}

static int do_raccess(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    int mode = F_OK;
    for (const char *c = argv[2]; *c; c++)
        mode |= *c == 'r' ? R_OK : *c == 'w' ? W_OK : *c == 'x' ? X_OK : 0;
    return command_result(access(argv[1], mode));
}

static int do_resuid(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(syscall(SYS_setresuid, command_number(argv[1]), command_number(argv[2]),
                                  command_number(argv[3])));
}

static int do_posix_fallocate(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return -posix_fallocate(fd_of(argv[1]), command_number(argv[2]), command_number(argv[3]));
}

static void wait_for_tick(void)
{
    struct timespec before, now;
    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    do
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (before.tv_sec == now.tv_sec && before.tv_nsec == now.tv_nsec);
}

/* Files are stamped with the coarse clock: what happens after this has another time. (One tick is
 * not enough: kernels that stamp finer for those who look have it end in the middle of one.) */
static int do_tick(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    wait_for_tick();
    wait_for_tick();
    return 0;
}

static int lock_by(int argc, char **argv, int command)
{
    (void)argc;
    struct flock lock = {
        .l_whence = SEEK_SET,
        .l_type = (short)(strcmp(argv[2], "rd") == 0   ? F_RDLCK
                          : strcmp(argv[2], "wr") == 0 ? F_WRLCK
                                                       : F_UNLCK),
        .l_start = command_number(argv[3]),
        .l_len = command_number(argv[4]),
    };
    return command_result(fcntl(fd_of(argv[1]), command, &lock));
}

static int do_lock(int argc, char **argv, FILE *value)
{
    (void)value;
    return lock_by(argc, argv, F_SETLK);
}

static int do_lockw(int argc, char **argv, FILE *value)
{
    (void)value;
    return lock_by(argc, argv, F_SETLKW);
}

static int do_ofd(int argc, char **argv, FILE *value)
{
    (void)value;
    return lock_by(argc, argv, F_OFD_SETLK);
}

static int do_ofdw(int argc, char **argv, FILE *value)
{
    (void)value;
    return lock_by(argc, argv, F_OFD_SETLKW);
}

static int do_getlk(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct flock lock = {.l_whence = SEEK_SET, .l_type = F_WRLCK};
    if (fcntl(fd_of(argv[1]), F_GETLK, &lock) < 0)
        return -errno;
    const char *type = lock.l_type == F_UNLCK ? "none" : lock.l_type == F_RDLCK ? "rd" : "wr";
    fprintf(value, "%s %d", type, lock.l_type == F_UNLCK ? 0 : (int)lock.l_pid);
    return 0;
}

static int do_flockw(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(flock(fd_of(argv[1]), strcmp(argv[2], "sh") == 0 ? LOCK_SH : LOCK_EX));
}

static int do_setfl(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(
        fcntl(fd_of(argv[1]), F_SETFL, strcmp(argv[2], "append") == 0 ? O_APPEND : 0));
}

static int do_sendfile(int argc, char **argv, FILE *value)
{
    (void)argc;
    return put_count(
        sendfile(fd_of(argv[1]), fd_of(argv[2]), NULL, (size_t)command_number(argv[3])), value);
}

static int do_splice(int argc, char **argv, FILE *value)
{
    (void)argc;
    int between[2];
    if (pipe2(between, O_CLOEXEC) < 0)
        return -errno;
    ssize_t n = splice(fd_of(argv[1]), NULL, between[1], NULL, (size_t)command_number(argv[3]), 0);
    if (n > 0)
        n = splice(between[0], NULL, fd_of(argv[2]), NULL, (size_t)n, 0);
    int result = put_count(n, value);
    close(between[0]);
    close(between[1]);
    return result;
}

static int do_mmapread(int argc, char **argv, FILE *value)
{
    (void)argc;
    size_t offset = (size_t)command_number(argv[2]), length = (size_t)command_number(argv[3]);
    char *map = mmap(NULL, offset + length, PROT_READ, MAP_SHARED, fd_of(argv[1]), 0);
    if (map == MAP_FAILED)
        return -errno;
    command_put(value, map + offset, length);
    munmap(map, offset + length);
    return 0;
}

struct Dirent64 {
    unsigned long long ino;
    long long next;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

/* One getdents64 of SIZE bytes at a position: name:next:type:ino of each entry. */
static int do_dents_at(int argc, char **argv, FILE *value)
{
    (void)argc;
    char batch[65536] __attribute__((aligned(8)));
    size_t size = (size_t)command_number(argv[3]);
    if (lseek(fd_of(argv[1]), command_number(argv[2]), SEEK_SET) < 0)
        return -errno;
    long n =
        syscall(SYS_getdents64, fd_of(argv[1]), batch, size < sizeof(batch) ? size : sizeof(batch));
    if (n < 0)
        return -errno;
    for (long at = 0; at < n;) {
        const struct Dirent64 *entry = (const void *)(batch + at);
        fputs(at ? " " : "", value);
        command_put(value, entry->name, strlen(entry->name));
        fprintf(value, ":%lld:%d:%llu", entry->next, entry->type, entry->ino);
        at += entry->reclen;
    }
    return 0;
}

static int do_bind(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 5) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    fprintf(value, "%d", fd);
    return 0;
}

static int do_connect(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
    int result = command_result(connect(fd, (struct sockaddr *)&address, sizeof(address)));
    close(fd);
    return result;
}

/* The errno of execve(2), or the wait status of the program. */
static int do_tryexec(int argc, char **argv, FILE *value)
{
    (void)argc;
    int out[2], error = 0, status = 0;
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        execve(argv[1], argv + 1, NULL);
        error = errno;
        _exit(write(out[1], &error, sizeof(error)) < 0 ? 1 : 0);
    }
    close(out[1]);
    ssize_t n = read(out[0], &error, sizeof(error));
    close(out[0]);
    waitpid(pid, &status, 0);
    if (n > 0)
        return -error;
    fprintf(value, "%d", status);
    return 0;
}

static int do_renameflags(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(
        renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], (unsigned)command_number(argv[3])));
}

static int do_linkfollow(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(linkat(AT_FDCWD, argv[1], AT_FDCWD, argv[2], AT_SYMLINK_FOLLOW));
}

static int do_mkdev(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    mode_t type = strcmp(argv[2], "b") == 0 ? S_IFBLK : S_IFCHR;
    return command_result(mknod(argv[1], type | 0644, (dev_t)command_number(argv[3])));
}

static int do_rdev(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct stat st;
    if (lstat(argv[1], &st) < 0)
        return -errno;
    fprintf(value, "%llu", (unsigned long long)st.st_rdev);
    return 0;
}

const Command command_posix_table[] = {
    {"ostat", 1, 1, do_ostat},
    {"ochown", 3, 3, do_ochown},
    {"fchmod", 2, 2, do_fchmod},
    {"fchown", 3, 3, do_fchown},
    {"ftouch", 1, 1, do_ftouch},
    {"raccess", 2, 2, do_raccess},
    {"resuid", 3, 3, do_resuid},
    {"posix-fallocate", 3, 3, do_posix_fallocate},
    {"tick", 0, 0, do_tick},
    {"lock", 4, 4, do_lock},
    {"lockw", 4, 4, do_lockw},
    {"ofd", 4, 4, do_ofd},
    {"ofdw", 4, 4, do_ofdw},
    {"getlk", 1, 1, do_getlk},
    {"flockw", 2, 2, do_flockw},
    {"setfl", 2, 2, do_setfl},
    {"sendfile", 3, 3, do_sendfile},
    {"splice", 3, 3, do_splice},
    {"mmapread", 3, 3, do_mmapread},
    {"dents-at", 3, 3, do_dents_at},
    {"bind", 1, 1, do_bind},
    {"connect", 1, 1, do_connect},
    {"tryexec", 1, -1, do_tryexec},
    {"renameflags", 3, 3, do_renameflags},
    {"linkfollow", 2, 2, do_linkfollow},
    {"mkdev", 3, 3, do_mkdev},
    {"rdev", 1, 1, do_rdev},
    {NULL, 0, 0, NULL},
};
