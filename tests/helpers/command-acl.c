/* POSIX access control lists, as the kernel stores them in extended attributes. */
#include "command.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define ENTRIES_MAX 32

typedef struct {
    struct posix_acl_xattr_header header;
    struct posix_acl_xattr_entry entries[ENTRIES_MAX];
} Acl;

static const char *attribute(const char *kind)
{
    return strcmp(kind, "default") == 0 ? "system.posix_acl_default" : "system.posix_acl_access";
}

static unsigned tag_of(char letter, bool named)
{
    switch (letter) {
    case 'u':
        return named ? ACL_USER : ACL_USER_OBJ;
    case 'g':
        return named ? ACL_GROUP : ACL_GROUP_OBJ;
    case 'm':
        return ACL_MASK;
    default:
        return ACL_OTHER;
    }
}

/* "u::7,u:1000:4,g::5,m::7,o::0" */
static int parse(char *text, Acl *acl)
{
    int n = 0;
    char *rest = NULL;
    acl->header.a_version = htole32(POSIX_ACL_XATTR_VERSION);
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        char *id = strchr(word, ':'), *perm = id ? strchr(id + 1, ':') : NULL;
        if (!perm || n == ENTRIES_MAX)
            return -EINVAL;
        *perm = '\0';
        bool named = id[1] != '\0';
        acl->entries[n++] = (struct posix_acl_xattr_entry){
            .e_tag = htole16((uint16_t)tag_of(*word, named)),
            .e_perm = htole16((uint16_t)atoi(perm + 1)),
            .e_id = htole32(named ? (uint32_t)atoi(id + 1) : (uint32_t)ACL_UNDEFINED_ID),
        };
    }
    return n;
}

static int do_setacl(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    Acl acl;
    int n = parse(argv[3], &acl);
    if (n < 0)
        return n;
    size_t size = sizeof(acl.header) + (size_t)n * sizeof(*acl.entries);
    return command_result(setxattr(argv[1], attribute(argv[2]), &acl, size, 0));
}

static void put_entry(FILE *value, const struct posix_acl_xattr_entry *entry)
{
    unsigned tag = le16toh(entry->e_tag);
    bool named = tag == ACL_USER || tag == ACL_GROUP;
    char letter = (char)(tag == ACL_USER || tag == ACL_USER_OBJ     ? 'u'
                         : tag == ACL_GROUP || tag == ACL_GROUP_OBJ ? 'g'
                         : tag == ACL_MASK                          ? 'm'
                                                                    : 'o');
    char id[16] = "";
    if (named)
        snprintf(id, sizeof(id), "%u", le32toh(entry->e_id));
    fprintf(value, "%c.%s.%u", letter, id, le16toh(entry->e_perm));
}

/* As for setacl, with dots for colons: "u..7,u.1000.4". */
static int do_getacl(int argc, char **argv, FILE *value)
{
    (void)argc;
    Acl acl;
    ssize_t size = getxattr(argv[1], attribute(argv[2]), &acl, sizeof(acl));
    if (size < 0)
        return -errno;
    size_t n = ((size_t)size - sizeof(acl.header)) / sizeof(*acl.entries);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? "," : "", value);
        put_entry(value, &acl.entries[i]);
    }
    return 0;
}

/* What a call with no room answers: how much there is. */
static int do_xattrsize(int argc, char **argv, FILE *value)
{
    ssize_t size = argc > 2 ? lgetxattr(argv[1], argv[2], NULL, 0) : llistxattr(argv[1], NULL, 0);
    if (size < 0)
        return -errno;
    fprintf(value, "%zd", size);
    return 0;
}

/* With room for SIZE bytes only. */
static int do_xattrprobe(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    char room[65536];
    size_t size = (size_t)command_number(argv[2]);
    return command_result(argc > 3 ? lgetxattr(argv[1], argv[3], room, size)
                                   : llistxattr(argv[1], room, size));
}

/* A value of SIZE bytes. */
static int do_setxattrbig(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    size_t size = (size_t)command_number(argv[3]);
    char *bytes = malloc(size + 1);
    if (!bytes)
        return -ENOMEM;
    memset(bytes, 'x', size);
    int result = command_result(lsetxattr(argv[1], argv[2], bytes, size, 0));
    free(bytes);
    return result;
}

/* The capability to bind low ports, for whoever executes the file. */
static int do_setcap(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    struct vfs_cap_data data = {
        .magic_etc = htole32(VFS_CAP_REVISION_2),
        .data = {{.permitted = htole32(1U << CAP_NET_BIND_SERVICE)}},
    };
    return command_result(setxattr(argv[1], "security.capability", &data, XATTR_CAPS_SZ_2, 0));
}

const Command command_acl_table[] = {
    {"setacl", 3, 3, do_setacl},
    {"getacl", 2, 2, do_getacl},
    {"setcap", 1, 1, do_setcap},
    {"xattrsize", 1, 2, do_xattrsize},
    {"xattrprobe", 2, 3, do_xattrprobe},
    {"setxattrbig", 3, 3, do_setxattrbig},
    {NULL, 0, 0, NULL},
};
