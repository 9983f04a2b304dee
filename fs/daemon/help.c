#include "daemon/option-table.h"

#include <stdio.h>

void options_print_help(void)
{
    puts("usage: lockfs [options] DIR                 serve DIR in place\n"
         "       lockfs [options] SOURCE MOUNTPOINT   serve the directory SOURCE at MOUNTPOINT\n"
         "       lockfs [options] none MOUNTPOINT     serve a new directory in memory, all locks\n"
         "\n"
         "Lock files and lock directories made below the mount disappear with the process that\n"
         "made them. `umount` (or `fusermount3 -u`) ends it.\n"
         "\n"
         "    -f, -d                    stay in the foreground; and trace requests\n"
         "    -h, --help                this text\n"
         "    -V, --version             the version\n");
    option_print_help();
    puts("\nand the usual ones of mount(8): rw, noexec, nosuid, nodev, noatime, sync, ...");
}

void options_print_version(void)
{
    printf("lockfs %s\n", LOCKFS_VERSION);
}
