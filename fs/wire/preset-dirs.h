/* Where presets are looked for. */
#ifndef LOCKFS_WIRE_PRESET_DIRS_H
#define LOCKFS_WIRE_PRESET_DIRS_H

/* NULL-terminated, the first that has a preset counts: $LOCKFS_PRESETS if it is set; what stands
 * beside the running program, installed anywhere or in the directory where it was built; and
 * `installed`. Free with g_strfreev(). */
char **preset_dirs(const char *installed);

#endif
