/* Processes that fight for locks and are killed at random: is there ever a second owner, is
 * anything left over?
 *
 *     hammer [--processes 16] [--locks 4] [--method mkdir] [--acquisitions 20000] [--kills 0]
 *            [--kills-per-second 50] [--seconds 60] [--seed N] DIR…
 *
 * Each process picks a directory and a lock name at random, tries to take it, holds it for a moment
 * and releases it. The parent kills random ones with SIGKILL and starts others in their place, and
 * at the end kills all of them, wherever they are. Then the recorded history is checked
 * (hammer-history.h) and the directories are searched for locks that stayed.
 *
 * Prints one line of counts. Exit status 0: nothing wrong; 1: a violation, a left-over, an
 * unexpected error, or too few acquisitions or kills in the time; 2: usage.
 */
#include "hammer-history.h"
#include "hammer-method.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_PROCESSES = 512,
    MAX_ERRORS_SHOWN = 10
};

typedef struct {
    int processes;
    int locks;
    long acquisitions; /* at least */
    long kills;        /* at least */
    double kills_per_second;
    double seconds;
    uint64_t seed;
    const HammerMethod *method;
    char **dirs;
    int n_dirs;
} Options;

typedef struct {
    _Atomic long acquired, contended, errors;
    _Atomic bool stop;
} Counts;

typedef struct {
    Options options;
    History *history;
    Counts *counts;
    pid_t pids[MAX_PROCESSES];
    uint32_t lives[MAX_PROCESSES];
    uint32_t n_lives;
    long kills;
    uint64_t random;
} Hammer;

/* xorshift64*: any seed but 0 */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

static void report_error(Counts *counts, const char *what, const char *path, int error)
{
    if (atomic_fetch_add(&counts->errors, 1) < MAX_ERRORS_SHOWN)
        fprintf(stderr, "hammer: %s %s: %s\n", what, path, strerror(error));
}

static void hold(uint64_t *random)
{
    switch (next_random(random) % 4) {
    case 0:
        break;
    case 1:
        sched_yield();
        break;
    default:
        for (volatile uint64_t spin = next_random(random) % 20000; spin > 0; spin--)
            ;
    }
}

static bool one_round(Hammer *hammer, int slot, uint64_t *random)
{
    const Options *o = &hammer->options;
    int dir = (int)(next_random(random) % (unsigned)o->n_dirs);
    int name = (int)(next_random(random) % (unsigned)o->locks);
    char lock[PATH_MAX], own[PATH_MAX];
    snprintf(lock, sizeof(lock), "%s/hammer-%d.lock", o->dirs[dir], name);
    snprintf(own, sizeof(own), "%s/own-%d", o->dirs[dir], slot);

    int result = o->method->acquire(lock, own);
    if (result == 0) {
        atomic_fetch_add(&hammer->counts->contended, 1);
        return true;
    }
    if (result < 0) {
        report_error(hammer->counts, "take", lock, -result);
        return true;
    }
    HistoryRecord *record = hammer_history_begin(hammer->history, (uint32_t)(dir * o->locks + name),
                                                 hammer->lives[slot]);
    atomic_fetch_add(&hammer->counts->acquired, 1);
    hold(random);
    if (record)
        atomic_store(&record->end, hammer_history_now());
    result = o->method->release(lock);
    if (result < 0)
        report_error(hammer->counts, "release", lock, -result);
    return record != NULL;
}

static void contender(Hammer *hammer, int slot) __attribute__((noreturn));
static void contender(Hammer *hammer, int slot)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uint64_t random =
        hammer->options.seed ^ ((uint64_t)(hammer->lives[slot] + 1) * 0x9E3779B97F4A7C15ULL);
    random += random == 0;
    while (!atomic_load(&hammer->counts->stop) && one_round(hammer, slot, &random))
        ;
    if (hammer->options.kills_per_second <= 0)
        _exit(0);
    for (;;)
        pause();
}

static void start(Hammer *hammer, int slot)
{
    hammer->lives[slot] = hammer->n_lives++;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        perror("hammer: fork");
        exit(1);
    }
    if (pid == 0)
        contender(hammer, slot);
    hammer->pids[slot] = pid;
}

static void reap(const Hammer *hammer, int slot)
{
    while (waitpid(hammer->pids[slot], NULL, 0) < 0 && errno == EINTR)
        ;
}

static void kill_and_reap(Hammer *hammer, int slot)
{
    atomic_store(&hammer->history->killed[hammer->lives[slot]], hammer_history_now());
    kill(hammer->pids[slot], SIGKILL);
    reap(hammer, slot);
}

static void end_all(Hammer *hammer)
{
    bool gently = hammer->options.kills_per_second <= 0;
    if (gently)
        atomic_store(&hammer->counts->stop, true);
    for (int slot = 0; slot < hammer->options.processes; slot++) {
        if (gently)
            reap(hammer, slot);
        else
            kill_and_reap(hammer, slot);
    }
}

/* Lets the others work until the next kill is due; the pace of the load, nothing is waited for. */
static void let_work(Hammer *hammer)
{
    double rate = hammer->options.kills_per_second;
    int64_t mean = rate > 0 ? (int64_t)(1e9 / rate) : 20000000;
    int64_t ns = (int64_t)(next_random(&hammer->random) % (uint64_t)(2 * mean)) + 1;
    struct timespec pace = {ns / 1000000000, ns % 1000000000};
    ppoll(NULL, 0, &pace, NULL);
}

static void run(Hammer *hammer)
{
    const Options *o = &hammer->options;
    int64_t deadline = hammer_history_now() + (int64_t)(o->seconds * 1e9);
    for (int slot = 0; slot < o->processes; slot++)
        start(hammer, slot);
    while ((atomic_load(&hammer->counts->acquired) < o->acquisitions || hammer->kills < o->kills) &&
           hammer_history_now() < deadline) {
        let_work(hammer);
        if (o->kills_per_second <= 0 || hammer->n_lives >= hammer->history->max_lives)
            continue;
        int slot = (int)(next_random(&hammer->random) % (unsigned)o->processes);
        kill_and_reap(hammer, slot);
        hammer->kills++;
        start(hammer, slot);
    }
    end_all(hammer);
}

static void make_own_files(const Options *o)
{
    for (int dir = 0; dir < o->n_dirs && o->method->needs_own_file; dir++) {
        for (int slot = 0; slot < o->processes; slot++) {
            char own[PATH_MAX];
            snprintf(own, sizeof(own), "%s/own-%d", o->dirs[dir], slot);
            int fd = open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
            if (fd < 0) {
                perror(own);
                exit(1);
            }
            close(fd);
        }
    }
}

/* Counts the locks that are still listed, and removes what the contenders made for themselves. */
static long search_left_overs(const char *path)
{
    long found = 0;
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, "hammer-", 7) == 0) {
            printf("LEFT OVER %s/%s\n", path, entry->d_name);
            found++;
        } else if (strncmp(entry->d_name, "own-", 4) == 0 &&
                   unlinkat(dirfd(dir), entry->d_name, 0) < 0) {
            unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
    }
    closedir(dir);
    return found;
}

static int report(Hammer *hammer)
{
    const Options *o = &hammer->options;
    long left_overs = 0;
    for (int dir = 0; dir < o->n_dirs; dir++)
        left_overs += search_left_overs(o->dirs[dir]);
    size_t violations = hammer_history_check(hammer->history, MAX_ERRORS_SHOWN);
    long acquired = atomic_load(&hammer->counts->acquired),
         errors = atomic_load(&hammer->counts->errors);
    printf("method %s seed %llu: %ld acquisitions, %ld contended, %ld kills, %zu violations, %ld "
           "left over, "
           "%ld errors\n",
           o->method->name, (unsigned long long)o->seed, acquired,
           atomic_load(&hammer->counts->contended), hammer->kills, violations, left_overs, errors);
    bool too_few = acquired < o->acquisitions || hammer->kills < o->kills;
    if (too_few)
        printf("TOO FEW: %ld acquisitions and %ld kills wanted in %g s\n", o->acquisitions,
               o->kills, o->seconds);
    return violations || left_overs || errors || too_few;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: hammer [--processes N] [--locks N] [--method M] [--acquisitions N] "
            "[--kills N]\n"
            "              [--kills-per-second N] [--seconds N] [--seed N] DIR…\nmethods: %s\n",
            hammer_method_names());
    return 2;
}

static bool parse(int argc, char **argv, Options *o)
{
    static const struct option known[] = {
        {"processes", required_argument, NULL, 'p'},
        {"locks", required_argument, NULL, 'l'},
        {"method", required_argument, NULL, 'm'},
        {"acquisitions", required_argument, NULL, 'a'},
        {"kills", required_argument, NULL, 'K'},
        {"seconds", required_argument, NULL, 's'},
        {"kills-per-second", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
        if (c == 'p')
            o->processes = atoi(optarg);
        else if (c == 'l')
            o->locks = atoi(optarg);
        else if (c == 'm')
            o->method = hammer_method_find(optarg);
        else if (c == 'a')
            o->acquisitions = atol(optarg);
        else if (c == 'K')
            o->kills = atol(optarg);
        else if (c == 's')
            o->seconds = atof(optarg);
        else if (c == 'k')
            o->kills_per_second = atof(optarg);
        else if (c == 'r')
            o->seed = strtoull(optarg, NULL, 10);
        else
            return false;
    }
    o->dirs = argv + optind;
    o->n_dirs = argc - optind;
    return o->method && o->n_dirs > 0 && o->locks > 0 && o->processes > 0 &&
           o->processes <= MAX_PROCESSES;
}

int main(int argc, char **argv)
{
    Hammer hammer = {.options = {
                         .processes = 16,
                         .locks = 4,
                         .acquisitions = 20000,
                         .kills_per_second = 50,
                         .seconds = 60,
                         .seed = (uint64_t)hammer_history_now() % 1000000 + 1,
                         .method = hammer_method_find("mkdir"),
                     }};
    Options *o = &hammer.options;
    if (!parse(argc, argv, o))
        return usage();
    hammer.random = o->seed * 0x9E3779B97F4A7C15ULL | 1;
    size_t lives = (size_t)(o->processes + 2 * o->kills_per_second * o->seconds) + 1000;
    hammer.history = hammer_history_new((size_t)(o->acquisitions + o->kills * 1000) + 65536, lives);
    hammer.counts = mmap(NULL, sizeof(*hammer.counts), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!hammer.history || hammer.counts == MAP_FAILED) {
        fprintf(stderr, "hammer: no memory\n");
        return 1;
    }
    make_own_files(o);
    run(&hammer);
    return report(&hammer);
}
