/* A list of helpers: a bad line has a number and adds nothing. */
#include "proc/helper-list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HelperList *list = helper_list_new_shipped();
    int line = 0;
    bool good = helper_list_add_text(list, (const char *)data, size, &line);
    if (good != (line == 0))
        abort();
    helper_list_free(list);
    return 0;
}
