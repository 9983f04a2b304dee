#include "subcommand.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    Status (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    {"list", list_run, "every claim below a directory"},
    {"show", show_run, "one claim, whole"},
    {"explain", explain_run, "what would happen if a name were created, and which rule says so"},
    {"wait", wait_run, "return when a claim is gone"},
    {"run", run_run, "take a lock, run a command, release"},
    {"break", break_run, "remove a live claim"},
    {"transfer", transfer_run, "make another process the owner"},
    {"watch", watch_run, "events as they happen"},
    {"top", top_run, "a live full-screen view"},
    {"healed", healed_run, "what was healed, and why"},
    {"restore", restore_run, "get the content of a healed entry back"},
    {"stats", stats_run, "counters and latency"},
    {"metrics", metrics_run, "the same as Prometheus text"},
    {"graph", graph_run, "who waits for whom, as DOT; deadlocks are marked"},
    {"presets", presets_run, "the shipped rule sets"},
    {"suggest", suggest_run, "the rules that observed behaviour speaks for"},
    {"doctor", doctor_run, "what on this machine could keep lockfs from working"},
    {"upgrade", upgrade_run, "the installed program takes over, the mount stays"},
};

static void print_help(void)
{
    puts("Usage: lockfs-ctl SUBCOMMAND [OPTION...] [ARGUMENT...]\n\nSubcommands:");
    for (size_t i = 0; i < G_N_ELEMENTS(subcommands); i++)
        printf("  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
    puts("\nlockfs-ctl SUBCOMMAND --help says more.\n\n"
         "Exit status: 0 done, 1 failed, 2 wrong use, 3 not on a lockfs mount, 4 no such claim,\n"
         "5 held by someone else or timed out, 6 not permitted.");
}

Status subcommand_parse(int *argc, char ***argv, const GOptionEntry *options, const char *usage,
                        const char *summary, const char *about, int min, int max)
{
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(GError) error = NULL;
    g_autofree char *prgname = g_strdup_printf("lockfs-ctl %s", (*argv)[0]);
    g_set_prgname(prgname);
    g_option_context_add_main_entries(context, options, NULL);
    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, about);
    g_option_context_set_strict_posix(context, max < 0);
    if (!g_option_context_parse(context, argc, argv, &error))
        return status_fail(STATUS_USAGE, NULL, "%s; see lockfs-ctl %s --help", error->message,
                           (*argv)[0]);
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        memmove(*argv + 1, *argv + 2, sizeof **argv * (size_t)(*argc - 1));
        --*argc;
    }
    int given = *argc - 1;
    if (given < min || (max >= 0 && given > max))
        return status_fail(STATUS_USAGE, NULL, "expected: lockfs-ctl %s %s", (*argv)[0], usage);
    return STATUS_DONE;
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return STATUS_DONE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("lockfs-ctl " LOCKFS_VERSION);
        return STATUS_DONE;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(subcommands); i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return (int)subcommands[i].run(argc - 1, argv + 1);
    if (*name)
        return status_fail(STATUS_USAGE, name, "no such subcommand; see lockfs-ctl --help");
    return status_fail(STATUS_USAGE, NULL, "expected a subcommand; see lockfs-ctl --help");
}
