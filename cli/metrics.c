#include "subcommand.h"
#include "wire/names.h"

#include <stdio.h>

Status metrics_run(int argc, char **argv)
{
    const GOptionEntry entries[] = {{0}};
    AUTO_TARGET Target target = TARGET_NONE;
    g_autofree char *text = NULL;
    Status status =
        subcommand_parse(&argc, &argv, entries, "[DIR]",
                         "Prints the metrics of the mount, as Prometheus reads them.",
                         "For the textfile collector of the node exporter, or a probe.", 0, 1);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status == STATUS_DONE)
        status = target_read(&target, NAMES_METRICS, &text);
    if (status == STATUS_DONE)
        fputs(text, stdout);
    return status;
}
