/* The access log, and the count of requests.
 *
 * A line has the route, method, status, duration, bytes sent and trace of a request. It contains
 * neither the path, the query, the headers nor the client. While the log is on, each worker logs
 * one request in `access_log_sample`. The key `access_log` and SIGUSR1 switch it.
 */
#ifndef SERVER_HTTP_ACCESS_LOG_H
#define SERVER_HTTP_ACCESS_LOG_H

#include <h2o.h>
#include <stdbool.h>

/* Counts a request by route and status, and logs it if it is in the sample. Call it when the
 * request has ended, from its loop. */
void access_log_request(h2o_req_t *req);

/* Switches the log on or off. Any thread. */
void access_log_switch(bool on);

/* Returns whether the log is on. Any thread. */
bool access_log_is_on(void);

#endif
