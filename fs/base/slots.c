#include "base/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Memory is taken this much at a time, so that taking it costs nothing per record. */
#define FIRST_BYTES (32 * 1024)
#define GROW_BYTES (256 * 1024)

int slot_file_new(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int slot_file_map(int fd, uint64_t offset, size_t size, void **out)
{
    if (fallocate(fd, 0, (off_t)offset, (off_t)size) != 0)
        return -errno;
    void *base =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
    if (base == MAP_FAILED)
        return -errno;
    *out = base;
    return 0;
}

void slot_file_unmap(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

/* Puts memory behind more slots. fallocate, not ftruncate: a file without room must fail here with
 * an error and not later with SIGBUS on a store. */
static bool grow(SlotArray *array)
{
    uint64_t have = (uint64_t)array->record * (array->grown + 1ULL);
    uint64_t step = array->grown == 0 ? FIRST_BYTES : GROW_BYTES;
    if (array->grown == 0)
        have = 0;
    if (fallocate(array->fd, 0, (off_t)(array->offset + have), (off_t)step) != 0)
        return false;
    uint64_t slots = (have + step) / array->record - 1;
    array->grown = slots > array->max ? array->max : (uint32_t)slots;
    slot_extent(array)->grown = array->grown;
    return true;
}

static bool is_all_there(const SlotArray *array, uint32_t slots)
{
    struct stat st;
    return fstat(array->fd, &st) == 0 &&
           array->offset + array->record * (slots + 1ULL) <= (uint64_t)st.st_size;
}

static int take_up(SlotArray *array)
{
    const SlotExtent *extent = slot_extent(array);
    if (extent->record != array->record || extent->used > extent->grown ||
        extent->grown > array->max || !is_all_there(array, extent->grown))
        return -EPROTO;
    array->grown = extent->grown;
    array->used = extent->used;
    slot_array_count(array);
    return 0;
}

int slot_array_init(SlotArray *array, int fd, uint64_t offset, size_t record, uint32_t max)
{
    size_t window = record * ((size_t)max + 1);
    void *base =
        mmap(NULL, window, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    if (base == MAP_FAILED)
        return -errno;
    *array = (SlotArray){.base = base, .record = record, .max = max, .fd = fd, .offset = offset};
    /* Nothing is there yet, or the first piece is there already: then nothing happens to it. */
    int r = fallocate(fd, 0, (off_t)offset, FIRST_BYTES) != 0 ? -errno : 0;
    if (r == 0 && slot_extent(array)->record != 0)
        r = take_up(array);
    else if (r == 0)
        slot_extent(array)->record = (uint32_t)record;
    if (r < 0)
        slot_array_done(array);
    return r;
}

void slot_array_done(SlotArray *array)
{
    if (array->base)
        munmap(array->base, array->record * ((size_t)array->max + 1));
    *array = (SlotArray){.fd = -1};
}

void slot_array_count(SlotArray *array)
{
    array->free_head = array->live = 0;
    for (uint32_t i = array->used; i > 0; i--) {
        if (slot_is_used(array, i)) {
            array->live++;
            continue;
        }
        SlotHead *head = slot_peek(array, i);
        head->next_free = array->free_head;
        array->free_head = i;
    }
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
        slot_extent(array)->used = index;
        slot_at(array, index);
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
