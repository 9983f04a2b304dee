/* The subcommands: one file each, one row in the table of main.c. */
#ifndef LOCKFS_CLI_SUBCOMMAND_H
#define LOCKFS_CLI_SUBCOMMAND_H

#include "record.h"
#include "status.h"
#include "table.h"
#include "target.h"

#include <glib.h>

/* Parses the options of a subcommand: `usage` is what follows its name, `about` what --help says
 * below (may be NULL). What is left in argv are the arguments, of which there must be min to max
 * (-1: no limit). Returns STATUS_DONE to go on; ends the process after --help. */
Status subcommand_parse(int *argc, char ***argv, const GOptionEntry *options, const char *usage,
                        const char *summary, const char *about, int min, int max);

Status list_run(int argc, char **argv);
Status show_run(int argc, char **argv);
Status explain_run(int argc, char **argv);
Status wait_run(int argc, char **argv);
Status run_run(int argc, char **argv);
Status break_run(int argc, char **argv);
Status transfer_run(int argc, char **argv);
Status watch_run(int argc, char **argv);
Status top_run(int argc, char **argv);
Status healed_run(int argc, char **argv);
Status restore_run(int argc, char **argv);
Status stats_run(int argc, char **argv);
Status metrics_run(int argc, char **argv);
Status graph_run(int argc, char **argv);
Status presets_run(int argc, char **argv);
Status suggest_run(int argc, char **argv);
Status doctor_run(int argc, char **argv);
Status upgrade_run(int argc, char **argv);

/* list.c: the columns of claims, oldest claim first. */
extern const TableColumn list_columns[];
void list_sort(JsonArray **records);

#endif
