/* The limits of the process: file descriptors, cores, concurrent name look-ups. All calls from the
 * main thread, before any other thread starts. */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include "server/ops/settings.h"

/* Returns the number of cores that this process may use. */
int64_t limits_cores(void);

/* Raises the limit of file descriptors as far as allowed. Lowers max_connections if it would leave
 * too few descriptors for the service itself. Limits concurrent name look-ups. */
void limits_set(struct service_config *settings);

#endif
