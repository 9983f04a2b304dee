/* Random reads and writes of one file, checked against a copy in memory.
 *
 *     exercise FILE SEED COUNT
 *
 * Writes, truncates, maps, allocates, punches, copies, appends, closes and opens again, through two
 * descriptors, and after each of these reads a part, or all, and compares. Exits 0; at the first
 * difference says what was done last, and exits 1. The same seed does the same again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SIZE_MAX_FILE = 300 * 1024,
    CHUNK_MAX = 70 * 1024,
    HISTORY = 20
};

typedef struct {
    const char *path;
    uint64_t random;
    int fd[2];
    bool append[2];
    long step;
    size_t size; /* of the file, as it must be */
    unsigned char model[SIZE_MAX_FILE], scratch[SIZE_MAX_FILE];
    char history[HISTORY][96];
} Exercise;

static uint64_t next(Exercise *e)
{
    e->random ^= e->random << 13;
    e->random ^= e->random >> 7;
    e->random ^= e->random << 17;
    return e->random;
}

static size_t below(Exercise *e, size_t limit)
{
    return limit ? (size_t)(next(e) % limit) : 0;
}

static void note(Exercise *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(Exercise *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(e->history[e->step % HISTORY], sizeof(e->history[0]), format, args);
    va_end(args);
}

static void fail(Exercise *e, const char *what, size_t at) __attribute__((noreturn));
static void fail(Exercise *e, const char *what, size_t at)
{
    fprintf(stderr, "step %ld: %s (at %zu, size %zu): %s\n", e->step, what, at, e->size,
            strerror(errno));
    for (long i = e->step < HISTORY ? 0 : e->step - HISTORY + 1; i <= e->step; i++)
        fprintf(stderr, "  %ld: %s\n", i, e->history[i % HISTORY]);
    exit(1);
}

static void check(Exercise *e, size_t offset, size_t length, const char *how)
{
    size_t want = offset >= e->size ? 0 : length < e->size - offset ? length : e->size - offset;
    ssize_t n = pread(e->fd[below(e, 2)], e->scratch, length, (off_t)offset);
    if (n != (ssize_t)want)
        fail(e, how, offset);
    for (size_t i = 0; i < want; i++)
        if (e->scratch[i] != e->model[offset + i])
            fail(e, "content differs", offset + i);
}

static void check_size(Exercise *e)
{
    struct stat st;
    if (stat(e->path, &st) < 0 || (size_t)st.st_size != e->size)
        fail(e, "size differs", (size_t)st.st_size);
}

/* A range inside what a file may become. */
static void range(Exercise *e, size_t *offset, size_t *length)
{
    *offset = below(e, SIZE_MAX_FILE - 1);
    size_t room = SIZE_MAX_FILE - *offset;
    *length = 1 + below(e, room < CHUNK_MAX ? room : CHUNK_MAX);
    if (below(e, 4) == 0) {
        *offset &= ~(size_t)4095;
        *length = *length < 4096 ? *length : *length & ~(size_t)4095;
    }
}

static void grow(Exercise *e, size_t size)
{
    if (size > e->size) {
        memset(e->model + e->size, 0, size - e->size);
        e->size = size;
    }
}

static void put(Exercise *e, size_t offset, const unsigned char *data, size_t length)
{
    grow(e, offset + length);
    memcpy(e->model + offset, data, length);
}

static void make_data(Exercise *e, size_t length)
{
    for (size_t i = 0; i < length; i++)
        e->scratch[i] = (unsigned char)(next(e) >> 11);
}

static void step_write(Exercise *e)
{
    size_t offset, length, which = below(e, 2);
    range(e, &offset, &length);
    if (e->append[which]) {
        offset = e->size;
        if (offset + length > SIZE_MAX_FILE)
            return;
    }
    note(e, "write %zu bytes at %zu%s", length, offset, e->append[which] ? " (append)" : "");
    make_data(e, length);
    ssize_t n = e->append[which] ? write(e->fd[which], e->scratch, length)
                                 : pwrite(e->fd[which], e->scratch, length, (off_t)offset);
    if (n != (ssize_t)length)
        fail(e, "short write", offset);
    put(e, offset, e->scratch, length);
}

static void step_truncate(Exercise *e)
{
    size_t size = below(e, SIZE_MAX_FILE);
    bool by_path = below(e, 2);
    note(e, "truncate to %zu%s", size, by_path ? " by path" : "");
    if ((by_path ? truncate(e->path, (off_t)size) : ftruncate(e->fd[below(e, 2)], (off_t)size)) < 0)
        fail(e, "truncate", size);
    grow(e, size);
    e->size = size;
}

static void step_map(Exercise *e)
{
    size_t offset = below(e, e->size), length = 1 + below(e, CHUNK_MAX);
    if (e->size == 0)
        return;
    if (length > e->size - offset)
        length = e->size - offset;
    bool write_it = below(e, 2), sync_it = below(e, 2);
    note(e, "map %zu bytes at %zu, %s%s", length, offset, write_it ? "write" : "read",
         sync_it ? ", sync" : "");
    make_data(e, length);
    unsigned char *map =
        mmap(NULL, e->size, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd[below(e, 2)], 0);
    if (map == MAP_FAILED)
        fail(e, "mmap", offset);
    if (write_it) {
        memcpy(map + offset, e->scratch, length);
        put(e, offset, e->scratch, length);
        if (sync_it && msync(map, e->size, MS_SYNC) < 0)
            fail(e, "msync", offset);
    } else if (memcmp(map + offset, e->model + offset, length) != 0) {
        fail(e, "mapped content differs", offset);
    }
    munmap(map, e->size);
}

static void step_allocate(Exercise *e)
{
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    size_t offset, length;
    int mode = modes[below(e, sizeof(modes) / sizeof(*modes))];
    range(e, &offset, &length);
    note(e, "fallocate mode %d, %zu bytes at %zu", mode, length, offset);
    if (fallocate(e->fd[below(e, 2)], mode, (off_t)offset, (off_t)length) < 0) {
        if (errno != EOPNOTSUPP)
            fail(e, "fallocate", offset);
        return;
    }
    if (!(mode & FALLOC_FL_KEEP_SIZE))
        grow(e, offset + length);
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && offset < e->size)
        memset(e->model + offset, 0, length < e->size - offset ? length : e->size - offset);
}

static void step_copy(Exercise *e)
{
    size_t length = 1 + below(e, CHUNK_MAX), from = below(e, e->size), to;
    if (e->size == 0 || e->append[1])
        return;
    if (length > e->size - from)
        length = e->size - from;
    to = below(e, SIZE_MAX_FILE - length);
    if (to < from + length && from < to + length)
        return;
    note(e, "copy %zu bytes from %zu to %zu", length, from, to);
    off_t in = (off_t)from, out = (off_t)to;
    for (size_t done = 0; done < length;) {
        ssize_t n = copy_file_range(e->fd[0], &in, e->fd[1], &out, length - done, 0);
        if (n <= 0)
            fail(e, "copy_file_range", from + done);
        done += (size_t)n;
    }
    memcpy(e->scratch, e->model + from, length);
    put(e, to, e->scratch, length);
}

static void step_open(Exercise *e)
{
    size_t which = below(e, 2);
    int flags = O_RDWR | O_CLOEXEC;
    e->append[which] = below(e, 4) == 0;
    if (e->append[which])
        flags |= O_APPEND;
    if (below(e, 10) == 0)
        flags |= O_SYNC;
    if (below(e, 12) == 0)
        flags |= O_TRUNC;
    note(e, "open again, flags 0%o", (unsigned)flags);
    close(e->fd[which]);
    e->fd[which] = open(e->path, flags);
    if (e->fd[which] < 0)
        fail(e, "open", which);
    if (flags & O_TRUNC)
        e->size = 0;
}

static void step_sync(Exercise *e)
{
    note(e, "fsync");
    if (fsync(e->fd[below(e, 2)]) < 0)
        fail(e, "fsync", 0);
    if (below(e, 3) == 0)
        posix_fadvise(e->fd[0], 0, 0, POSIX_FADV_DONTNEED);
}

static void run(Exercise *e, long count)
{
    static void (*const steps[])(Exercise *) = {
        step_write, step_write, step_write, step_truncate, step_map,
        step_map,   step_copy,  step_open,  step_allocate, step_sync,
    };
    for (e->step = 0; e->step < count; e->step++) {
        note(e, "nothing");
        steps[below(e, sizeof(steps) / sizeof(*steps))](e);
        size_t offset, length;
        range(e, &offset, &length);
        check(e, offset, length, "short read");
        check_size(e);
        if (e->step % 64 == 0)
            check(e, 0, SIZE_MAX_FILE, "short read of all");
    }
    check(e, 0, SIZE_MAX_FILE, "short read of all");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: exercise FILE SEED COUNT\n");
        return 2;
    }
    Exercise *e = calloc(1, sizeof(*e));
    if (!e)
        return 1;
    e->path = argv[1];
    e->random = strtoull(argv[2], NULL, 10) * 2654435761U + 88172645463325252U;
    for (int i = 0; i < 2; i++) {
        e->fd[i] = open(e->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (e->fd[i] < 0) {
            perror(e->path);
            return 1;
        }
    }
    run(e, strtol(argv[3], NULL, 10));
    free(e);
    return 0;
}
