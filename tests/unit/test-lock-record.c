/* Each form in which programs write down who holds a lock, and what only looks like one. */
#include "claims/lock-record.h"

#include <glib.h>
#include <string.h>

typedef struct {
    const char *text;
    pid_t pid; /* 0: no record */
    const char *host;
    uint64_t start, pid_ns;
} Case;

static const Case texts[] = {
    {"1234", 1234, "", 0, 0},
    {"1234\n", 1234, "", 0, 0},
    {"      1234\n", 1234, "", 0, 0}, /* uucp, X */
    {"1234 \r\n\n", 1234, "", 0, 0},
    {"1234 build7\n", 1234, "build7", 0, 0}, /* git gc.pid */
    {"1234\nbuild7\n", 1234, "build7", 0, 0},
    {"1234:build7", 1234, "build7", 0, 0},
    {"build7:1234", 1234, "build7", 0, 0},
    {"a-b.example.org:1234", 1234, "a-b.example.org", 0, 0},
    {"joe@build7.1234:1700000000", 1234, "build7", 0, 0},
    {"1234\n/var/lib/db\n1700000000\n5432\n/run\n*\n  5 6\nready \n", 1234, "", 1700000000, 0},
    {"hostname: build7\nnonce: x:y\npid: 1234\nstart_time: 1700000000\nuser: a@b\n", 1234, "build7",
     1700000000, 0},
    {"PID=1234\nHOST=build7\n", 1234, "build7", 0, 0},
    {"{\"pid\":1234}", 1234, "", 0, 0},
    {"{ \"a\": [1, {\"pid\": 9}], \"owner\": {\"pid\": 1234, \"hostname\": \"build7\"},\n"
     "\"starttime\": 5678.25, \"x\": \"a\\\"}\", \"y\": null, \"z\": -1e5 }\n",
     1234, "build7", 5678, 0},
    {"{\"ownerPid\":1234,\"pid\":1234}", 1234, "", 0, 0},

    {"", 0, 0, 0, 0},
    {"\n\n", 0, 0, 0, 0},
    {"0\n", 0, 0, 0, 0}, /* procmail */
    {"-1234\n", 0, 0, 0, 0},
    {"4194305", 0, 0, 0, 0},
    {"99999999999999999999999", 0, 0, 0, 0},
    {"12 34 56", 0, 0, 0, 0},
    {"12\n34\n56", 0, 0, 0, 0},
    {"version 3", 0, 0, 0, 0},
    {"{\"pid\":1234", 0, 0, 0, 0},
    {"{\"pid\":1234} x", 0, 0, 0, 0},
    {"{\"pid\":\"x\"}", 0, 0, 0, 0},
    {"{\"pid\":1e3}", 0, 0, 0, 0},
    {"{\"pid\":1,\"owner\":{\"pid\":2}}", 0, 0, 0, 0},
    {"{\"pid\":1,\"host\":\"a\",\"hostname\":\"b\"}", 0, 0, 0, 0},
    {"[{\"pid\":1}]", 0, 0, 0, 0},
    {"{\"packages\":[{\"pid\":1}]}", 0, 0, 0, 0},
    {"pid: 1\npid: 2\n", 0, 0, 0, 0},
    {"host: a\n", 0, 0, 0, 0},
    {"# a comment\npackage = \"x\"\nversion = \"1.2.3\"\n", 0, 0, 0, 0},
};

static const Case links[] = {
    {"build7-1234", 1234, "build7", 0, 0}, /* Chromium */
    {"a-b-1234", 1234, "a-b", 0, 0},
    {"build7:1234", 1234, "build7", 0, 0}, /* Mercurial */
    {"build7/effffffc:1234", 1234, "build7", 0, 0xeffffffc},
    {"joe@build7.example.org.1234:1700000000", 1234, "build7.example.org", 0, 0}, /* Emacs */
    {"joe@build7.1234", 1234, "build7", 0, 0},
    {"build7.1234", 1234, "build7", 0, 0},
    {"1234", 1234, "", 0, 0},
    {"/usr/share/x-1", 0, 0, 0, 0},
    {"build7-", 0, 0, 0, 0},
    {"-1234", 0, 0, 0, 0},
    {"build7/xyz:1234", 0, 0, 0, 0},
    {"", 0, 0, 0, 0},
};

static const Case names[] = {
    {"build7@2485377892354.1234-0", 1234, "build7", 0, 0}, /* borg */
    {"a.b.c@1.1234-140099", 1234, "a.b.c", 0, 0},
    {"build7.1234", 0, 0, 0, 0},
    {"build7.-7f001234", 0, 0, 0, 0},
    {"a-b@1.2", 0, 0, 0, 0},
    {"", 0, 0, 0, 0},
};

static void check(const Case *c, bool found, const LockRecord *record)
{
    g_test_message("%s", c->text);
    g_assert_cmpint(found, ==, c->pid != 0);
    if (!found)
        return;
    g_assert_cmpint(record->pid, ==, c->pid);
    g_assert_cmpstr(record->host, ==, c->host);
    g_assert_cmpuint(record->start, ==, c->start);
    g_assert_cmpuint(record->pid_ns, ==, c->pid_ns);
}

static void test_texts(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        LockRecord record;
        check(&texts[i], lock_record_parse(texts[i].text, strlen(texts[i].text), &record), &record);
    }
}

static void test_links(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        LockRecord record;
        check(&links[i], lock_record_parse_link(links[i].text, strlen(links[i].text), &record),
              &record);
    }
}

static void test_names(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        LockRecord record;
        check(&names[i], lock_record_parse_name(names[i].text, &record), &record);
    }
}

static void test_bytes(void)
{
    char text[LOCK_RECORD_MAX + 2];
    LockRecord record;
    g_assert_true(lock_record_parse("1234\0", 5, &record)); /* written with its NUL */
    g_assert_false(lock_record_parse("12\0"
                                     "34",
                                     5, &record));
    memset(text, ' ', sizeof text);
    memcpy(text + sizeof text - 2, "12", 2);
    g_assert_false(lock_record_parse(text, sizeof text, &record));
    memset(text, '{', sizeof text);
    g_assert_false(lock_record_parse(text, LOCK_RECORD_MAX, &record));
}

static void test_join(void)
{
    LockRecord a = {.pid = 1}, b = {.pid = 1, .host = "h", .start = 7}, c = {.pid = 2};
    LockRecord d = {.pid = 1, .host = "other"};
    g_assert_true(lock_record_join(&a, &b));
    g_assert_cmpstr(a.host, ==, "h");
    g_assert_cmpuint(a.start, ==, 7);
    g_assert_false(lock_record_join(&a, &c));
    g_assert_false(lock_record_join(&a, &d));
}

static void test_hosts(void)
{
    g_assert_true(lock_record_same_host("web1", "WEB1"));
    g_assert_true(lock_record_same_host("web1", "web1.example.org"));
    g_assert_false(lock_record_same_host("web1.example.com", "web1.example.org"));
    g_assert_false(lock_record_same_host("web1", "web10"));
    g_assert_false(lock_record_same_host("web1", "web10.example.org"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lock-record/texts", test_texts);
    g_test_add_func("/lock-record/links", test_links);
    g_test_add_func("/lock-record/names", test_names);
    g_test_add_func("/lock-record/bytes", test_bytes);
    g_test_add_func("/lock-record/join", test_join);
    g_test_add_func("/lock-record/hosts", test_hosts);
    return g_test_run();
}
