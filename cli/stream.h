/* The events of a mount, one after another, without polling. */
#ifndef LOCKFS_CLI_STREAM_H
#define LOCKFS_CLI_STREAM_H

#include "target.h"

#include <stdint.h>

typedef struct {
    int fd;
    GString *text; /* read, and not handed out */
} Stream;

#define STREAM_NONE ((Stream){.fd = -1})

/* What happens from now on. */
Status stream_open(const Target *target, Stream *out);
void stream_done(Stream *stream);

#define AUTO_STREAM __attribute__((cleanup(stream_done)))

/* The next line, without its end; NULL when there is none before `deadline` (boot clock in ns;
 * INT64_MAX: none). Negative errno in *error when the mount is gone, else 0. Free with g_free(). */
char *stream_next(Stream *stream, int64_t deadline, int *error);

/* Waits for anything at all, and throws away what has come. false: the deadline has passed. */
bool stream_wait(Stream *stream, int64_t deadline, int *error);

#endif
