/* Places where a test may have the process killed: built in only with -Dcrash_points=true.
 *
 *     CRASH_POINT("act-executed");
 *
 * In such a build $LOCKFS_CRASH_POINT names a file. When it holds the name of the point that is
 * passed, the file is removed and the process killed: once, whatever comes after; with "stop "
 * before the name it is stopped instead, and so hangs there. Under "?" instead of a name, the names
 * of the points passed are appended to the file with the suffix ".passed".
 */
#ifndef LOCKFS_BASE_CRASH_POINT_H
#define LOCKFS_BASE_CRASH_POINT_H

#ifdef LOCKFS_CRASH_POINTS
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif

#endif
