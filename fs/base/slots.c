#include "base/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory is taken this much at a time, so that taking it costs nothing per record. */
#define GROW_BYTES (256 * 1024)

int slot_file_new(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int slot_array_init(SlotArray *array, int fd, uint64_t offset, size_t record, uint32_t max)
{
    size_t window = record * ((size_t)max + 1);
    void *base =
        mmap(NULL, window, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    if (base == MAP_FAILED)
        return -errno;
    *array = (SlotArray){.base = base, .record = record, .max = max, .fd = fd, .offset = offset};
    return 0;
}

void slot_array_done(SlotArray *array)
{
    if (array->base)
        munmap(array->base, array->record * ((size_t)array->max + 1));
    *array = (SlotArray){.fd = -1};
}

/* Puts memory behind more slots. fallocate, not ftruncate: a file without room must fail here with
 * an error and not later with SIGBUS on a store. */
static bool grow(SlotArray *array)
{
    uint64_t have = (uint64_t)array->record * (array->grown + 1ULL);
    if (array->grown == 0)
        have = 0;
    if (fallocate(array->fd, 0, (off_t)(array->offset + have), GROW_BYTES) != 0)
        return false;
    uint64_t slots = (have + GROW_BYTES) / array->record - 1;
    array->grown = slots > array->max ? array->max : (uint32_t)slots;
    return true;
}

uint32_t slot_reserve(SlotArray *array)
{
    uint32_t index = array->free_head;
    if (index) {
        SlotHead *head = slot_at(array, index);
        array->free_head = head->next_free;
        memset(head + 1, 0, array->record - sizeof *head);
        head->next_free = 0;
    } else {
        if (array->used == array->max)
            return 0;
        if (array->used == array->grown && !grow(array))
            return 0;
        index = ++array->used; /* slot 0 is never used: 0 means none */
    }
    array->live++;
    return index;
}

void slot_publish(SlotArray *array, uint32_t index)
{
    SlotHead *head = slot_at(array, index);
    __atomic_store_n(&head->generation, head->generation + 1, __ATOMIC_RELEASE);
}

void slot_release(SlotArray *array, uint32_t index)
{
    SlotHead *head = slot_at(array, index);
    if (head->generation & 1)
        __atomic_store_n(&head->generation, head->generation + 1, __ATOMIC_RELEASE);
    head->next_free = array->free_head;
    array->free_head = index;
    array->live--;
}
