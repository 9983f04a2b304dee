/* The installed program takes over: who asked, what came of it. Written down in the state file,
 * because nobody who takes part in it sees the whole: the keeper asks the installed program and
 * becomes it, the next worker serves, and whoever waits for the outcome does so through a worker.
 *
 *     NONE --(SIGUSR1 to the keeper)--> CHECKING --> REFUSED
 *                                          +-------> STARTING --(it serves)--> DONE
 */
#ifndef LOCKFS_DAEMON_UPGRADE_H
#define LOCKFS_DAEMON_UPGRADE_H

#include "control/control.h"

#include <sys/types.h>

/* In the keeper. false: the installed program cannot take over, and a message was logged. */
bool upgrade_is_possible(int state);

/* In the keeper, the worker being dead: returns when the program could not be started. */
void upgrade_start(int state);

/* In a worker that serves now: ends an upgrade that was under way. */
void upgrade_served(int state);

typedef struct {
    int state;
    pid_t keeper; /* 0: there is none */
} Upgrade;

/* ControlUpgrade.ask and .result with an Upgrade. */
int upgrade_ask(void *ctx, uint32_t *number);
int upgrade_result(void *ctx, ControlUpgradeResult *result);

#endif
