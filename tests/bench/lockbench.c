/* One workload of the bench on one directory.
 *
 *     lockbench OPERATION COUNT DIR
 *
 * Prints the nanoseconds a repetition took: the median over groups of repetitions, so that a
 * neighbour's burst does not count.
 *
 *     mkdir-rmdir     a lock directory made and removed
 *     excl-unlink     a lock file made with O_EXCL, closed and removed
 *     held            mkdir of a lock that is held (by this process), which must fail with EEXIST
 *     stat            stat of a file that is there
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_GROUPS = 100
};

typedef struct {
    const char *name;
    int (*prepare)(const char *path);
    int (*once)(const char *path);
    int (*finish)(const char *path);
} Workload;

static int nothing(const char *path)
{
    (void)path;
    return 0;
}

static int make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd < 0 ? -1 : close(fd);
}

static int make_dir(const char *path)
{
    return mkdir(path, 0777);
}

static int once_mkdir(const char *path)
{
    return mkdir(path, 0777) < 0 ? -1 : rmdir(path);
}

static int once_excl(const char *path)
{
    return make_file(path) < 0 ? -1 : unlink(path);
}

static int once_held(const char *path)
{
    return mkdir(path, 0777) == 0 || errno != EEXIST ? -1 : 0;
}

static int once_stat(const char *path)
{
    struct stat st;
    return stat(path, &st);
}

static const Workload workloads[] = {
    {"mkdir-rmdir", nothing, once_mkdir, nothing},
    {"excl-unlink", nothing, once_excl, nothing},
    {"held", make_dir, once_held, rmdir},
    {"stat", make_file, once_stat, unlink},
};

static int64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void fail(const char *what, const char *path) __attribute__((noreturn));
static void fail(const char *what, const char *path)
{
    fprintf(stderr, "lockbench: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double measure(const Workload *workload, const char *path, long count)
{
    double groups[MAX_GROUPS];
    long n = count < MAX_GROUPS ? count : MAX_GROUPS, each = count / n;
    for (long group = 0; group < n; group++) {
        int64_t start = now();
        for (long i = 0; i < each; i++)
            if (workload->once(path) < 0)
                fail(workload->name, path);
        groups[group] = (double)(now() - start) / (double)each;
    }
    qsort(groups, (size_t)n, sizeof(*groups), by_value);
    return groups[n / 2];
}

int main(int argc, char **argv)
{
    long count = argc == 4 ? atol(argv[2]) : 0;
    const Workload *workload = NULL;
    for (size_t i = 0; count > 0 && i < sizeof(workloads) / sizeof(*workloads); i++)
        if (strcmp(workloads[i].name, argv[1]) == 0)
            workload = &workloads[i];
    if (!workload) {
        fprintf(stderr, "usage: lockbench mkdir-rmdir|excl-unlink|held|stat COUNT DIR\n");
        return 2;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/bench.%s", argv[3],
             strcmp(workload->name, "stat") == 0 ? "data" : "lock");
    if (workload->prepare(path) < 0)
        fail("prepare", path);
    double ns = measure(workload, path, count);
    if (workload->finish(path) < 0)
        fail("finish", path);
    printf("%.0f\n", ns);
    return 0;
}
