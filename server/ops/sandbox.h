/* Keeps secrets in, and whoever gets in from doing anything with it.
 *
 * What a process that was taken over could do is cut down to what the services do anyway:
 *
 *   no core dump     its memory, which holds the secrets, is in no file, and neither it nor its
 *                    environment can be read from outside by anybody but root. (As nothing of the
 *                    process is dumped, no part of it needs to be kept out: no MADV_DONTDUMP.)
 *   no privileges    no-new-privileges, and no capability, not even in the bounding set where that
 *                    may be emptied. Started as root it stays user 0, as a user like any other:
 *                    it reads what belongs to root, and nothing that belongs to others.
 *   system calls     only those that the services, libh2o, libpq, OpenSSL and getaddrinfo make; any
 *                    other ends the process at once (SIGSYS; the kernel's log names the call). No
 *                    program is run, no process made or traced, no file opened for writing, no
 *                    socket but TCP, UDP and Unix ones, no memory made executable but a library's
 *                    own file: no file can have been written by us.
 *
 * In a build with a sanitizer only no-new-privileges and capabilities are seen to: sanitizers read
 * and trace the process themselves.
 */
#ifndef SERVER_OPS_SANDBOX_H
#define SERVER_OPS_SANDBOX_H

#include <stdbool.h>

/* Sees to core dumps. As the first thing in main, before any secret is read. */
void sandbox_memory(void);

/* Gives up privileges and, if `sandbox`, all other system calls, for this thread and those that it
 * will start. After files have been read and listeners opened, before any thread. A kernel that
 * cannot filter calls is logged (`event=sandbox-missing`), and then they are not. */
void sandbox_enter(bool sandbox);

#endif
