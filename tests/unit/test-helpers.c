/* The list of helpers: the shipped one, and what can be added to it. */
#include "proc/helper-list.h"

#include <glib.h>
#include <string.h>

static HelperList *list_new(void)
{
    return helper_list_new_shipped();
}

static bool add(HelperList *list, const char *text, int *line)
{
    return helper_list_add_text(list, text, strlen(text), line);
}

static void test_shipped(void)
{
    static const struct {
        const char *name;
        HelperKind kind;
    } cases[] = {
        {"mkdir", HELPER_PROGRAM},
        {"ln", HELPER_PROGRAM},
        {"touch", HELPER_PROGRAM},
        {"install", HELPER_PROGRAM},
        {"mktemp", HELPER_PROGRAM},
        {"dotlockfile", HELPER_PROGRAM},
        {"lockfile", HELPER_PROGRAM},
        {"lockfile-create", HELPER_PROGRAM},
        {"mutt_dotlock", HELPER_PROGRAM},
        {"shlock", HELPER_PROGRAM},
        {"sudo", HELPER_PROGRAM},
        {"cp", HELPER_COPIER},
        {"mv", HELPER_COPIER},
        {"tar", HELPER_UNPACKER},
        {"git", HELPER_TIDY},
        {"env", HELPER_PROGRAM},
        {"timeout", HELPER_PROGRAM},
        {"nice", HELPER_PROGRAM},
        {"setsid", HELPER_PROGRAM},
        {"xargs", HELPER_PROGRAM},
        {"flock", HELPER_PROGRAM},
        {"sh", HELPER_SHELL},
        {"dash", HELPER_SHELL},
        {"bash", HELPER_SHELL},
        {"zsh", HELPER_SHELL},
        {"busybox", HELPER_MULTICALL},
        {"toybox", HELPER_MULTICALL},
        {"coreutils", HELPER_MULTICALL},
        {"python3", HELPER_NONE},
        {"perl", HELPER_NONE},
        {"node", HELPER_NONE},
        {"systemd", HELPER_NONE},
        {"make", HELPER_NONE},
        {"", HELPER_NONE},
        {"MKDIR", HELPER_NONE},
        {"mkdi", HELPER_NONE},
        {"# Who", HELPER_NONE},
        {"[helpers]", HELPER_NONE},
    };
    HelperList *list = list_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].name);
        g_assert_cmpint(helper_list_kind(list, cases[i].name), ==, cases[i].kind);
    }
    helper_list_free(list);
    helper_list_free(NULL);
}

static void test_add(void)
{
    HelperList *list = list_new();
    int line = 99;
    g_assert_true(add(list, "", &line));
    g_assert_true(add(list,
                      "my-helper\n"
                      "  # a comment\n\n"
                      "[shells]\r\n"
                      "\tmysh   # why\r\n"
                      "[multicall]\n"
                      "box\n"
                      "[helpers]\n"
                      "bash\n"
                      "name with-no-end",
                      &line) == false);
    g_assert_cmpint(line, ==, 10);
    g_assert_cmpint(helper_list_kind(list, "my-helper"), ==, HELPER_NONE);
    g_assert_cmpint(helper_list_kind(list, "bash"), ==, HELPER_SHELL);
    line = 99;
    g_assert_true(
        add(list, "my-helper\n[shells]\n\tmysh # why\r\n[multicall]\nbox\n[helpers]\nbash", &line));
    g_assert_true(add(list, "[copiers]\nscp\n[unpackers]\nunstuff\n[tidy]\njj", &line));
    g_assert_cmpint(helper_list_kind(list, "scp"), ==, HELPER_COPIER);
    g_assert_cmpint(helper_list_kind(list, "unstuff"), ==, HELPER_UNPACKER);
    g_assert_cmpint(helper_list_kind(list, "jj"), ==, HELPER_TIDY);
    g_assert_cmpint(line, ==, 99);
    g_assert_cmpint(helper_list_kind(list, "my-helper"), ==, HELPER_PROGRAM);
    g_assert_cmpint(helper_list_kind(list, "mysh"), ==, HELPER_SHELL);
    g_assert_cmpint(helper_list_kind(list, "box"), ==, HELPER_MULTICALL);
    g_assert_cmpint(helper_list_kind(list, "bash"), ==, HELPER_PROGRAM);
    g_assert_cmpint(helper_list_kind(list, "mkdir"), ==, HELPER_PROGRAM);
    helper_list_free(list);
}

static void test_bad_lines(void)
{
    static const char *const bad[] = {"/bin/mkdir", "two words", "[shell]",
                                      "[helpers",   "a\tb",      "a\001b"};
    HelperList *list = list_new();
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = g_strdup_printf("good%zu\n%s\n", i, bad[i]);
        g_autofree char *good = g_strdup_printf("good%zu", i);
        int line = 0;
        g_test_message("%s", bad[i]);
        g_assert_false(add(list, text, &line));
        g_assert_cmpint(line, ==, 2);
        g_assert_cmpint(helper_list_kind(list, good), ==, HELPER_NONE);
    }
    g_autofree char *huge = g_strnfill(256, 'x');
    int line = 0;
    g_assert_false(add(list, huge, &line));
    g_assert_cmpint(line, ==, 1);
    g_assert_true(helper_list_add_text(list, huge, 255, &line));
    g_assert_false(helper_list_add_text(list, "a\0b", 3, &line));
    helper_list_free(list);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/helpers/shipped", test_shipped);
    g_test_add_func("/helpers/add", test_add);
    g_test_add_func("/helpers/bad-lines", test_bad_lines);
    return g_test_run();
}
