/* Which processes hand over what they make to the one that started them.
 *
 * A helper program does, by the name of its executable or, for multi-call binaries, of its applet.
 * A shell does when it is a forked subshell: its parent runs the same file in the same memory
 * image. exec draws new addresses for a program's arguments and environment, so parent and child
 * that agree on all of them were one program when the child was forked. (Where addresses are not
 * randomized, a shell that starts the same shell with arguments of the same length agrees as well
 * and is taken for a subshell.)
 *
 * A parent must also be one that can have started the child: a child that is no session leader
 * keeps the session it was started in, so where the parent is in another one, it only adopted an
 * orphan.
 */
#ifndef LOCKFS_PROC_HANDOVER_H
#define LOCKFS_PROC_HANDOVER_H

#include "proc/helper-list.h"
#include "proc/pidref.h"

/* A process on the way up, with what /proc/PID/stat said when it was opened. */
typedef struct {
    Pidref ref;
    ProcStat stat;
} Handover;

#define HANDOVER_NONE ((Handover){.ref = PIDREF_NONE})
#define AUTO_HANDOVER __attribute__((cleanup(handover_done)))

void handover_done(Handover *who);

/* What the program that `who` runs is. -ESRCH and the like: cannot tell. */
int handover_kind(const Proc *proc, const HelperList *helpers, const Handover *who,
                  HelperKind *kind);

/* Climbs from `start`, which is of this kind, while the process reached hands over. 1: *out is
 * another process, and *below the one under it that handed over to it last (HANDOVER_NONE where
 * that is `start` itself); 0: `start` keeps what it makes, both are untouched; negative errno:
 * cannot tell. A step that cannot be proven is not taken. */
int handover_climb(const Proc *proc, const HelperList *helpers, const Handover *start,
                   HelperKind kind, Handover *out, Handover *below);

/* The process that started `child`. -ESRCH: none that could be an owner (process 1 of the machine,
 * a kernel thread, outside our namespace, one that adopted it); or it died. */
int handover_starter(const Proc *proc, const Handover *child, Handover *out);

/* Does this error mean that a step has no proof (and not that we lack the means to look)? */
bool handover_unproven(int err);

#endif
