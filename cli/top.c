#include "base/clock.h"
#include "stream.h"
#include "subcommand.h"
#include "wire/names.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define REFRESH_NS CLOCK_NS_PER_S

static void draw_heading(const Target *target, JsonArray *records)
{
    guint waiting = 0;
    for (guint i = 0; i < json_array_get_length(records); i++)
        waiting += record_waiters(json_array_get_object_element(records, i));
    g_autofree char *line = g_strdup_printf("lockfs  %s  %u held, %u waiting", target->path,
                                            json_array_get_length(records), waiting);
    mvaddnstr(0, 0, line, COLS);
    mvaddnstr(LINES - 1, 0, "q quit   up/down, page up/down scroll", COLS);
}

static void draw(const Target *target, const TableColumn *const *columns, JsonArray *records,
                 guint *first)
{
    g_autoptr(GPtrArray) lines = table_lines(columns, records, COLS, true);
    guint room = LINES > 3 ? (guint)LINES - 3 : 1;
    guint rows = lines->len - 1;
    *first = rows > room ? MIN(*first, rows - room) : 0;
    erase();
    draw_heading(target, records);
    attron(A_REVERSE);
    mvprintw(1, 0, "%-*s", COLS, (const char *)g_ptr_array_index(lines, 0));
    attroff(A_REVERSE);
    for (guint i = 0; i < room && *first + i < rows; i++)
        mvaddstr((int)i + 2, 0, g_ptr_array_index(lines, 1 + *first + i));
    refresh();
}

/* false: to quit. */
static bool take_keys(guint *first)
{
    guint page = LINES > 3 ? (guint)LINES - 3 : 1;
    for (int key; (key = getch()) != ERR;) {
        if (key == 'q' || key == 'Q')
            return false;
        if (key == KEY_DOWN)
            *first += 1;
        else if (key == KEY_UP)
            *first -= *first > 0;
        else if (key == KEY_NPAGE)
            *first += page;
        else if (key == KEY_PPAGE)
            *first -= MIN(page, *first);
        else if (key == KEY_HOME)
            *first = 0;
    }
    return true;
}

/* Until a key, an event, or a second has passed: ages grow. false: the mount is gone. */
static bool wait_for_news(Stream *stream)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = stream->fd, .events = POLLIN}};
    int error = 0;
    if (poll(fds, 2, REFRESH_NS / CLOCK_NS_PER_MS) < 0 && errno != EINTR)
        return false;
    if (fds[0].revents & (POLLHUP | POLLERR))
        return false;
    if (fds[1].revents)
        stream_wait(stream, 0, &error);
    return error == 0;
}

static Status show(const Target *target, const TableColumn *const *columns, Stream *stream)
{
    Status status = STATUS_DONE;
    guint first = 0;
    initscr();
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    do {
        g_autoptr(JsonArray) records = NULL;
        status = target_records(target, NAMES_LOCKS, &records);
        if (status != STATUS_DONE)
            break;
        list_sort(&records);
        draw(target, columns, records, &first);
    } while (wait_for_news(stream) && take_keys(&first));
    endwin();
    return status;
}

Status top_run(int argc, char **argv)
{
    const GOptionEntry entries[] = {{0}};
    AUTO_TARGET Target target = TARGET_NONE;
    AUTO_STREAM Stream stream = STREAM_NONE;
    g_autofree const TableColumn **columns = NULL;
    Status status = subcommand_parse(&argc, &argv, entries, "[DIR]",
                                     "Shows the claims below DIR, live; q quits.", NULL, 0, 1);
    if (status == STATUS_DONE && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        status = status_fail(STATUS_USAGE, NULL, "top needs a terminal; lockfs-ctl list does not");
    if (status == STATUS_DONE)
        status = table_choose(list_columns, NULL, &columns);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status == STATUS_DONE)
        status = stream_open(&target, &stream);
    return status == STATUS_DONE ? show(&target, columns, &stream) : status;
}
