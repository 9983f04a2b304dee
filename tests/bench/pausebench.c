/* How long does a caller wait when the worker is killed? pausebench DIR KEEPER ROUNDS
 *
 * Locks are taken and released in DIR, which the process KEEPER serves by a child of its. Each
 * round kills that child and takes the longest call until another one has answered. Prints median,
 * 90th and 99th percentile and maximum in nanoseconds.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Between two deaths, so that each worker has come up and served. */
#define CALLS_BETWEEN 200

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* The youngest child. */
static pid_t worker_of(int keeper)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", keeper, keeper);
    FILE *file = fopen(path, "re");
    if (!file)
        fail(path);
    int pid = 0, next;
    while (fscanf(file, "%d", &next) == 1)
        pid = next;
    fclose(file);
    return pid;
}

static int64_t call(void)
{
    int64_t start = now_ns();
    if (mkdir("pause.lock", 0755) != 0)
        fail("mkdir");
    int64_t took = now_ns() - start;
    if (rmdir("pause.lock") != 0)
        fail("rmdir");
    return took;
}

static int64_t longest_call(int keeper)
{
    pid_t worker = worker_of(keeper);
    int64_t longest = 0;
    if (worker <= 0 || kill(worker, SIGKILL) != 0)
        fail("the worker");
    for (bool replaced = false, last = false; !last;) {
        last = replaced;
        int64_t took = call();
        longest = took > longest ? took : longest;
        pid_t now = worker_of(keeper);
        replaced = now > 0 && now != worker;
    }
    return longest;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    int keeper = argc == 4 ? atoi(argv[2]) : 0, rounds = argc == 4 ? atoi(argv[3]) : 0;
    if (keeper < 1 || rounds < 1) {
        fprintf(stderr, "usage: pausebench DIR KEEPER ROUNDS\n");
        return 2;
    }
    if (chdir(argv[1]) != 0)
        fail(argv[1]);
    int64_t *took = calloc((size_t)rounds, sizeof *took);
    for (int i = 0; i < rounds; i++) {
        took[i] = longest_call(keeper);
        for (int n = 0; n < CALLS_BETWEEN; n++)
            call();
    }
    qsort(took, (size_t)rounds, sizeof *took, compare);
    const int shares[] = {50, 90, 99};
    for (int i = 0; i < 3; i++)
        printf("%lld ", (long long)took[rounds * shares[i] / 100]);
    printf("%lld\n", (long long)took[rounds - 1]);
    free(took);
    return 0;
}
