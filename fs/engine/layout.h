/* Where the tables lie in the state file and how large their records are, for each version of
 * lockfs that wrote such files.
 *
 * To change a record: append the new field to the struct, where zero means what was before; count
 * LAYOUT_VERSION up; add a row to `versions` in layout.c with the sizes that the records had until
 * now; and, where zero is not enough, a function to the row's `convert`.
 * tests/mount/takeover-layout.t runs a daemon that writes the version before and lets the present
 * one take over.
 *
 * A table whose record has grown is copied to its other window in the file (each has two); which
 * one is in force is said by one store, after which the old ones are given back. Killed before
 * that, it is done again; nobody works on the tables meanwhile.
 */
#ifndef LOCKFS_ENGINE_LAYOUT_H
#define LOCKFS_ENGINE_LAYOUT_H

#include "base/slots.h"

/* 1: the header does not name the device. 2: handles do not say how and by whom they were opened.
 */
#define LAYOUT_VERSION 3

typedef enum {
    LAYOUT_NODES,
    LAYOUT_HANDLES,
    LAYOUT_CLAIMS,
    LAYOUT_OWNERS,
    LAYOUT_TABLES,
} LayoutTable;

typedef struct {
    uint32_t version;
    uint32_t moved; /* bits: the table lies in its other window */
    SlotPlace tables[LAYOUT_TABLES];
} Layout;

/* The tables and the journal's own record, added up: what a header says of its file; 0: no such
 * version. */
uint32_t layout_record_sizes(uint32_t version);

/* What the file says; `otherwise`: its version where it does not. 0 or negative errno; -EPROTO: no
 * such version. */
int layout_read(int file, uint32_t otherwise, Layout *layout);

/* A new file is of this version. 0 or negative errno. */
int layout_write(int file, uint32_t version);

/* Writes the tables, whose user is stopped, as the present version has them. `otherwise`: as for
 * layout_read(). 0, also when nothing was to be done, or negative errno. */
int layout_convert(int file, uint32_t otherwise);

#endif
