/* System calls that an io_uring worker makes in the name of this process. */
#include "command.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LIBURING

#include <fcntl.h>
#include <liburing.h>

typedef void PrepareFn(struct io_uring_sqe *sqe, const char *path);

static void prepare_mkdir(struct io_uring_sqe *sqe, const char *path)
{
    io_uring_prep_mkdirat(sqe, AT_FDCWD, path, 0777);
}

static void prepare_excl(struct io_uring_sqe *sqe, const char *path)
{
    io_uring_prep_openat(sqe, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int submit(struct io_uring *ring, const char *path, bool async, PrepareFn *prepare)
{
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    prepare(sqe, path);
    if (async)
        io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    int result = io_uring_submit(ring);
    if (result >= 0)
        result = io_uring_wait_cqe(ring, &cqe);
    if (result < 0)
        return result;
    result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

static int run(const char *path, const char *how, PrepareFn *prepare)
{
    struct io_uring ring;
    unsigned flags = strcmp(how, "sqpoll") == 0 ? IORING_SETUP_SQPOLL : 0;
    int result = io_uring_queue_init(4, &ring, flags);
    if (result < 0)
        return result;
    result = submit(&ring, path, strcmp(how, "async") == 0, prepare);
    if (result > 0)
        close(result);
    io_uring_queue_exit(&ring);
    return result < 0 ? result : 0;
}

static int do_mkdir(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return run(argv[1], argv[2], prepare_mkdir);
}

static int do_excl(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return run(argv[1], argv[2], prepare_excl);
}

#else

static int do_mkdir(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    return -ENOSYS;
}

static int do_excl(int argc, char **argv, FILE *value)
{
    return do_mkdir(argc, argv, value);
}

#endif

const Command command_uring_table[] = {
    {"uring-mkdir", 2, 2, do_mkdir},
    {"uring-excl", 2, 2, do_excl},
    {NULL, 0, 0, NULL},
};
