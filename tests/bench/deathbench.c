/* How long after an owner's death does a watcher hear of it? deathbench DIR OWNERS ROUNDS
 *
 * OWNERS processes take a lock each in DIR; ROUNDS of them are killed one by one, and the time from
 * kill(2) to the DELETE event at an inotify watcher of DIR is taken. Prints median, 99th percentile
 * and maximum in nanoseconds.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

static void lock_name(char name[32], int i)
{
    snprintf(name, 32, "owner-%d.lock", i);
}

/* Takes the lock, says so, and lives until it is killed. */
static pid_t start_owner(int i, int said)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char name[32];
    lock_name(name, i);
    char result = mkdir(name, 0755) == 0 ? 'y' : 'n';
    if (write(said, &result, 1) == 1)
        for (;;)
            pause();
    _exit(1);
}

static int64_t wait_for_removal(int watch, const char *name)
{
    char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    for (;;) {
        ssize_t n = read(watch, buf, sizeof buf);
        int64_t at = now_ns();
        if (n <= 0)
            fail("inotify");
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *event = (const void *)p;
            if (event->len && strcmp(event->name, name) == 0)
                return at;
            p += sizeof *event + event->len;
        }
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(const pid_t *pids, int rounds, int watch)
{
    int64_t *took = calloc((size_t)rounds, sizeof *took);
    for (int i = 0; i < rounds; i++) {
        char name[32];
        lock_name(name, i);
        int64_t start = now_ns();
        kill(pids[i], SIGKILL);
        took[i] = wait_for_removal(watch, name) - start;
        waitpid(pids[i], NULL, 0);
    }
    qsort(took, (size_t)rounds, sizeof *took, compare);
    printf("%lld %lld %lld\n", (long long)took[rounds / 2], (long long)took[rounds * 99 / 100],
           (long long)took[rounds - 1]);
    free(took);
}

int main(int argc, char **argv)
{
    int owners = argc == 4 ? atoi(argv[2]) : 0, rounds = argc == 4 ? atoi(argv[3]) : 0;
    if (rounds < 1 || owners < rounds) {
        fprintf(stderr, "usage: deathbench DIR OWNERS ROUNDS (OWNERS at least ROUNDS)\n");
        return 2;
    }
    int said[2];
    pid_t *pids = calloc((size_t)owners, sizeof *pids);
    if (chdir(argv[1]) != 0 || pipe(said) != 0)
        fail(argv[1]);
    for (int i = 0; i < owners; i++) {
        char result;
        pids[i] = start_owner(i, said[1]);
        if (pids[i] < 0 || read(said[0], &result, 1) != 1 || result != 'y')
            fail("an owner");
    }
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, ".", IN_DELETE) < 0)
        fail("inotify");
    measure(pids, rounds, watch);
    for (int i = rounds; i < owners; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    free(pids);
    return 0;
}
