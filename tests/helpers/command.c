#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./,=@+~{}-", c));
}

void command_put(FILE *out, const char *bytes, size_t length)
{
    if (length == 0)
        fputc('%', out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (is_plain(c))
            fputc(c, out);
        else
            fprintf(out, "%%%02X", c);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode(char *word)
{
    char *to = word;
    for (const char *from = word; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
        } else if (hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
            *to++ = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
            from += 2;
        }
    }
    *to = '\0';
}

int command_split(char *line, char **words)
{
    int n = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (n == COMMAND_MAX_WORDS - 1)
            return -E2BIG;
        decode(word);
        words[n++] = word;
    }
    words[n] = NULL;
    return n;
}

const char *command_errno_name(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "EUNKNOWN";
}

int command_result(long result)
{
    return result < 0 ? -errno : 0;
}

long long command_number(const char *text)
{
    char *end;
    long long number = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "client: '%s' is not a number\n", text);
        exit(2);
    }
    return number;
}

mode_t command_mode(int argc, char **argv, int index, mode_t fallback)
{
    return argc > index ? (mode_t)strtoul(argv[index], NULL, 8) : fallback;
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "dir";
    case S_IFREG:
        return "file";
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "sock";
    case S_IFCHR:
        return "chr";
    case S_IFBLK:
        return "blk";
    default:
        return "unknown";
    }
}

static long long in_ns(struct timespec ts)
{
    return (long long)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void command_put_stat(FILE *out, const struct stat *st)
{
    fprintf(out, "type=%s mode=%04o nlink=%lu ino=%lu size=%lld uid=%u gid=%u dev=%u,%u",
            type_name(st->st_mode), st->st_mode & 07777, (unsigned long)st->st_nlink,
            (unsigned long)st->st_ino, (long long)st->st_size, st->st_uid, st->st_gid,
            major(st->st_dev), minor(st->st_dev));
    fprintf(out, " blocks=%lld atime=%lld mtime=%lld ctime=%lld", (long long)st->st_blocks,
            in_ns(st->st_atim), in_ns(st->st_mtim), in_ns(st->st_ctim));
}

static const Command *find_in(const Command *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static const Command *find(const char *name)
{
    const Command *const tables[] = {command_path_table,    command_fd_table,
                                     command_process_table, command_uring_table,
                                     command_posix_table,   command_acl_table};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        const Command *command = find_in(tables[i], name);
        if (command)
            return command;
    }
    return NULL;
}

static char *usage(const char *text, const char *name)
{
    char *reply = NULL;
    if (asprintf(&reply, "USAGE %s %s", text, name) < 0)
        abort();
    return reply;
}

char *command_run(int argc, char **argv)
{
    if (argc == 0)
        return usage("empty", "command");
    const Command *command = find(argv[0]);
    if (!command)
        return usage("unknown command", argv[0]);
    if (argc - 1 < command->min_args || (command->max_args >= 0 && argc - 1 > command->max_args))
        return usage("wrong number of arguments:", argv[0]);

    char *text = NULL, *reply = NULL;
    size_t size = 0;
    FILE *value = open_memstream(&text, &size);
    if (!value)
        abort();
    int result = command->run(argc, argv, value);
    fclose(value);
    if (result == COMMAND_ANSWERED)
        return text;
    if (result < 0)
        reply = strdup(command_errno_name(-result));
    else if (asprintf(&reply, size ? "ok %s" : "ok", text) < 0)
        abort();
    free(text);
    return reply;
}
