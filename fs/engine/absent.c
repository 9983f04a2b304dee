#include "engine/absent.h"

#include "base/index.h"

#include <string.h>

static unsigned slot_of(uint64_t dir, const char *name)
{
    return (unsigned)(index_hash_name(dir, name) % ABSENT_SLOTS);
}

void absent_note(AbsentNames *names, uint64_t dir, const char *name)
{
    size_t size = strlen(name) + 1;
    unsigned slot = slot_of(dir, name);
    if (size > ABSENT_NAME_SIZE)
        return;
    names->slots[slot].dir = dir;
    memcpy(names->slots[slot].name, name, size);
}

void absent_clear(AbsentNames *names, uint64_t dir, const char *name)
{
    if (absent_has(names, dir, name))
        names->slots[slot_of(dir, name)].dir = 0;
}

bool absent_has(const AbsentNames *names, uint64_t dir, const char *name)
{
    unsigned slot = slot_of(dir, name);
    return names->slots[slot].dir == dir && strcmp(names->slots[slot].name, name) == 0;
}
