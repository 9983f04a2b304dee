/* Commands that take descriptors. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fd_of(const char *text)
{
    return (int)command_number(text);
}

static int parse_flags(char *text)
{
    static const struct {
        const char *name;
        int flag;
    } known[] = {
        {"r", O_RDONLY},      {"w", O_WRONLY},          {"rw", O_RDWR},
        {"creat", O_CREAT},   {"excl", O_EXCL},         {"trunc", O_TRUNC},
        {"append", O_APPEND}, {"nofollow", O_NOFOLLOW}, {"dir", O_DIRECTORY},
        {"path", O_PATH},     {"tmpfile", O_TMPFILE},   {"sync", O_SYNC},
        {"direct", O_DIRECT}, {"nonblock", O_NONBLOCK}, {"noatime", O_NOATIME},
        {"dsync", O_DSYNC},
    };
    int flags = O_CLOEXEC;
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        size_t i = 0;
        while (i < sizeof(known) / sizeof(*known) && strcmp(known[i].name, word) != 0)
            i++;
        if (i == sizeof(known) / sizeof(*known))
            return -EINVAL;
        flags |= known[i].flag;
    }
    return flags;
}

static int do_open(int argc, char **argv, FILE *value)
{
    int flags = parse_flags(argv[1]);
    if (flags < 0)
        return flags;
    int fd = open(argv[2], flags, command_mode(argc, argv, 3, 0666));
    if (fd < 0)
        return -errno;
    fprintf(value, "%d", fd);
    return 0;
}

static int read_into(int fd, size_t size, off_t offset, FILE *value)
{
    char *text = malloc(size + 1);
    if (!text)
        return -ENOMEM;
    ssize_t length = offset < 0 ? read(fd, text, size) : pread(fd, text, size, offset);
    int result = length < 0 ? -errno : 0;
    if (result == 0)
        command_put(value, text, (size_t)length);
    free(text);
    return result;
}

static int do_read(int argc, char **argv, FILE *value)
{
    (void)argc;
    return read_into(fd_of(argv[1]), (size_t)command_number(argv[2]), -1, value);
}

static int do_pread(int argc, char **argv, FILE *value)
{
    (void)argc;
    return read_into(fd_of(argv[1]), (size_t)command_number(argv[2]), command_number(argv[3]),
                     value);
}

static int do_write(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(write(fd_of(argv[1]), argv[2], strlen(argv[2])));
}

static int do_pwrite(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(
        pwrite(fd_of(argv[1]), argv[2], strlen(argv[2]), command_number(argv[3])));
}

static int do_ftruncate(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(ftruncate(fd_of(argv[1]), command_number(argv[2])));
}

static int do_fsync(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(fsync(fd_of(argv[1])));
}

static int do_close(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(close(fd_of(argv[1])));
}

static int do_fstat(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct stat st;
    if (fstat(fd_of(argv[1]), &st) < 0)
        return -errno;
    command_put_stat(value, &st);
    return 0;
}

static int do_fgetpath(int argc, char **argv, FILE *value)
{
    (void)argc;
    char link[64], target[8192];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd_of(argv[1]));
    ssize_t length = readlink(link, target, sizeof(target));
    if (length < 0)
        return -errno;
    command_put(value, target, (size_t)length);
    return 0;
}

static int do_linkfd(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    char from[64];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd_of(argv[1]));
    return command_result(linkat(AT_FDCWD, from, AT_FDCWD, argv[2], AT_SYMLINK_FOLLOW));
}

static int do_lseek(int argc, char **argv, FILE *value)
{
    (void)argc;
    static const struct {
        const char *name;
        int whence;
    } known[] = {
        {"set", SEEK_SET},   {"cur", SEEK_CUR},   {"end", SEEK_END},
        {"data", SEEK_DATA}, {"hole", SEEK_HOLE},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(known[i].name, argv[3]) != 0)
            continue;
        off_t offset = lseek(fd_of(argv[1]), command_number(argv[2]), known[i].whence);
        if (offset < 0)
            return -errno;
        fprintf(value, "%lld", (long long)offset);
        return 0;
    }
    return -EINVAL;
}

static int do_fallocate(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(fallocate(fd_of(argv[1]), (int)command_number(argv[2]),
                                    command_number(argv[3]), command_number(argv[4])));
}

static int do_copyrange(int argc, char **argv, FILE *value)
{
    (void)argc;
    ssize_t n = copy_file_range(fd_of(argv[1]), NULL, fd_of(argv[2]), NULL,
                                (size_t)command_number(argv[3]), 0);
    if (n < 0)
        return -errno;
    fprintf(value, "%zd", n);
    return 0;
}

static int do_mmapwrite(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    size_t offset = (size_t)command_number(argv[2]), length = strlen(argv[3]);
    char *map = mmap(NULL, offset + length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_of(argv[1]), 0);
    if (map == MAP_FAILED)
        return -errno;
    memcpy(map + offset, argv[3], length);
    int result = command_result(msync(map, offset + length, MS_SYNC));
    munmap(map, offset + length);
    return result;
}

static int do_flock(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    int how = strcmp(argv[2], "sh") == 0 ? LOCK_SH : strcmp(argv[2], "ex") == 0 ? LOCK_EX : LOCK_UN;
    return command_result(flock(fd_of(argv[1]), how | LOCK_NB));
}

static int do_setlk(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    struct flock lock = {.l_whence = SEEK_SET};
    if (strcmp(argv[2], "rd") == 0)
        lock.l_type = F_RDLCK;
    else
        lock.l_type = strcmp(argv[2], "wr") == 0 ? (short)F_WRLCK : (short)F_UNLCK;
    return command_result(fcntl(fd_of(argv[1]), F_SETLK, &lock));
}

static int do_fchdir(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(fchdir(fd_of(argv[1])));
}

const Command command_fd_table[] = {
    {"open", 2, 3, do_open},
    {"read", 2, 2, do_read},
    {"pread", 3, 3, do_pread},
    {"write", 2, 2, do_write},
    {"pwrite", 3, 3, do_pwrite},
    {"ftruncate", 2, 2, do_ftruncate},
    {"fsync", 1, 1, do_fsync},
    {"close", 1, 1, do_close},
    {"fstat", 1, 1, do_fstat},
    {"fgetpath", 1, 1, do_fgetpath},
    {"linkfd", 2, 2, do_linkfd},
    {"lseek", 3, 3, do_lseek},
    {"fallocate", 4, 4, do_fallocate},
    {"copyrange", 3, 3, do_copyrange},
    {"mmapwrite", 3, 3, do_mmapwrite},
    {"flock", 2, 2, do_flock},
    {"setlk", 2, 2, do_setlk},
    {"fchdir", 1, 1, do_fchdir},
    {NULL, 0, 0, NULL},
};
