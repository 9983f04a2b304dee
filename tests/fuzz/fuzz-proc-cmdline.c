/* /proc/PID/cmdline: every argument lies inside the text. */
#include "proc/proc-text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *arg;
    size_t len;
    for (int n = 0; n < 8 && proc_text_argument(text, size, n, &arg, &len); n++)
        if (arg < text || arg + len > text + size || memchr(arg, 0, len))
            abort();
    return 0;
}
