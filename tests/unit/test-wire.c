/* What the daemon and its front end say to each other: JSON that is written, commands that are
 * read. */
#include "wire/command.h"
#include "wire/json-out.h"

#include <string.h>

static void test_json_members(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_out_begin(out, NULL, '{');
    json_out_string(out, "a", "x\"\\\n\x1b");
    json_out_string(out, "n", NULL);
    json_out_begin(out, "list", '[');
    json_out_int(out, NULL, -1);
    json_out_uint(out, NULL, G_MAXUINT64);
    json_out_end(out, ']');
    json_out_bool(out, "b", true);
    json_out_end(out, '}');
    g_assert_cmpstr(out->str, ==,
                    "{\"a\":\"x\\\"\\\\\\u000a\\u001b\",\"n\":null,"
                    "\"list\":[-1,18446744073709551615],\"b\":true}");
}

static void test_json_bytes(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_out_begin(out, NULL, '{');
    json_out_bytes(out, "path", "a\xff");
    json_out_bytes(out, "plain", "\xc3\xa4");
    json_out_end(out, '}');
    g_assert_cmpstr(out->str, ==,
                    "{\"path\":\"a\xef\xbf\xbd\",\"path_base64\":\"Yf8=\",\"plain\":\"\xc3\xa4\"}");
    g_assert_true(g_utf8_validate(out->str, -1, NULL));
}

static void test_json_time(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_out_time(out, "t", 1700000000123456789LL);
    g_assert_cmpstr(out->str, ==, "\"t\":\"2023-11-14T22:13:20.123Z\"");
}

static void test_command_round_trip(void)
{
    const char *words[] = {"break", "a b%\n\xff.lock", "12"};
    g_autoptr(GString) line = g_string_new(NULL);
    Command command;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        command_append(line, words[i]);
    g_assert_cmpstr(line->str, ==, "break a%20b%25%0A%FF.lock 12");
    g_string_append_c(line, '\n');
    g_assert_true(command_parse(line->str, line->len, &command));
    g_assert_cmpint(command.count, ==, 3);
    for (int i = 0; i < command.count; i++)
        g_assert_cmpstr(command.words[i], ==, words[i]);
    command_clear(&command);
}

static void test_command_refused(void)
{
    const char *bad[] = {"", "\n", "a  b", " a", "a %zz", "a %0", "a %00", "a b c d e"};
    Command command = {.count = 77};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(command_parse(bad[i], strlen(bad[i]), &command));
    g_assert_false(command_parse("a\0b", 3, &command));
    g_assert_cmpint(command.count, ==, 77);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/json/members", test_json_members);
    g_test_add_func("/wire/json/bytes", test_json_bytes);
    g_test_add_func("/wire/json/time", test_json_time);
    g_test_add_func("/wire/command/round-trip", test_command_round_trip);
    g_test_add_func("/wire/command/refused", test_command_refused);
    return g_test_run();
}
