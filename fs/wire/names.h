/* What is called how between the daemon and its front end. */
#ifndef LOCKFS_WIRE_NAMES_H
#define LOCKFS_WIRE_NAMES_H

/* The directory that can be entered by name in every directory of a mount, and its files. */
#define NAMES_DIR ".lockfs"
#define NAMES_LOCKS "locks"
#define NAMES_EVENTS "events"
#define NAMES_HEALED "healed"
#define NAMES_STATS "stats"
#define NAMES_METRICS "metrics"
#define NAMES_OBSERVED "observed"
#define NAMES_CONTROL "control"

#define NAMES_XATTR_OWNER "user.lockfs.owner"
#define NAMES_XATTR_TOKEN "user.lockfs.token"

/* Bytes that are no UTF-8 are shown as U+FFFD in a member; this one beside it has them exactly. */
#define NAMES_EXACT_SUFFIX "_base64"

#endif
