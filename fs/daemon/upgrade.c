#include "daemon/upgrade.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/resume.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a page of its own, behind the header. */
#define RECORD_AT (ENGINE_HEADER_AT + (1ULL << 20))

/* ControlUpgradeResult, and when it began. */
typedef struct {
    ControlUpgradeResult result;
    int64_t begun_ns;
} Record;

static int read_record(int state, Record *record)
{
    ssize_t n = pread(state, record, sizeof *record, RECORD_AT);
    if (n < 0)
        return -errno;
    if (n < (ssize_t)sizeof *record)
        memset((char *)record + n, 0, sizeof *record - (size_t)n); /* nothing was written yet */
    return 0;
}

static void write_record(int state, const Record *record)
{
    if (pwrite(state, record, sizeof *record, RECORD_AT) < 0)
        log_warning("cannot write down what came of an upgrade: %s", strerror(errno));
}

/* The connection to the log is a descriptor, and the keeper shares its table with a worker. */
static void log_apart(const char *problem)
{
    pid_t child = fork();
    if (child == 0) {
        log_error("the installed program does not take over: %s", problem);
        _exit(0);
    }
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void refuse(int state, Record *record, const char *problem)
{
    record->result.outcome = CONTROL_UPGRADE_REFUSED;
    g_strlcpy(record->result.problem, problem, sizeof record->result.problem);
    write_record(state, record);
    log_apart(problem);
}

bool upgrade_is_possible(int state)
{
    Record record;
    ResumeInstalled installed;
    if (read_record(state, &record) < 0)
        return false;
    record = (Record){.result = {.number = record.result.number + 1,
                                 .outcome = CONTROL_UPGRADE_CHECKING,
                                 .old_layout = resume_version()},
                      .begun_ns = clock_boot_ns()};
    g_strlcpy(record.result.old_version, LOCKFS_VERSION, sizeof record.result.old_version);
    write_record(state, &record);
    if (!resume_ask_installed(state, &installed)) {
        refuse(state, &record, installed.problem);
        return false;
    }
    record.result.outcome = CONTROL_UPGRADE_STARTING;
    record.result.new_layout = installed.layout;
    g_strlcpy(record.result.new_version, installed.version, sizeof record.result.new_version);
    write_record(state, &record);
    return true;
}

void upgrade_start(int state)
{
    Record record;
    g_autofree char *problem =
        g_strdup_printf("it cannot be started: %s", strerror(-resume_exec(state, true)));
    if (read_record(state, &record) == 0)
        refuse(state, &record, problem);
}

void upgrade_served(int state)
{
    Record record;
    if (read_record(state, &record) < 0 || record.result.outcome != CONTROL_UPGRADE_STARTING)
        return;
    record.result.outcome = CONTROL_UPGRADE_DONE;
    record.result.took_ns = clock_boot_ns() - record.begun_ns;
    write_record(state, &record);
    log_info("version %s (layout %u) has taken over from version %s (layout %u) in %.1f ms",
             record.result.new_version, record.result.new_layout, record.result.old_version,
             record.result.old_layout, (double)record.result.took_ns / (double)CLOCK_NS_PER_MS);
}

int upgrade_ask(void *ctx, uint32_t *number)
{
    const Upgrade *upgrade = ctx;
    Record record;
    int r = upgrade->keeper ? read_record(upgrade->state, &record) : -EOPNOTSUPP;
    if (r == 0 && kill(upgrade->keeper, SIGUSR1) != 0)
        r = -errno;
    if (r == 0)
        *number = record.result.number + 1;
    return r;
}

int upgrade_result(void *ctx, ControlUpgradeResult *result)
{
    const Upgrade *upgrade = ctx;
    Record record;
    int r = read_record(upgrade->state, &record);
    if (r == 0)
        *result = record.result;
    return r;
}
