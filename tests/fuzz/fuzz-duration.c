/* Any bytes as a span of time: what is accepted is not negative, what is refused leaves the result
 * alone. */
#include "base/duration.h"

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    int64_t ns = -1;
    bool accepted = duration_parse(text, &ns);
    g_assert_true(accepted ? ns >= 0 : ns == -1);
    return 0;
}
