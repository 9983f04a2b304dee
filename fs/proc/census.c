#include "proc/census.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define HOST_UNKNOWN 0

struct Census {
    int64_t real_ns, boot_ns;
    bool complete;
    GArray *entries;   /* of CensusEntry, by number */
    GPtrArray *hosts;  /* names, NULL-terminated once taken */
    GHashTable *by_id; /* uts namespace → index in hosts + 1; while it is taken */
};

static gint by_number(gconstpointer a, gconstpointer b)
{
    const CensusEntry *one = a, *other = b;
    return one->number < other->number ? -1 : one->number > other->number;
}

/* --- host names --- */

typedef struct {
    int ns;
    struct utsname name;
    bool found;
} Visit;

static void *visit(void *data)
{
    Visit *v = data;
    v->found = setns(v->ns, CLONE_NEWUTS) == 0 && uname(&v->name) == 0;
    return NULL;
}

/* A namespace is entered by a thread of its own, which ends there. */
static bool visit_host(const Proc *proc, pid_t pid, struct utsname *name)
{
    char path[64];
    pthread_t thread;
    snprintf(path, sizeof path, "%d/ns/uts", (int)pid);
    AUTO_FD int ns = openat(proc_dirfd(proc), path, O_RDONLY | O_CLOEXEC);
    Visit v = {.ns = ns};
    if (ns < 0 || pthread_create(&thread, NULL, visit, &v) != 0)
        return false;
    pthread_join(thread, NULL);
    if (v.found)
        *name = v.name;
    return v.found;
}

static uint32_t add_host(Census *census, uint64_t id, const char *name)
{
    if (name)
        g_ptr_array_add(census->hosts, g_strdup(name));
    uint32_t index = name ? census->hosts->len : HOST_UNKNOWN;
    g_hash_table_insert(census->by_id, GSIZE_TO_POINTER(id), GUINT_TO_POINTER(index));
    return index;
}

static uint32_t host_of(Census *census, const Proc *proc, pid_t pid)
{
    uint64_t id;
    gpointer index;
    struct utsname name;
    if (proc_ns_id(proc, pid, "uts", &id) < 0)
        return HOST_UNKNOWN;
    if (g_hash_table_lookup_extended(census->by_id, GSIZE_TO_POINTER(id), NULL, &index))
        return GPOINTER_TO_UINT(index);
    return add_host(census, id, visit_host(proc, pid, &name) ? name.nodename : NULL);
}

static void add_own_host(Census *census, const Proc *proc)
{
    uint64_t id;
    struct utsname name;
    if (uname(&name) == 0)
        add_host(census, proc_ns_id(proc, getpid(), "uts", &id) == 0 ? id : 0, name.nodename);
}

/* --- processes --- */

/* In one of the first `depth` namespaces. */
static bool has_number(const ProcStatus *status, int depth, pid_t number)
{
    for (int i = 0; i < depth; i++)
        if (status->ns_pids[i] == number)
            return true;
    return false;
}

static int add_process(void *ctx, const Proc *proc, pid_t pid)
{
    Census *census = ctx;
    ProcStatus status;
    int r = proc_status(proc, pid, &status);
    if (r < 0) {
        census->complete = census->complete && r == -ESRCH; /* it has ended */
        return 0;
    }
    CensusEntry entry = {.number = pid, .pid = pid, .host = host_of(census, proc, pid)};
    g_array_append_val(census->entries, entry);
    for (int i = 1; i < status.ns_depth; i++) {
        entry.number = status.ns_pids[i];
        if (!has_number(&status, i, entry.number))
            g_array_append_val(census->entries, entry);
    }
    return 0;
}

/* With hidepid, others' processes are not shown, process 1 among them. */
static bool sees_all(const Proc *proc)
{
    ProcStatus status;
    return proc_in_initial_pid_ns(proc) && proc_status(proc, 1, &status) == 0;
}

int census_take(const Proc *proc, Census **out)
{
    Census *census = g_new0(Census, 1);
    census->real_ns = clock_real_ns();
    census->boot_ns = clock_boot_ns();
    census->complete = sees_all(proc);
    census->entries = g_array_new(FALSE, FALSE, sizeof(CensusEntry));
    census->hosts = g_ptr_array_new_with_free_func(g_free);
    census->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
    add_own_host(census, proc);
    int r = proc_each(proc, add_process, census);
    if (r < 0) {
        census_free(census);
        return r;
    }
    g_ptr_array_add(census->hosts, NULL);
    g_array_sort(census->entries, by_number);
    *out = census;
    return 0;
}

void census_free(Census *census)
{
    if (!census)
        return;
    g_array_unref(census->entries);
    g_ptr_array_unref(census->hosts);
    g_hash_table_unref(census->by_id);
    g_free(census);
}

int64_t census_real_ns(const Census *census)
{
    return census->real_ns;
}

int64_t census_boot_ns(const Census *census)
{
    return census->boot_ns;
}

bool census_is_complete(const Census *census)
{
    return census->complete;
}

const CensusEntry *census_find(const Census *census, pid_t number, unsigned *n)
{
    guint at;
    CensusEntry wanted = {.number = number};
    *n = 0;
    if (!g_array_binary_search(census->entries, &wanted, by_number, &at))
        return NULL;
    const CensusEntry *entries = &g_array_index(census->entries, CensusEntry, 0);
    while (at > 0 && entries[at - 1].number == number)
        at--;
    while (at + *n < census->entries->len && entries[at + *n].number == number)
        ++*n;
    return &entries[at];
}

const char *census_host(const Census *census, const CensusEntry *entry)
{
    return entry->host == HOST_UNKNOWN ? NULL : g_ptr_array_index(census->hosts, entry->host - 1);
}

const char *const *census_hosts(const Census *census)
{
    return (const char *const *)census->hosts->pdata;
}
