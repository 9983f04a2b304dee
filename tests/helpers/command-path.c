/* Commands that take paths. */
#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static int do_mkdir(int argc, char **argv, FILE *value)
{
    (void)value;
    return command_result(mkdir(argv[1], command_mode(argc, argv, 2, 0777)));
}

static int do_rmdir(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(rmdir(argv[1]));
}

static int do_unlink(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(unlink(argv[1]));
}

static int open_and_close(const char *path, int flags, mode_t mode, const char *text)
{
    int fd = open(path, flags | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int result = text && write(fd, text, strlen(text)) < 0 ? -errno : 0;
    if (close(fd) < 0 && result == 0)
        result = -errno;
    return result;
}

static int do_excl(int argc, char **argv, FILE *value)
{
    (void)value;
    return open_and_close(argv[1], O_WRONLY | O_CREAT | O_EXCL, command_mode(argc, argv, 2, 0666),
                          NULL);
}

static int do_creat(int argc, char **argv, FILE *value)
{
    (void)value;
    return open_and_close(argv[1], O_WRONLY | O_CREAT | O_TRUNC, command_mode(argc, argv, 2, 0666),
                          NULL);
}

static int do_put(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return open_and_close(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666, argv[2]);
}

static int do_get(int argc, char **argv, FILE *value)
{
    (void)argc;
    char *text = NULL;
    size_t size = 0;
    FILE *in = fopen(argv[1], "re");
    if (!in)
        return -errno;
    ssize_t length = getdelim(&text, &size, EOF, in);
    int result = length < 0 && ferror(in) ? -errno : 0;
    if (result == 0)
        command_put(value, text ? text : "", length > 0 ? (size_t)length : 0);
    free(text);
    fclose(in);
    return result;
}

static int do_truncate(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(truncate(argv[1], command_number(argv[2])));
}

static int do_rename(int argc, char **argv, FILE *value)
{
    (void)value;
    unsigned flags = 0;
    if (argc > 3 && strcmp(argv[3], "noreplace") == 0)
        flags = RENAME_NOREPLACE;
    else if (argc > 3 && strcmp(argv[3], "exchange") == 0)
        flags = RENAME_EXCHANGE;
    else if (argc > 3 && strcmp(argv[3], "whiteout") == 0)
        flags = RENAME_WHITEOUT;
    if (flags)
        return command_result(renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], flags));
    return command_result(rename(argv[1], argv[2]));
}

static int do_link(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(link(argv[1], argv[2]));
}

static int do_symlink(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(symlink(argv[1], argv[2]));
}

static int do_readlink(int argc, char **argv, FILE *value)
{
    (void)argc;
    char target[8192];
    ssize_t length = readlink(argv[1], target, sizeof(target));
    if (length < 0)
        return -errno;
    command_put(value, target, (size_t)length);
    return 0;
}

static int do_mknod(int argc, char **argv, FILE *value)
{
    (void)value;
    mode_t mode = command_mode(argc, argv, 3, 0666);
    dev_t dev = 0;
    if (strcmp(argv[2], "fifo") == 0)
        mode |= S_IFIFO;
    else if (strcmp(argv[2], "sock") == 0)
        mode |= S_IFSOCK;
    else if (strcmp(argv[2], "chr") == 0)
        mode |= S_IFCHR, dev = makedev(1, 3);
    else
        mode |= S_IFREG;
    return command_result(mknod(argv[1], mode, dev));
}

static int do_stat(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct stat st;
    if (lstat(argv[1], &st) < 0)
        return -errno;
    command_put_stat(value, &st);
    return 0;
}

static int put_entries(const char *path, FILE *value, bool with_inode)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0)
        return -errno;
    const char *separator = "";
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            fputs(separator, value);
            command_put(value, name, strlen(name));
            if (with_inode)
                fprintf(value, ":%d:%llu", entries[i]->d_type,
                        (unsigned long long)entries[i]->d_ino);
            separator = " ";
        }
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static int do_list(int argc, char **argv, FILE *value)
{
    (void)argc;
    return put_entries(argv[1], value, false);
}

static int do_dents(int argc, char **argv, FILE *value)
{
    (void)argc;
    return put_entries(argv[1], value, true);
}

static int do_chmod(int argc, char **argv, FILE *value)
{
    (void)value;
    return command_result(chmod(argv[1], command_mode(argc, argv, 2, 0)));
}

static int do_chown(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(
        lchown(argv[1], (uid_t)command_number(argv[2]), (gid_t)command_number(argv[3])));
}

static struct timespec parse_time(const char *text)
{
    if (strcmp(text, "now") == 0)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    if (strcmp(text, "omit") == 0)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    long long ns = command_number(text);
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static int do_utimens(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    const struct timespec times[] = {parse_time(argv[2]), parse_time(argv[3])};
    return command_result(utimensat(AT_FDCWD, argv[1], times, AT_SYMLINK_NOFOLLOW));
}

static int do_setxattr(int argc, char **argv, FILE *value)
{
    (void)value;
    int flags = 0;
    if (argc > 4)
        flags = strcmp(argv[4], "create") == 0 ? XATTR_CREATE : XATTR_REPLACE;
    return command_result(lsetxattr(argv[1], argv[2], argv[3], strlen(argv[3]), flags));
}

static int do_getxattr(int argc, char **argv, FILE *value)
{
    (void)argc;
    char text[65536];
    ssize_t length = lgetxattr(argv[1], argv[2], text, sizeof(text));
    if (length < 0)
        return -errno;
    command_put(value, text, (size_t)length);
    return 0;
}

static int do_listxattr(int argc, char **argv, FILE *value)
{
    (void)argc;
    char names[65536];
    ssize_t length = llistxattr(argv[1], names, sizeof(names));
    if (length < 0)
        return -errno;
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        if (name != names)
            fputc(' ', value);
        command_put(value, name, strlen(name));
    }
    return 0;
}

static int do_removexattr(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(lremovexattr(argv[1], argv[2]));
}

static int do_access(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    int mode = F_OK;
    for (const char *c = argv[2]; *c; c++)
        mode |= *c == 'r' ? R_OK : *c == 'w' ? W_OK : *c == 'x' ? X_OK : 0;
    return command_result(faccessat(AT_FDCWD, argv[1], mode, AT_EACCESS));
}

static int do_statfs(int argc, char **argv, FILE *value)
{
    (void)argc;
    struct statfs st;
    if (statfs(argv[1], &st) < 0)
        return -errno;
    fprintf(value, "type=%lx bsize=%ld blocks=%llu bfree=%llu files=%llu ffree=%llu namelen=%ld",
            (unsigned long)st.f_type, (long)st.f_bsize, (unsigned long long)st.f_blocks,
            (unsigned long long)st.f_bfree, (unsigned long long)st.f_files,
            (unsigned long long)st.f_ffree, (long)st.f_namelen);
    return 0;
}

static int do_chdir(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(chdir(argv[1]));
}

const Command command_path_table[] = {
    {"mkdir", 1, 2, do_mkdir},
    {"rmdir", 1, 1, do_rmdir},
    {"unlink", 1, 1, do_unlink},
    {"excl", 1, 2, do_excl},
    {"creat", 1, 2, do_creat},
    {"put", 2, 2, do_put},
    {"get", 1, 1, do_get},
    {"truncate", 2, 2, do_truncate},
    {"rename", 2, 3, do_rename},
    {"link", 2, 2, do_link},
    {"symlink", 2, 2, do_symlink},
    {"readlink", 1, 1, do_readlink},
    {"mknod", 2, 3, do_mknod},
    {"stat", 1, 1, do_stat},
    {"list", 1, 1, do_list},
    {"dents", 1, 1, do_dents},
    {"chmod", 2, 2, do_chmod},
    {"chown", 3, 3, do_chown},
    {"utimens", 3, 3, do_utimens},
    {"setxattr", 3, 4, do_setxattr},
    {"getxattr", 2, 2, do_getxattr},
    {"listxattr", 1, 1, do_listxattr},
    {"removexattr", 2, 2, do_removexattr},
    {"access", 2, 2, do_access},
    {"statfs", 1, 1, do_statfs},
    {"chdir", 1, 1, do_chdir},
    {NULL, 0, 0, NULL},
};
