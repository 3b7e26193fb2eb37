#include "server/loop/worker.h"

#include "server/http/connection.h"
#include "server/http/request.h"
#include "server/http/validate.h"
#include "server/ops/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many connections a turn of the loop accepts: few, so that workers share a burst. */
#define ACCEPTS_A_TURN 16

/* How long to leave a listener alone when the process has no descriptor left. */
#define ACCEPT_PAUSE_MS 100

/* How long after the listener's end an idle connection may still bring a request, and how often the
 * idle ones are looked for after that. */
#define IDLE_GRACE_MS 500
#define SWEEP_MS      50

/* How often connections are looked over, while there are any. */
#define LOOK_OVER_MS 200

/* The loop goes round at least so often, which shows that it is well. */
#define MAX_WAIT_MS 1000

static void start_listening(struct worker *worker, int listener);
static bool run_deferred(struct worker *worker);
static void on_deferred(h2o_timeout_entry_t *trigger);
static int on_request(h2o_handler_t *self, h2o_req_t *req);
static void on_acceptable(h2o_socket_t *listener, const char *error);
static void on_connection_close(void *data);
static void on_accept_pause_over(struct timer *timer);
static void on_look_over(struct timer *timer);
static void on_wake(h2o_socket_t *wake, const char *error);
static void close_listener(struct worker *worker);
static void on_sweep(struct timer *timer);

int listener_open(const struct config_address *address, char *error, size_t error_size)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&storage;
    socklen_t len;
    int fd, on = 1;

    if (inet_pton(AF_INET, address->host, &ip4->sin_addr) == 1) {
        ip4->sin_family = AF_INET;
        ip4->sin_port = htons(address->port);
        len = sizeof(*ip4);
    } else {
        inet_pton(AF_INET6, address->host, &ip6->sin6_addr);
        ip6->sin6_family = AF_INET6;
        ip6->sin6_port = htons(address->port);
        len = sizeof(*ip6);
    }
    fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&storage, len) != 0 || listen(fd, SOMAXCONN) != 0) {
        snprintf(error, error_size, "cannot listen on %s port %u: %s", address->host, address->port,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Takes a timeout of libh2o's out of its loop, for good: connections have their limits from connection.h,
 * which do not depend on the wall clock. What is linked to it waits for ever. */
static void disable_timeout(h2o_timeout_t *timeout)
{
    h2o_linklist_unlink(&timeout->_link);
    h2o_linklist_init_anchor(&timeout->_link); /* from which libh2o unlinks it again at the end */
}

int worker_init(struct worker *worker, const struct service_config *settings, int listener,
                size_t max_body_bytes, int (*handle)(h2o_handler_t *, h2o_req_t *))
{
    h2o_globalconf_t *conf = &worker->_globalconf;
    h2o_hostconf_t *host;
    int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), own_listener;

    if (wake < 0)
        return -1;
    own_listener = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    worker->_wake_fd = fcntl(wake, F_DUPFD_CLOEXEC, 0);
    worker->settings = settings;
    worker->loop = h2o_evloop_create();
    if (own_listener < 0 || worker->_wake_fd < 0 ||
        timers_init(&worker->timers, worker->loop) != 0) {
        close(wake);
        return -1;
    }

    h2o_config_init(conf);
    conf->server_name = h2o_iovec_init(H2O_STRLIT(""));
    conf->max_request_entity_size = max_body_bytes;
    conf->http1.upgrade_to_http2 = 0; /* this version lacks the fix for CVE-2023-44487 */
    conf->http2.callbacks.request_shutdown = NULL; /* would leave a timeout linked at the end */
    host = h2o_config_register_host(conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    /* no prefix: what is not a path at all shall reach the handlers too */
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = on_request;
    validate_register(&host->fallback_path);
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = handle;
    h2o_create_logger(&host->fallback_path, sizeof(h2o_logger_t))->log_access = request_log;
    h2o_context_init(&worker->context, worker->loop, conf);
    disable_timeout(&worker->context.http1.req_timeout);
    worker->_accept = (h2o_accept_ctx_t){.ctx = &worker->context, .hosts = conf->hosts};

    output_budget_init(&worker->budget, (size_t)(settings->max_unsent_bytes / settings->workers));
    h2o_linklist_init_anchor(&worker->_deferred);
    worker->_deferred_trigger.cb = on_deferred;
    worker->_wake = h2o_evloop_socket_create(worker->loop, wake, H2O_SOCKET_FLAG_DONT_READ);
    worker->_wake->data = worker;
    h2o_socket_read_start(worker->_wake, on_wake);
    start_listening(worker, own_listener);
    atomic_store(&worker->last_turn_ms, monotonic_ms());
    return 0;
}

static void start_listening(struct worker *worker, int listener)
{
    int64_t share = worker->settings->max_connections / worker->settings->workers;
    int unread = (int)worker->settings->max_unread_bytes;

    worker->_max_connections = share > 0 ? (size_t)share : 1;
    /* connections inherit it: what one read, and one turn of the loop, may bring of them */
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &unread, sizeof(unread));
    worker->_listener = h2o_evloop_socket_create(worker->loop, listener, H2O_SOCKET_FLAG_DONT_READ);
    worker->_listener->data = worker;
    h2o_socket_read_start(worker->_listener, on_acceptable);
}

void worker_run(struct worker *worker)
{
    int32_t wait_ms = MAX_WAIT_MS;

    while (worker->_state != WORKER_STOPPED) {
        atomic_store_explicit(&worker->last_turn_ms, monotonic_ms(), memory_order_relaxed);
        if (h2o_evloop_run(worker->loop, wait_ms) != 0 && errno != EINTR) {
            log_event(LOG_LEVEL_ERROR, "loop-failed", "error=%s", LOG_QUOTED(strerror(errno)));
            abort();
        }
        /* nothing is left here, unless the wall clock stepped back and libh2o waits for it */
        wait_ms = run_deferred(worker) ? 0 : MAX_WAIT_MS;
        log_sum_up(false);
    }
    if (worker->_connections != 0)
        connections_abort(worker);
}

static bool run_deferred(struct worker *worker)
{
    bool any = false;

    while (!h2o_linklist_is_empty(&worker->_deferred)) {
        struct deferred *deferred =
            H2O_STRUCT_FROM_MEMBER(struct deferred, _link, worker->_deferred.next);
        h2o_linklist_unlink(&deferred->_link);
        deferred->_run(deferred);
        any = true;
    }
    return any;
}

static void on_deferred(h2o_timeout_entry_t *trigger)
{
    run_deferred(H2O_STRUCT_FROM_MEMBER(struct worker, _deferred_trigger, trigger));
}

void worker_defer(struct worker *worker, struct deferred *deferred,
                  void (*run)(struct deferred *deferred))
{
    if (h2o_linklist_is_linked(&deferred->_link))
        return;
    deferred->_run = run;
    h2o_linklist_insert(&worker->_deferred, &deferred->_link);
    if (!h2o_timeout_is_linked(&worker->_deferred_trigger))
        h2o_timeout_link(worker->loop, &worker->context.zero_timeout, &worker->_deferred_trigger);
}

void deferred_cancel(struct deferred *deferred)
{
    if (h2o_linklist_is_linked(&deferred->_link))
        h2o_linklist_unlink(&deferred->_link);
}

/* --- connections --- */

static void accept_connection(struct worker *worker, h2o_socket_t *socket)
{
    connection_begin(worker, socket, on_connection_close);
    ++worker->_connections;
    metric_add(&worker->metrics->connections, 1);
    metric_add(&worker->metrics->connections_accepted, 1);
    if (!timer_is_waiting(&worker->_look_over))
        timer_start_after(&worker->timers, &worker->_look_over, LOOK_OVER_MS, on_look_over);
    h2o_accept(&worker->_accept, socket);
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    connection_request_begun(req);
    return -1; /* the next handler's turn */
}

static void on_acceptable(h2o_socket_t *listener, const char *error)
{
    struct worker *worker = listener->data;
    h2o_socket_t *socket;

    (void)error;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; ++i) {
        if (worker->_connections >= worker->_max_connections) {
            h2o_socket_read_stop(listener); /* until one is closed */
            return;
        }
        socket = h2o_evloop_socket_accept(listener);
        if (socket == NULL) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                log_event(LOG_LEVEL_WARNING, "accept-paused", "error=%s",
                          LOG_QUOTED(strerror(errno)));
                h2o_socket_read_stop(listener);
                timer_start_after(&worker->timers, &worker->_accept_pause, ACCEPT_PAUSE_MS,
                                  on_accept_pause_over);
            }
            return;
        }
        accept_connection(worker, socket);
    }
}

static void on_accept_pause_over(struct timer *timer)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, _accept_pause, timer);

    if (worker->_listener != NULL)
        h2o_socket_read_start(worker->_listener, on_acceptable);
}

static void on_connection_close(void *data)
{
    struct connection *connection = data;
    struct worker *worker = connection->worker;

    free(connection);
    --worker->_connections;
    metric_subtract(&worker->metrics->connections, 1);
    if (worker->_listener != NULL && !h2o_socket_is_reading(worker->_listener) &&
        !timer_is_waiting(&worker->_accept_pause))
        h2o_socket_read_start(worker->_listener, on_acceptable);
}

static void on_look_over(struct timer *timer)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, _look_over, timer);

    connections_look_over(worker);
    output_budget_look_over(&worker->budget, monotonic_ms());
    if (worker->_connections != 0)
        timer_start_after(&worker->timers, &worker->_look_over, LOOK_OVER_MS, on_look_over);
}

/* --- stopping --- */

void worker_want(struct worker *worker, enum worker_state state)
{
    uint64_t one = 1;

    atomic_store(&worker->wanted_state, (int)state);
    if (write(worker->_wake_fd, &one, sizeof(one)) != sizeof(one))
        return; /* the counter is full: the worker has plenty to wake up for */
}

static void on_wake(h2o_socket_t *wake, const char *error)
{
    struct worker *worker = wake->data;
    enum worker_state wanted;
    uint64_t times;

    (void)error;
    if (read(h2o_socket_get_fd(wake), &times, sizeof(times)) != sizeof(times))
        return;
    /* after the read: what is wanted from here on wakes up again */
    wanted = (enum worker_state)atomic_load(&worker->wanted_state);
    if (wanted > worker->_state && worker->_state == WORKER_RUNNING)
        h2o_context_request_shutdown(&worker->context);
    if (wanted == WORKER_DRAINING && worker->_state < WORKER_DRAINING)
        worker->_state = WORKER_DRAINING;
    if (wanted >= WORKER_CLOSING && worker->_state < WORKER_CLOSING) {
        worker->_state = WORKER_CLOSING;
        worker->_closing_since_ms = monotonic_ms();
        close_listener(worker);
        on_sweep(&worker->_sweep);
    }
}

/* Takes over whoever the kernel has already connected, then closes. */
static void close_listener(struct worker *worker)
{
    h2o_socket_t *socket;

    timer_stop(&worker->_accept_pause);
    while ((socket = h2o_evloop_socket_accept(worker->_listener)) != NULL)
        accept_connection(worker, socket);
    h2o_socket_close(worker->_listener);
    worker->_listener = NULL;
}

/* Ends the reading of a connection on which no request has begun; libh2o then closes it. */
static int close_if_idle(h2o_req_t *req, void *data)
{
    (void)data;
    if (req->timestamps.request_begin_at.tv_sec == 0)
        shutdown(h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), SHUT_RD);
    return 0;
}

static void on_sweep(struct timer *timer)
{
    struct worker *worker = H2O_STRUCT_FROM_MEMBER(struct worker, _sweep, timer);
    uint64_t for_ms = monotonic_ms() - worker->_closing_since_ms;

    if (worker->_connections == 0) {
        worker->_state = WORKER_STOPPED;
    } else if (for_ms >= (uint64_t)worker->settings->shutdown_ms) {
        log_event(LOG_LEVEL_WARNING, "stop-forced", "connections=%zu", worker->_connections);
        worker->_state = WORKER_STOPPED;
    } else {
        if (for_ms >= IDLE_GRACE_MS)
            worker->_globalconf.http1.callbacks.foreach_request(&worker->context, close_if_idle,
                                                                NULL);
        timer_start_after(&worker->timers, &worker->_sweep, SWEEP_MS, on_sweep);
    }
}

void worker_fini(struct worker *worker)
{
    timer_stop(&worker->_accept_pause);
    timer_stop(&worker->_sweep);
    timer_stop(&worker->_look_over);
    h2o_timeout_unlink(&worker->_deferred_trigger);
    if (worker->_listener != NULL)
        h2o_socket_close(worker->_listener);
    h2o_socket_close(worker->_wake);
    timers_fini(&worker->timers);
    if (worker->_connections != 0 || worker->keep_context)
        return; /* the process is about to end, and what is still connected with it */
    h2o_evloop_run(worker->loop, 0); /* lets closed sockets be freed */
    h2o_context_dispose(&worker->context);
    h2o_config_dispose(&worker->_globalconf);
}

void worker_joined(struct worker *worker)
{
    close(worker->_wake_fd);
}
