/* The HTTP status codes that the services send. */
#ifndef SERVER_HTTP_STATUS_H
#define SERVER_HTTP_STATUS_H

/* Returns the reason phrase of a status (RFC 9110, 15): "Not Found" for 404. A constant. */
const char *status_title(int status);

#endif
