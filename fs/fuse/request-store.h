/* The requests that were read from the kernel and not answered yet, where they survive the process.
 *
 * The one being served lies in `buffer`, into which the kernel writes it: from that moment on it is
 * there for the next process. The length at its beginning is 0 while there is none. Those that wait
 * in the pool are small and are copied.
 *
 * A request at which a thread of the pool was when the process died may be what it died of. It is a
 * suspect from then on and is served alone, so that the next death shows whose fault it is.
 */
#ifndef LOCKFS_FUSE_REQUEST_STORE_H
#define LOCKFS_FUSE_REQUEST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_IO_SIZE (1024 * 1024)

/* The largest request: a write of as much as libfuse lets the kernel send, and its headers. */
#define REQUEST_BUFFER_SIZE (REQUEST_IO_SIZE + 64 * 1024)

#define REQUEST_COPY_SIZE 248
#define REQUEST_COPIES 1024
#define REQUEST_SUSPECTS 16

/* The kernel's number of a request that it sends again has this bit. */
#define REQUEST_RESENT (1ULL << 63)

typedef struct {
    uint32_t size;    /* 0: free */
    uint32_t running; /* a thread of the pool is at it */
    char bytes[REQUEST_COPY_SIZE];
} RequestCopy;

// The buffer begins a page. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
typedef struct {
    uint32_t init_size; /* of the request that began the connection */
    uint32_t init_answered;
    char init[REQUEST_COPY_SIZE];
    RequestCopy copies[REQUEST_COPIES];
    char buffer[REQUEST_BUFFER_SIZE] __attribute__((aligned(4096)));
    uint64_t suspects[REQUEST_SUSPECTS]; /* their numbers; the oldest go first */
    uint32_t n_suspects;                 /* counts all that ever were */
} RequestStore;

/* Maps the store in the state file, new or with what a dead process left. */
int request_store_new(int file, RequestStore **out);

/* For who only looks whether a request is pending, from another process: takes no memory. */
int request_store_watch(int file, const RequestStore **out);
void request_store_free(RequestStore *requests);

void request_store_note_init(RequestStore *requests, const char *request, size_t size);

/* Bytes of the request in the buffer; 0: none. */
size_t request_store_pending(const RequestStore *requests);
void request_store_clear_buffer(RequestStore *requests);

/* The kernel's number for the request in the buffer. */
uint64_t request_store_unique(const RequestStore *requests);

/* Copies the request in the buffer. The number of the copy, or -1: it is too large, or there are
 * too many. From the serving thread; the copy may be dropped from any. */
int request_store_copy(RequestStore *requests);
void request_store_drop(RequestStore *requests, unsigned copy);
void request_store_drop_all(RequestStore *requests);

/* The one of the request in the buffer, if there is one. */
void request_store_drop_own(RequestStore *requests);

/* Puts a copy into the buffer. Its size; 0: there is none of that number. */
size_t request_store_load(RequestStore *requests, unsigned copy);

void request_store_set_running(RequestStore *requests, unsigned copy);

/* After a death: what was running is suspect. */
void request_store_suspect(RequestStore *requests);
bool request_store_is_suspect(const RequestStore *requests, uint64_t unique);

#endif
