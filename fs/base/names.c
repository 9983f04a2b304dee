#include "base/names.h"

#include <glib.h>
#include <string.h>

#define CLASS_SHIFT 30
#define INDEX_MASK ((1U << CLASS_SHIFT) - 1)

#define NAME_MAX_LENGTH 255
#define PATH_MAX_LENGTH (4095 - sizeof(SlotHead))

static const size_t class_bytes[NAMES_CLASSES] = {40, 72, 272, 4096};

int names_init(Names *names, int fd, uint64_t offset, uint64_t paths_offset, uint32_t max)
{
    memset(names, 0, sizeof *names);
    for (unsigned c = 0; c < NAMES_CLASSES; c++) {
        uint64_t at = c == NAMES_CLASSES - 1 ? paths_offset : offset + c * (1ULL << 40);
        int r = slot_array_init(&names->classes[c], fd, at, class_bytes[c],
                                max < INDEX_MASK ? max : INDEX_MASK);
        if (r < 0) {
            names_done(names);
            return r;
        }
    }
    return 0;
}

void names_done(Names *names)
{
    for (unsigned c = 0; c < NAMES_CLASSES; c++)
        slot_array_done(&names->classes[c]);
}

static NameRef add(Names *names, const char *text, size_t length)
{
    unsigned c = 0;
    while (sizeof(SlotHead) + length + 1 > class_bytes[c])
        c++;
    uint32_t index = slot_reserve(&names->classes[c]);
    if (!index)
        return 0;
    char *record = slot_at(&names->classes[c], index);
    memcpy(record + sizeof(SlotHead), text, length + 1);
    slot_publish(&names->classes[c], index);
    return (c << CLASS_SHIFT) | index;
}

NameRef names_add(Names *names, const char *name)
{
    size_t length = strlen(name);
    return length > NAME_MAX_LENGTH ? 0 : add(names, name, length);
}

NameRef names_add_path(Names *names, const char *path)
{
    size_t length = strlen(path);
    size_t skip = length > PATH_MAX_LENGTH ? length - PATH_MAX_LENGTH : 0;
    return add(names, path + skip, length - skip);
}

void names_remove(Names *names, NameRef ref)
{
    if (ref)
        slot_release(&names->classes[ref >> CLASS_SHIFT], ref & INDEX_MASK);
}

const char *names_get(const Names *names, NameRef ref)
{
    if (!ref)
        return "";
    const char *record = slot_peek(&names->classes[ref >> CLASS_SHIFT], ref & INDEX_MASK);
    return record + sizeof(SlotHead);
}

bool names_holds(const Names *names, NameRef ref)
{
    uint32_t class = ref >> CLASS_SHIFT;
    if (ref == 0)
        return true;
    return class < NAMES_CLASSES && slot_is_used(&names->classes[class], ref & INDEX_MASK) &&
           memchr(names_get(names, ref), '\0', class_bytes[class] - sizeof(SlotHead)) != NULL;
}

NamesMarks *names_marks_new(const Names *names)
{
    NamesMarks *marks = g_new0(NamesMarks, 1);
    for (unsigned c = 0; c < NAMES_CLASSES; c++)
        marks->classes[c] = g_malloc0(names->classes[c].used + 1);
    return marks;
}

void names_mark(NamesMarks *marks, NameRef ref)
{
    if (ref)
        marks->classes[ref >> CLASS_SHIFT][ref & INDEX_MASK] = 1;
}

void names_sweep(Names *names, NamesMarks *marks)
{
    for (unsigned c = 0; c < NAMES_CLASSES; c++) {
        for (uint32_t i = 1; i <= names->classes[c].used; i++)
            if (slot_is_used(&names->classes[c], i) && !marks->classes[c][i])
                slot_release(&names->classes[c], i);
        g_free(marks->classes[c]);
    }
    g_free(marks);
}
