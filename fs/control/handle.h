/* Inside control/: the state behind control.h. */
#ifndef LOCKFS_CONTROL_HANDLE_H
#define LOCKFS_CONTROL_HANDLE_H

#include "control/control.h"
#include "control/viewer.h"

/* A read of `events` that waits, or a poll. */
typedef struct {
    ControlAnswer answer;
    void *request;
    size_t size;
} HandlePending;

typedef struct {
    uint64_t fh;
    uint64_t dir;
    VirtualNodeKind kind;
    Viewer viewer;
    GString *text; /* what is to be read */
    size_t read;   /* of an answer */
    /* events only, under Control.lock */
    GQueue lines;        /* of char*, to be read */
    size_t read_of_head; /* bytes of the first that have been read */
    uint64_t lost;
    GQueue pending; /* of HandlePending */
    ControlWake wake, drop;
    void *wake_handle;
} ControlHandle;

struct Control {
    Engine *engine;
    const ControlUpgrade *upgrade; /* NULL: none is possible */
    pthread_mutex_t lock;          /* after the engine's */
    GHashTable *handles;           /* fh → ControlHandle */
    uint64_t last_fh;
    uint64_t sequence; /* of events */
    unsigned listeners;
};

ControlHandle *control_find_handle(Control *control, uint64_t fh);

/* events.c: a reader came, or goes. */
void events_join(Control *control, ControlHandle *handle);
void events_leave(Control *control, ControlHandle *handle);

/* text.c */
void text_locks(Control *control, ControlHandle *handle);
void text_healed(Control *control, ControlHandle *handle);
void text_observed(Control *control, ControlHandle *handle);

/* figures.c */
void figures_stats(Control *control, ControlHandle *handle);
void figures_metrics(Control *control, ControlHandle *handle);

/* steering.c: 0 or negative errno; the answer goes to handle->text. */
int steering_run(Control *control, const Caller *caller, ControlHandle *handle, const char *line,
                 size_t size);

#endif
