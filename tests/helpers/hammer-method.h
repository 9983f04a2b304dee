/* The ways programs take a lock, each as a pair of functions. */
#ifndef LOCKFS_TESTS_HAMMER_METHOD_H
#define LOCKFS_TESTS_HAMMER_METHOD_H

#include <stdbool.h>

typedef struct {
    const char *name;
    /* 1: taken, 0: somebody else has it, negative errno: anything else. `own` is a path of this
     * process, in the same directory, that is no lock name. */
    int (*acquire)(const char *lock, const char *own);
    int (*release)(const char *lock);
    bool needs_own_file; /* `own` must be there as a file before */
} HammerMethod;

const HammerMethod *hammer_method_find(const char *name);
const char *hammer_method_names(void);

#endif
