/* The sandbox: limits what a compromised process can do.
 *
 *   no core dump     No file contains its memory, and so its secrets. Only root can read its memory
 *                    and environment from outside. (MADV_DONTDUMP is not needed, as nothing is
 *                    dumped.)
 *   no privileges    no-new-privileges, and no capability, not even in the bounding set if that may
 *                    be emptied. A process started as root stays user 0 but has the rights of a
 *                    normal user: it can read files of root, but not private files of others.
 *   system calls     Only those that the services, libh2o, libpq, OpenSSL and getaddrinfo make. Any
 *                    other call ends the process at once (SIGSYS; the kernel's log names the call).
 *                    The process cannot run a program, create or trace a process, open a file for
 *                    writing, or open a socket other than TCP, UDP and Unix. Memory becomes
 *                    executable only if it is mapped from a library's file, and the process cannot
 *                    write files.
 *
 * A build with a sanitizer has only no-new-privileges and no capabilities, because sanitizers read
 * and trace the process themselves.
 */
#ifndef SERVER_OPS_SANDBOX_H
#define SERVER_OPS_SANDBOX_H

#include <stdbool.h>

/* Disables core dumps. Call it first in main, before any secret is read. */
void sandbox_memory(void);

/* Drops the privileges and, if `sandbox`, filters system calls, for this thread and those that it
 * will start. Call it after files are read and listeners opened, before any thread starts. If the
 * kernel cannot filter calls, logs `event=sandbox-missing` and continues without a filter. */
void sandbox_enter(bool sandbox);

#endif
