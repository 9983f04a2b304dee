/* Places where a test may have the process killed: built in only with -Dcrash_points=true.
 *
 *     CRASH_POINT("act-executed");
 *
 * In such a build $LOCKFS_CRASH_POINT names a file with orders, a line each; the first is in force:
 *
 *     NAME         killed at this point: once; then the next line is in force, and after the last
 *                  one the file is removed
 *     NAME 3       the same at the third pass
 *     stop NAME    stopped instead, and so hangs there
 *     exit NAME    it exits instead
 *     always NAME  killed at each pass, as long as the file is there
 *     ?            the names of the points passed are appended to a second file, *.passed
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
