#include "status.h"

#include "quote.h"

#include <stdarg.h>
#include <stdio.h>

Status status_fail(Status status, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *shown = path ? quote_name(path) : NULL;
    fprintf(stderr, "lockfs-ctl: %s%s%s\n", shown ? shown : "", shown ? ": " : "", text);
    return status;
}
