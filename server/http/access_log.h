/* The access log and the count of requests.
 *
 * A line has the route, method, status, duration, bytes sent and trace of a request. It has nothing of
 * the path, the query, the headers or the client. While the log is on, each worker logs one request in
 * `access_log_sample`. `access_log` and SIGUSR1 switch it.
 */
#ifndef SERVER_HTTP_ACCESS_LOG_H
#define SERVER_HTTP_ACCESS_LOG_H

#include <h2o.h>
#include <stdbool.h>

/* Counts a request by route and status, and logs it if its line is due. When the request is over, from
 * its loop. */
void access_log_request(h2o_req_t *req);

/* Switches the log on or off. Any thread. */
void access_log_switch(bool on);

/* Any thread. */
bool access_log_is_on(void);

#endif
