/* Names kept in slots: every length there is, any bytes, no room, and the space used again. */
#include "base/names.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

static void names_open(Names *names, int *fd, uint32_t max)
{
    *fd = slot_file_new("test");
    g_assert_cmpint(*fd, >=, 0);
    g_assert_cmpint(names_init(names, *fd, 0, 1ULL << 43, max), ==, 0);
}

static void names_close(Names *names, int fd)
{
    names_done(names);
    close(fd);
}

static void fill(char *name, size_t length, unsigned char first)
{
    for (size_t i = 0; i < length; i++)
        name[i] = (char)(first + i % 100);
    name[length] = '\0';
}

static void test_every_length(void)
{
    Names names;
    NameRef refs[256] = {0};
    int fd;
    char name[300];
    names_open(&names, &fd, 1000);
    for (size_t length = 1; length <= 255; length++) {
        fill(name, length, (unsigned char)('!' + length % 90));
        refs[length] = names_add(&names, name);
        g_assert_cmpuint(refs[length], !=, 0);
    }
    for (size_t length = 1; length <= 255; length++) {
        fill(name, length, (unsigned char)('!' + length % 90));
        g_assert_cmpstr(names_get(&names, refs[length]), ==, name);
    }
    fill(name, 256, 'a');
    g_assert_cmpuint(names_add(&names, name), ==, 0);
    names_close(&names, fd);
}

static void test_none(void)
{
    Names names;
    int fd;
    names_open(&names, &fd, 10);
    g_assert_cmpstr(names_get(&names, 0), ==, "");
    names_remove(&names, 0);
    names_close(&names, fd);
}

static void test_any_bytes(void)
{
    static const char *const odd[] = {"\n", "\xff\xfe", " ", "\x01\x7f", "a\tb", "\xc3\x28"};
    Names names;
    NameRef refs[G_N_ELEMENTS(odd)];
    int fd;
    names_open(&names, &fd, 10);
    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++)
        refs[i] = names_add(&names, odd[i]);
    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++)
        g_assert_cmpstr(names_get(&names, refs[i]), ==, odd[i]);
    names_close(&names, fd);
}

/* Equal names are kept apart: removing one leaves the other. */
static void test_copies(void)
{
    Names names;
    int fd;
    char name[] = "a.lock";
    names_open(&names, &fd, 10);
    NameRef one = names_add(&names, name), two = names_add(&names, name);
    name[0] = 'b';
    g_assert_cmpuint(one, !=, two);
    names_remove(&names, one);
    g_assert_cmpstr(names_get(&names, two), ==, "a.lock");
    names_close(&names, fd);
}

/* Short and long names run out of room each for themselves. */
static void test_no_room(void)
{
    Names names;
    int fd;
    char name[300];
    NameRef last = 0;
    names_open(&names, &fd, 5);
    static const size_t lengths[] = {5, 40, 200};
    for (unsigned c = 0; c < G_N_ELEMENTS(lengths); c++) {
        fill(name, lengths[c], 'a');
        for (int i = 0; i < 5; i++)
            g_assert_cmpuint(last = names_add(&names, name), !=, 0);
        g_assert_cmpuint(names_add(&names, name), ==, 0);
        names_remove(&names, last);
        fill(name, lengths[c], 'b');
        g_assert_cmpuint(last = names_add(&names, name), !=, 0);
        g_assert_cmpstr(names_get(&names, last), ==, name);
    }
    names_close(&names, fd);
}

static void test_many(void)
{
    Names names;
    int fd;
    NameRef refs[20000];
    names_open(&names, &fd, 100000);
    for (unsigned i = 0; i < G_N_ELEMENTS(refs); i++) {
        g_autofree char *name = g_strdup_printf("%0*u.lock", (int)(1 + i % 200), i);
        refs[i] = names_add(&names, name);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(refs); i += 2)
        names_remove(&names, refs[i]);
    for (unsigned i = 1; i < G_N_ELEMENTS(refs); i += 2) {
        g_autofree char *name = g_strdup_printf("%0*u.lock", (int)(1 + i % 200), i);
        g_assert_cmpstr(names_get(&names, refs[i]), ==, name);
    }
    names_close(&names, fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names/every-length", test_every_length);
    g_test_add_func("/names/none", test_none);
    g_test_add_func("/names/any-bytes", test_any_bytes);
    g_test_add_func("/names/copies", test_copies);
    g_test_add_func("/names/no-room", test_no_room);
    g_test_add_func("/names/many", test_many);
    return g_test_run();
}
