/* Inside control/: the state behind control.h. */
#ifndef LOCKFS_CONTROL_HANDLE_H
#define LOCKFS_CONTROL_HANDLE_H

#include "control/control.h"
#include "control/viewer.h"

/* What another worker must know of an open file. Kept with the engine's records. */
typedef struct {
    SlotHead head;
    uint64_t dir;
    Viewer viewer;           /* but for the pointer in it */
    uint64_t length;         /* of the text */
    uint64_t read;           /* of an answer */
    uint64_t offered, taken; /* events: lines */
    uint64_t poll_handle;    /* events: the kernel's number for who polls; 0: nobody */
    uint8_t kind;            /* VirtualNodeKind */
    bool opened;             /* the open was answered, or is about to be */
    bool torn;               /* events: part of a line has been read */
} ControlRecord;

G_STATIC_ASSERT(sizeof(ControlRecord) <= ENGINE_ABOVE_RECORD);

/* Read as one event, which stands for `counts` of them. */
typedef struct {
    uint64_t counts;
    char *text;
} EventLine;

/* A read of `events` that waits. */
typedef struct {
    ControlAnswer answer;
    void *request;
    size_t size;
} HandlePending;

typedef struct {
    uint64_t fh;
    uint32_t slot; /* of its ControlRecord */
    uint64_t dir;
    VirtualNodeKind kind;
    Viewer viewer;
    GString *text;  /* what is to be read */
    bool forgotten; /* the text was in a worker that has died */
    size_t read;    /* of an answer */
    /* events only, under Control.lock */
    GQueue lines;        /* of EventLine, to be read */
    size_t read_of_head; /* bytes of the first that have been read */
    uint64_t lost;
    bool torn;      /* the end of a line is missing */
    GQueue pending; /* of HandlePending */
    uint64_t poll_handle;
} ControlHandle;

struct Control {
    Engine *engine;
    const ControlUpgrade *upgrade; /* NULL: none is possible */
    pthread_mutex_t lock;          /* after the engine's */
    GHashTable *handles;           /* fh → ControlHandle */
    ControlWake wake;
    void *wake_ctx;
    uint64_t *sequence; /* of events; in the state */
    unsigned listeners;
};

/* In an operation. */
static inline ControlRecord *control_record(const Control *control, const ControlHandle *handle)
{
    return slot_at(&control->engine->above, handle->slot);
}

/* Outside of one: to look, and for single stores. */
static inline ControlRecord *control_record_peek(const Control *control,
                                                 const ControlHandle *handle)
{
    return slot_peek(&control->engine->above, handle->slot);
}

ControlHandle *control_find_handle(Control *control, uint64_t fh);

/* events.c: a reader came, or goes. */
void events_join(Control *control, ControlHandle *handle);
void events_leave(Control *control, ControlHandle *handle);

/* The reader was one of a worker that has died. */
void events_take_up(Control *control, ControlHandle *handle);

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
