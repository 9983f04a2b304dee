/* What reading the claims costs, the reader and everybody else, with many of them held.
 *
 *     snapshotbench COUNT DIR
 *
 * Holds COUNT lock directories below DIR (of a lockfs mount). Then a neighbour makes and removes a
 * directory of data for as long as somebody reads `.lockfs/locks`, `metrics` and `stats`; printed
 * are the reader's times and the longest call of the neighbour, first without any reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IN_A_DIRECTORY 1000

typedef struct {
    double longest; /* ms */
    unsigned long calls, over_1ms;
    int stop;
} Neighbour;

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void fail(const char *what)
{
    fprintf(stderr, "snapshotbench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void hold(const char *dir, long count)
{
    char path[PATH_MAX];
    for (long i = 0; i < count; i++) {
        if (i % IN_A_DIRECTORY == 0) {
            snprintf(path, sizeof path, "%s/d%ld", dir, i / IN_A_DIRECTORY);
            if (mkdir(path, 0777) != 0)
                fail(path);
        }
        snprintf(path, sizeof path, "%s/d%ld/%ld.lock", dir, i / IN_A_DIRECTORY, i);
        if (mkdir(path, 0777) != 0)
            fail(path);
    }
}

static void one_call(Neighbour *neighbour, int result, double began)
{
    double took = now_ms() - began;
    if (result != 0)
        fail("the neighbour");
    neighbour->calls++;
    neighbour->over_1ms += took > 1;
    if (took > neighbour->longest)
        neighbour->longest = took;
}

static void be_neighbour(Neighbour *neighbour, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/neighbour", dir);
    while (!__atomic_load_n(&neighbour->stop, __ATOMIC_RELAXED)) {
        double began = now_ms();
        one_call(neighbour, mkdir(path, 0777), began);
        began = now_ms();
        one_call(neighbour, rmdir(path), began);
    }
    _exit(0);
}

static void read_whole(const char *dir, const char *file, double *opened, double *done,
                       size_t *bytes)
{
    static char data[1 << 20];
    char path[PATH_MAX];
    double began = now_ms();
    snprintf(path, sizeof path, "%s/.lockfs/%s", dir, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    *opened = now_ms() - began;
    ssize_t n;
    for (*bytes = 0; (n = read(fd, data, sizeof data)) > 0;)
        *bytes += (size_t)n;
    if (n < 0)
        fail(path);
    *done = now_ms() - began;
    close(fd);
}

static void measure(Neighbour *neighbour, const char *dir, const char *file)
{
    double opened = 0, done = 0;
    size_t bytes = 0;
    memset(neighbour, 0, sizeof *neighbour);
    pid_t child = fork();
    if (child == 0)
        be_neighbour(neighbour, dir);
    if (file)
        read_whole(dir, file, &opened, &done, &bytes);
    else
        sleep(2);
    __atomic_store_n(&neighbour->stop, 1, __ATOMIC_RELAXED);
    waitpid(child, NULL, 0);
    printf("%-8s open %8.1f ms  whole %8.1f ms  %9zu kB   neighbour: longest call %7.2f ms, %lu of "
           "%lu above 1 ms\n",
           file ? file : "nobody", opened, done, bytes / 1024, neighbour->longest,
           neighbour->over_1ms, neighbour->calls);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    long count = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    if (count <= 0) {
        fprintf(stderr, "usage: snapshotbench COUNT DIR\n");
        return 2;
    }
    Neighbour *neighbour =
        mmap(NULL, sizeof *neighbour, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double began = now_ms();
    hold(argv[2], count);
    printf("%ld claims, made in %.1f s\n", count, (now_ms() - began) / 1e3);
    const char *const files[] = {NULL, "locks", "metrics", "stats"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        measure(neighbour, argv[2], files[i]);
    return 0;
}
