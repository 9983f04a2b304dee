#include "fuse/request-store.h"

#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/mman.h>

static int map(int file, int protection, int flags, void **out)
{
    if (fallocate(file, 0, ENGINE_SERVER_AT, sizeof(RequestStore)) != 0)
        return -errno;
    void *base = mmap(NULL, sizeof(RequestStore), protection, flags, file, ENGINE_SERVER_AT);
    if (base == MAP_FAILED)
        return -errno;
    *out = base;
    return 0;
}

int request_store_new(int file, RequestStore **out)
{
    /* Populated: the kernel writes requests here, and must not have to wait for a page. */
    return map(file, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, (void **)out);
}

int request_store_watch(int file, const RequestStore **out)
{
    return map(file, PROT_READ, MAP_SHARED, (void **)out);
}

void request_store_free(RequestStore *requests)
{
    if (requests)
        munmap(requests, sizeof *requests);
}

void request_store_note_init(RequestStore *requests, const char *request, size_t size)
{
    if (size > sizeof requests->init)
        size = sizeof requests->init;
    memcpy(requests->init, request, size);
    requests->init_size = (uint32_t)size;
}

static struct fuse_in_header *header(const RequestStore *requests)
{
    return (struct fuse_in_header *)requests->buffer;
}

size_t request_store_pending(const RequestStore *requests)
{
    size_t size = __atomic_load_n(&header(requests)->len, __ATOMIC_ACQUIRE);
    return size >= sizeof(struct fuse_in_header) && size <= REQUEST_BUFFER_SIZE ? size : 0;
}

void request_store_clear_buffer(RequestStore *requests)
{
    __atomic_store_n(&header(requests)->len, 0, __ATOMIC_RELEASE);
}

int request_store_copy(RequestStore *requests)
{
    size_t size = request_store_pending(requests);
    if (size == 0 || size > REQUEST_COPY_SIZE)
        return -1;
    for (int i = 0; i < REQUEST_COPIES; i++) {
        RequestCopy *copy = &requests->copies[i];
        if (__atomic_load_n(&copy->size, __ATOMIC_ACQUIRE))
            continue;
        memcpy(copy->bytes, requests->buffer, size);
        __atomic_store_n(&copy->size, (uint32_t)size, __ATOMIC_RELEASE);
        return i;
    }
    return -1;
}

void request_store_drop(RequestStore *requests, unsigned copy)
{
    requests->copies[copy].running = 0;
    __atomic_store_n(&requests->copies[copy].size, 0, __ATOMIC_RELEASE);
}

void request_store_drop_all(RequestStore *requests)
{
    for (unsigned i = 0; i < REQUEST_COPIES; i++)
        request_store_drop(requests, i);
}

static uint64_t unique_of(const char *request)
{
    return ((const struct fuse_in_header *)request)->unique & ~REQUEST_RESENT;
}

uint64_t request_store_unique(const RequestStore *requests)
{
    return unique_of(requests->buffer);
}

void request_store_drop_own(RequestStore *requests)
{
    for (unsigned i = 0; i < REQUEST_COPIES; i++)
        if (requests->copies[i].size &&
            unique_of(requests->copies[i].bytes) == request_store_unique(requests))
            request_store_drop(requests, i);
}

/* The length makes it a request, so it comes last. */
size_t request_store_load(RequestStore *requests, unsigned copy)
{
    const RequestCopy *from = &requests->copies[copy];
    uint32_t size = __atomic_load_n(&from->size, __ATOMIC_ACQUIRE);
    if (size == 0)
        return 0;
    request_store_clear_buffer(requests);
    memcpy(requests->buffer + sizeof size, from->bytes + sizeof size, size - sizeof size);
    __atomic_store_n(&header(requests)->len, size, __ATOMIC_RELEASE);
    return size;
}

void request_store_set_running(RequestStore *requests, unsigned copy)
{
    __atomic_store_n(&requests->copies[copy].running, 1, __ATOMIC_RELEASE);
}

void request_store_suspect(RequestStore *requests)
{
    for (unsigned i = 0; i < REQUEST_COPIES; i++) {
        const RequestCopy *copy = &requests->copies[i];
        if (copy->size && copy->running &&
            !request_store_is_suspect(requests, unique_of(copy->bytes)))
            requests->suspects[requests->n_suspects++ % REQUEST_SUSPECTS] = unique_of(copy->bytes);
    }
}

bool request_store_is_suspect(const RequestStore *requests, uint64_t unique)
{
    for (unsigned i = 0; i < REQUEST_SUSPECTS; i++)
        if (requests->suspects[i] == (unique & ~REQUEST_RESENT))
            return true;
    return false;
}
