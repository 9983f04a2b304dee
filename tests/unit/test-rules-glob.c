/* The glob matcher: what matches, what is refused and why, and that no pattern is slow. */
#include <glib.h>
#include <string.h>

#include "rules/glob.h"

typedef struct {
    const char *pattern;
    const char *text;
    bool matches;
} GlobCase;

static const GlobCase name_cases[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"a", "ab", false},
    {"ab", "a", false},
    {"*", "", true},
    {"*", ".hidden", true},
    {"*.lock", ".lock", true},
    {"*.lock", "a.lock", true},
    {"*.lock", "a.lock.lock", true},
    {"*.lock", "a.lock.", false},
    {"*.lock", "alock", false},
    {"?", "", false},
    {"?", ".", true},
    {"??", "a", false},
    {"a*b*c", "abc", true},
    {"a*b*c", "axbxbxc", true},
    {"a*b*c", "axbx", false},
    {"*a*", "bab", true},
    {"*a", "aab", false},
    {"a**b", "ab", true},
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[a-c]x", "bx", true},
    {"[a-c]", "-", false},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[]a]", "]", true},
    {"[]a]", "a", true},
    {"[!]a]", "]", false},
    {"[!]a]", "x", true},
    {"[^a-c]", "b", false},
    {"[^a-c]", "d", true},
    {"[a^]", "^", true},
    {"[a!]", "!", true},
    {"[\\]]", "]", true},
    {"[\\!a]", "!", true},
    {"[a\\-c]", "b", false},
    {"[a\\-c]", "-", true},
    {"[[]", "[", true},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"[\x80-\xff]", "\xc3", true},
    {"[a-z]", "\xc3", false},
    {"?", "\xc3\xa4", false},
    {"??", "\xc3\xa4", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"a\\b", "ab", true},
    {"\\\\", "\\", true},
    {"*\\*", "x*", true},
    {".*.sw?", ".foo.swp", true},
    {"#*#", "#foo#", true},
    {"#*#", "#", false},
    /* Malformed ones match nothing. */
    {"[a", "a", false},
    {"[", "[", false},
    {"a\\", "a\\", false},
    {"*[", "[", false},
    {"[b-a]", "a", false},
};

static const GlobCase path_cases[] = {
    {"a/b", "a/b", true},
    {"a/b", "a/b/c", false},
    {"a/b", "x/a/b", false},
    {"a/b", "b", false},
    {"*/b", "a/b", true},
    {"*/b", "a/c/b", false},
    {"a?b", "a/b", false},
    {"a[!x]b", "a/b", false},
    {"a*b", "a/b", false},
    {"**", "a", true},
    {"**", "a/b/c", true},
    {"**", "", false},
    {"**/b", "b", true},
    {"**/b", "a/b", true},
    {"**/b", "a/x/b", true},
    {"**/b", "a/bb", false},
    {"a/**", "a", false},
    {"a/**", "a/b", true},
    {"a/**", "a/b/c", true},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"a/**/b", "a/x/y", false},
    {"a/**/b", "ab", false},
    {"**/a/**/b", "x/a/y/a/b", true},
    {"**/a/b/**/c", "a/a/b/a/b/c", true},
    {"**/**", "a", true},
    {"a/**/**", "a", false},
    {"a/**/**", "a/b", true},
    {"**/a/*", "a/b/a/c", true},
    {"**/a/*/b", "a/a/a/b", true},
    {"**/tmp/pids/[!.#]*", "srv/tmp/pids/server", true},
    {"**/tmp/pids/[!.#]*", "srv/tmp/pids/.x.swp", false},
    {"", "", true},
    {"", "a", false},
};

static void test_name(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(name_cases); i++) {
        const GlobCase *c = &name_cases[i];
        bool matches = glob_match_name(c->pattern, strlen(c->pattern), c->text, strlen(c->text));

        if (matches != c->matches)
            g_error("'%s' and '%s': %d", c->pattern, c->text, matches);
    }
}

static void test_path(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(path_cases); i++) {
        const GlobCase *c = &path_cases[i];
        bool matches = glob_match_path(c->pattern, c->text);

        if (matches != c->matches)
            g_error("'%s' and '%s': %d", c->pattern, c->text, matches);
    }
}

static void test_bounds(void)
{
    /* Only the bytes within the lengths count. */
    g_assert_true(glob_match_name("abXX", 2, "abYY", 2));
    g_assert_false(glob_match_name("a[bc]", 3, "ab", 2));
    g_assert_false(glob_match_name("a\\b", 2, "ab", 2));
}

static void test_check_accepts(void)
{
    static const char *const good[] = {
        "a",      "/a",   "a/",      "/a/",   "a/b",  "/a/b/", "**",   "**/a", "a/**",
        "a/**/b", "*",    "[]]",     "[!]]",  "[[]",  "[:a]",  "\\*",  "...",  ".a",
        "a.",     "[**]", "\\*\\*b", "[a-a]", "[a-]", "[\\]]", ".git", "..a",  "a..",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_cmpstr(glob_check(good[i]), ==, NULL);
}

static void test_check_refuses(void)
{
    static const struct {
        const char *pattern, *reason;
    } bad[] = {
        {"", "is empty"},
        {"/", "is empty"},
        {"//", "has an empty component ('//')"},
        {"a//b", "has an empty component ('//')"},
        {"a//", "has an empty component ('//')"},
        {"//a", "has an empty component ('//')"},
        {".", "has a component '.' or '..', which no path has"},
        {"..", "has a component '.' or '..', which no path has"},
        {"a/../b", "has a component '.' or '..', which no path has"},
        {"./a", "has a component '.' or '..', which no path has"},
        {"a/..", "has a component '.' or '..', which no path has"},
        {"[", "has a '[' without its ']' in the same component"},
        {"[]", "has a '[' without its ']' in the same component"},
        {"[!]", "has a '[' without its ']' in the same component"},
        {"[a/b]", "has a '[' without its ']' in the same component"},
        {"[a\\]", "has a '[' without its ']' in the same component"},
        {"[a-", "has a '[' without its ']' in the same component"},
        {"[z-a]", "has a range that ends before it begins"},
        {"[[:alpha:]]", "has a class such as [:alpha:], which is not supported; write ranges"},
        {"a\\", "ends with a backslash"},
        {"a\\/b", "has a backslash before a '/'"},
        {"a**", "has '**' beside other characters; it must be a whole component"},
        {"**a", "has '**' beside other characters; it must be a whole component"},
        {"***", "has '**' beside other characters; it must be a whole component"},
        {"x/**.lock", "has '**' beside other characters; it must be a whole component"},
    };
    g_autofree char *longest = g_strnfill(GLOB_MAX, 'a');
    g_autofree char *longer = g_strnfill(GLOB_MAX + 1, 'a');

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_cmpstr(glob_check(bad[i].pattern), ==, bad[i].reason);
    g_assert_null(glob_check(longest));
    g_assert_cmpstr(glob_check(longer), ==, "is longer than 4095 bytes");
}

static void test_literal(void)
{
    char out[16];

    g_assert_true(glob_literal("a\\*b", 4, out));
    g_assert_cmpstr(out, ==, "a*b");
    g_assert_true(glob_literal("", 0, out));
    g_assert_cmpstr(out, ==, "");
    g_assert_false(glob_literal("a*", 2, out));
    g_assert_false(glob_literal("a?", 2, out));
    g_assert_false(glob_literal("[a]", 3, out));
    g_assert_false(glob_literal("a\\", 2, out));
}

/* What takes exponential time in a matcher that tries every star: 60 stars over 4,000 bytes, and 60
 * times `**` over 2,000 components. The test's time-out is the judge. */
static void test_no_blow_up(void)
{
    g_autoptr(GString) stars = g_string_new(NULL), deeps = g_string_new(NULL);
    g_autoptr(GString) name = g_string_new(NULL), path = g_string_new(NULL);

    for (int i = 0; i < 60; i++) {
        g_string_append(stars, "*a");
        g_string_append(deeps, "**/a/");
    }
    g_string_append(stars, "b");
    g_string_append(deeps, "b");
    for (int i = 0; i < 2000; i++) {
        g_string_append(name, "aa");
        g_string_append(path, i ? "/a" : "a");
    }
    g_assert_false(glob_match_name(stars->str, stars->len, name->str, name->len));
    g_assert_false(glob_match_path(deeps->str, path->str));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules/glob/name", test_name);
    g_test_add_func("/rules/glob/path", test_path);
    g_test_add_func("/rules/glob/bounds", test_bounds);
    g_test_add_func("/rules/glob/check-accepts", test_check_accepts);
    g_test_add_func("/rules/glob/check-refuses", test_check_refuses);
    g_test_add_func("/rules/glob/literal", test_literal);
    g_test_add_func("/rules/glob/no-blow-up", test_no_blow_up);
    return g_test_run();
}
