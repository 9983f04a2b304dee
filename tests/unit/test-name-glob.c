/* Globs made of names match those names, and say what is alike in them. */
#include "rules/glob.h"
#include "wire/name-glob.h"

#include <string.h>

static void expect_matches(const char *glob, const char *name)
{
    g_assert_cmpstr(glob_check(glob), ==, NULL);
    g_assert_true(glob_match_name(glob, strlen(glob), name, strlen(name)));
}

static void test_exact(void)
{
    static const struct {
        const char *name, *glob;
    } cases[] = {
        {"index.lock", "index.lock"},
        {"a*b?", "a[*]b[?]"},
        {"[x]", "[[]x[]]"},
        {"#cvs.lock", "[#]cvs.lock"},
        {"two words", "two?words"},
        {"a;b\\c", "a?b?c"},
        {"\xc3\xa4.lock", "\xc3\xa4.lock"},
        {"bad\xff.lock", "bad?.lock"},
        {"new\nline", "new?line"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *glob = name_glob_exact(cases[i].name);
        g_assert_cmpstr(glob, ==, cases[i].glob);
        expect_matches(glob, cases[i].name);
    }
}

static void test_alike(void)
{
    static const struct {
        const char *name, *glob;
    } cases[] = {
        {"app.lock", "app.lock"},
        {"app.4711.lock", "app.*.lock"},
        {".X97-lock", ".X*-lock"},
        {"worker12", "worker*"},
        {"tmp_obj_a8Xk2Q", "tmp_obj_*"},
        {"tmp.OcKbWqZgTe", "tmp.*"},
        {"owner.tmp.99", "owner.tmp.*"},
        {"SingletonLock", "SingletonLock"},
        {"README", "README"},
        {"3f786850e387550fdab836ed7e6dc881de23001b", "*"},
        {"job-9b2f6a0e-7c4d-4f7b-8a55-aabbccddeeff.lock", "job-*.lock"},
        {"2026-11-20", "*-*-*"},
        {"a*7", "a[*]*"},
        {"", ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *glob = name_glob_alike(cases[i].name);
        g_assert_cmpstr(glob, ==, cases[i].glob);
        if (*glob)
            expect_matches(glob, cases[i].name);
    }
}

/* Whatever bytes a name is made of. */
static void test_any(void)
{
    for (int round = 0; round < 20000; round++) {
        static const char some[] = "aZ09.-_ *?[]#;\\^!\xc3\xa4\xff\x01";
        char name[12];
        int len = g_test_rand_int_range(1, sizeof name);
        for (int i = 0; i < len; i++)
            name[i] = some[g_test_rand_int_range(0, sizeof some - 1)];
        name[len] = '\0';
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        g_autofree char *exact = name_glob_exact(name);
        g_autofree char *alike = name_glob_alike(name);
        expect_matches(exact, name);
        expect_matches(alike, name);
        g_assert_true(g_utf8_validate(exact, -1, NULL));
        g_assert_true(g_utf8_validate(alike, -1, NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/name-glob/exact", test_exact);
    g_test_add_func("/wire/name-glob/alike", test_alike);
    g_test_add_func("/wire/name-glob/any", test_any);
    return g_test_run();
}
