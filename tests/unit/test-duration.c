/* Spans of time as people write them, and what is not one. */
#include "base/duration.h"
#include "base/quantity.h"

#include <glib.h>

#define S 1000000000LL

static const struct {
    const char *text;
    int64_t ns;
} good[] = {
    {"0", 0},
    {"1", S},
    {"007", 7 * S},
    {"500ms", S / 2},
    {"0ms", 0},
    {"30s", 30 * S},
    {"10m", 600 * S},
    {"2h", 7200 * S},
    {"1d", 86400 * S},
    {"9223372036", 9223372036 * S},
    {"9223372036854ms", 9223372036854LL * 1000000},
    {"106751d", 106751LL * 86400 * S},
};

static const char *const bad[] = {
    "",
    " ",
    "s",
    "ms",
    "-1",
    "+1",
    "1 s",
    " 1",
    "1 ",
    "1.5s",
    "1e3",
    "1S",
    "1ns",
    "1us",
    "1M",
    "1w",
    "1mm",
    "1s2",
    "0x10",
    "1\n",
    "9223372037",
    "9223372036855ms",
    "153722867281m",
    "106752d",
    "99999999999999999999",
    "99999999999999999999999999999999999999999s",
    "\xd9\xa1",
};

static void test_good(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        int64_t ns = -1;
        g_test_message("'%s'", good[i].text);
        g_assert_true(duration_parse(good[i].text, &ns));
        g_assert_cmpint(ns, ==, good[i].ns);
    }
}

static void test_bad(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        int64_t ns = -42;
        g_test_message("'%s'", bad[i]);
        g_assert_false(duration_parse(bad[i], &ns));
        g_assert_cmpint(ns, ==, -42); /* untouched */
    }
}

static void test_bytes(void)
{
    int64_t bytes = -42;
    g_assert_true(quantity_parse_bytes("512", &bytes));
    g_assert_cmpint(bytes, ==, 512);
    g_assert_true(quantity_parse_bytes("64m", &bytes));
    g_assert_cmpint(bytes, ==, 64 << 20);
    g_assert_true(quantity_parse_bytes("0", &bytes));
    g_assert_cmpint(bytes, ==, 0);
    g_assert_false(quantity_parse_bytes("8388608t", &bytes)); /* 2^63 */
    g_assert_false(quantity_parse_bytes("1s", &bytes));
    g_assert_false(quantity_parse_bytes("m", &bytes));
    g_assert_cmpint(bytes, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/duration/good", test_good);
    g_test_add_func("/duration/bad", test_bad);
    g_test_add_func("/quantity/bytes", test_bytes);
    return g_test_run();
}
