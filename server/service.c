#include "server/service.h"

#include "server/admin.h"
#include "server/http/http_server.h"
#include "server/http/request.h"
#include "server/limits.h"
#include "server/ops/cli.h"
#include "server/ops/log.h"
#include "server/ops/metrics.h"
#include "server/ops/sandbox.h"

#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* Deadline of --probe, in milliseconds. */
#define PROBE_MS 2000

/* Alignment of each worker's metrics, in bytes, so that no two workers write to the same cache
 * line. */
#define METRICS_ALIGNMENT 128

/* The process. */
static struct {
    const struct service *service;
    void *config;
    const struct service_config *settings;
    struct http_server *servers; /* one for each worker */
    size_t n_workers;
    const void **metrics; /* of each worker */
    /* The main thread starts one worker after the other: */
    int listener;    /* the listener of all workers */
    sem_t started;   /* posted once the worker has started, or has failed to */
    int start_error; /* errno of the worker that failed to start, or 0 */
    struct http_server admin_server;
    struct admin admin;
    struct service_metrics admin_metrics; /* not exported */
    h2o_socket_t *signals;
    struct timer drain;
    atomic_bool stopping;
    atomic_size_t running; /* workers whose threads have not ended */
    atomic_int status;
} process;

static int load(const struct service *service, const struct cli *cli);
static int run(void);
static int start_workers(int listener);
static void *run_worker(void *server);
static int watch_signals(void);
static void on_signal(h2o_socket_t *socket, const char *error);
static void on_drain_over(struct timer *timer);

int service_main(const struct service *service, int argc, char **argv)
{
    struct cli cli;
    int status;

    sandbox_memory();
    cli = cli_parse(argc, argv, service->name, service->summary, service->keys);
    if (cli.action == CLI_EXIT)
        return cli.status;
    log_init(service->name, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    if (load(service, &cli) != 0) {
        status = 2;
    } else if (cli.action == CLI_CHECK_CONFIG) {
        puts("The configuration is valid.");
        status = 0;
    } else if (cli.action == CLI_PROBE) {
        status = cli_probe(&process.settings->admin_listen, PROBE_MS);
    } else {
        status = run();
    }
    if (process.config != NULL) {
        if (service->release != NULL)
            service->release(process.config);
        config_free(service->keys, process.config);
    }
    free(process.config);
    return status;
}

/* Loads and checks the configuration. Returns 0, or -1 after printing the error. */
static int load(const struct service *service, const struct cli *cli)
{
    char error[512];
    struct service_config *settings = calloc(1, service->config_size);

    process.service = service;
    process.config = settings;
    process.settings = settings;
    if (settings == NULL)
        return -1;
    if (config_load(service->keys, settings, cli->config_path, error, sizeof(error)) != 0 ||
        (service->check != NULL && service->check(settings, error, sizeof(error)) != 0)) {
        fprintf(stderr, "%s: %s\n", service->name, error);
        return -1;
    }
    if (settings->workers == 0)
        settings->workers = limits_cores();
    return 0;
}

/* --- running --- */

/* Logs the address of a listener, with the port that the kernel chose. */
static void log_listening(const char *name, int fd)
{
    struct sockaddr_storage address = {0};
    struct sockaddr *generic = (struct sockaddr *)&address;
    socklen_t len = sizeof(address);
    char host[NI_MAXHOST];

    if (getsockname(fd, generic, &len) != 0 ||
        h2o_socket_getnumerichost(generic, len, host) == SIZE_MAX)
        return;
    log_event(LOG_LEVEL_INFO, "listening",
              address.ss_family == AF_INET6 ? "listener=%s address=[%s]:%d"
                                            : "listener=%s address=%s:%d",
              name, host, (int)h2o_socket_getport(generic));
}

/* Runs the service until it has stopped. Returns the exit status. */
static int run(void)
{
    char error[256];
    int64_t started_s = time(NULL);
    int listener, admin_listener;

    log_init(process.service->name, (enum log_level)process.settings->log_level,
             (enum log_format)process.settings->log_format);
    signal(SIGPIPE, SIG_IGN); /* a write to a closed connection is an error, no signal */
    limits_set(process.config);
    listener = http_server_listen(&process.settings->listen, error, sizeof(error));
    admin_listener =
        listener < 0 ? -1
                     : http_server_listen(&process.settings->admin_listen, error, sizeof(error));
    if (admin_listener < 0) {
        log_event(LOG_LEVEL_ERROR, "not-started", "error=%s", LOG_QUOTED(error));
        if (listener >= 0)
            close(listener);
        return 1;
    }
    log_event(LOG_LEVEL_INFO, "starting", "version=%s workers=%lld", PATHCOUNT_VERSION,
              (long long)process.settings->workers);
    config_log(process.service->keys, process.config);
    sandbox_enter(process.settings->sandbox);

    access_log_switch(process.settings->access_log);
    process.admin_server.worker.metrics = &process.admin_metrics;
    process.admin_server.worker.routes = admin_routes;
    process.admin_server.worker.app = &process.admin;
    /* Threads inherit the blocked signals, so watch_signals runs before the workers start. */
    if (http_server_init(&process.admin_server, process.settings, admin_listener, 0,
                         admin_handle) != 0 ||
        watch_signals() != 0 || start_workers(listener) != 0) {
        log_event(LOG_LEVEL_ERROR, "not-started", "error=%s", LOG_QUOTED(strerror(errno)));
        _exit(1); /* running workers may use memory that a return would free */
    }
    process.admin = (struct admin){
        .settings = process.settings,
        .servers = process.servers,
        .metrics = process.metrics,
        .n_workers = process.n_workers,
        .routes = process.service->routes,
        .program_metrics = process.service->metrics,
        .why_not_ready = service_why_not_ready,
        .started_s = started_s,
    };
    log_listening("admin", admin_listener);
    log_listening("main", listener);
    close(admin_listener);
    close(listener);

    http_server_run(&process.admin_server);

    for (size_t i = 0; i < process.n_workers; ++i) {
        pthread_join(process.servers[i].thread, NULL);
        http_server_joined(&process.servers[i]);
    }
    timer_stop(&process.drain);
    h2o_socket_close(process.signals);
    http_server_fini(&process.admin_server);
    http_server_joined(&process.admin_server);
    log_sum_up(true);
    log_event(LOG_LEVEL_INFO, "stopped", "status=%d", atomic_load(&process.status));
    return atomic_load(&process.status);
}

/* Allocates zeroed metrics for a worker. Returns NULL if there is no memory. They are never freed:
 * the admin listener reads them until the process ends. */
static struct service_metrics *allocate_metrics(void)
{
    size_t size =
        (process.service->metrics_size + METRICS_ALIGNMENT - 1) & ~(size_t)(METRICS_ALIGNMENT - 1);
    void *metrics = aligned_alloc(METRICS_ALIGNMENT, size);

    return metrics != NULL ? memset(metrics, 0, size) : NULL;
}

/* Starts the thread of the next worker and waits until the worker listens. Returns 0, or -1 with
 * errno. */
static int start_worker(struct http_server *server)
{
    struct worker *worker = &server->worker;

    worker->index = (unsigned)(server - process.servers);
    worker->routes = process.service->routes;
    worker->metrics = allocate_metrics();
    process.metrics[worker->index] = worker->metrics;
    if (worker->metrics == NULL)
        return -1;
    errno = pthread_create(&server->thread, NULL, run_worker, server);
    if (errno != 0)
        return -1;
    while (sem_wait(&process.started) != 0)
        continue; /* EINTR */
    if (process.start_error == 0)
        return 0;
    pthread_join(server->thread, NULL);
    errno = process.start_error;
    return -1;
}

static int start_workers(int listener)
{
    size_t n_workers = (size_t)process.settings->workers;

    process.servers = calloc(n_workers, sizeof(*process.servers));
    process.metrics = calloc(n_workers, sizeof(*process.metrics));
    if (process.servers == NULL || process.metrics == NULL || sem_init(&process.started, 0, 0) != 0)
        return -1;
    process.listener = listener;
    atomic_store(&process.running, n_workers);
    for (size_t i = 0; i < n_workers; ++i)
        atomic_store(&process.servers[i].worker.not_ready, "it is starting");
    for (; process.n_workers < n_workers; ++process.n_workers)
        if (start_worker(&process.servers[process.n_workers]) != 0)
            return -1;
    return 0;
}

/* The thread of a worker. */
static void *run_worker(void *data)
{
    struct http_server *server = data;
    bool has_started;

    /* 1. Create the loop in this thread: worker_init has the reason. */
    has_started = http_server_init(server, process.settings, process.listener,
                                   process.service->max_body_bytes, process.service->handle) == 0;
    process.start_error = has_started ? 0 : errno;
    sem_post(&process.started);
    if (!has_started)
        return NULL;
    /* 2. Serve until the server has stopped. */
    if (process.service->start(&server->worker, process.config) == 0) {
        http_server_run(server);
        process.service->stop(&server->worker);
    } else {
        service_give_up();
    }
    /* 3. Free the loop. The last worker stops the admin listener. */
    atomic_store(&server->worker.last_turn_ms, UINT64_MAX);
    http_server_fini(server);
    log_sum_up(true);
    if (atomic_fetch_sub(&process.running, 1) == 1)
        http_server_want(&process.admin_server, HTTP_SERVER_CLOSING);
    return NULL;
}

/* --- stopping --- */

/* Blocks the signals and reads them from the admin loop instead. Returns 0, or -1 with errno. */
static int watch_signals(void)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -1;
    process.signals =
        h2o_evloop_socket_create(process.admin_server.worker.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    h2o_socket_read_start(process.signals, on_signal);
    return 0;
}

/* Moves all workers to a later state. */
static void want_all(enum http_server_state state)
{
    for (size_t i = 0; i < process.n_workers; ++i)
        http_server_want(&process.servers[i], state);
}

static void switch_access_log(bool on)
{
    access_log_switch(on);
    log_each(LOG_LEVEL_INFO, "access-log", "on=%s sample=%lld", on ? "true" : "false",
             (long long)process.settings->access_log_sample);
}

static void on_signal(h2o_socket_t *socket, const char *error)
{
    struct signalfd_siginfo signal;
    bool at_once;

    (void)error;
    while (read(h2o_socket_get_fd(socket), &signal, sizeof(signal)) == sizeof(signal)) {
        if (signal.ssi_signo == SIGUSR1) {
            switch_access_log(!access_log_is_on());
            continue;
        }
        at_once = signal.ssi_signo == SIGINT || process.stopping || process.settings->drain_ms == 0;
        log_event(LOG_LEVEL_INFO, "stopping", "signal=%s drain_ms=%lld",
                  signal.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM",
                  at_once ? 0LL : (long long)process.settings->drain_ms);
        process.stopping = true;
        timer_stop(&process.drain);
        if (at_once) {
            want_all(HTTP_SERVER_CLOSING);
        } else {
            want_all(HTTP_SERVER_DRAINING);
            timer_start_after(&process.admin_server.worker.timers, &process.drain,
                              (uint64_t)process.settings->drain_ms, on_drain_over);
        }
    }
}

static void on_drain_over(struct timer *timer)
{
    (void)timer;
    want_all(HTTP_SERVER_CLOSING);
}

const char *service_why_not_ready(void)
{
    if (atomic_load(&process.stopping))
        return "it is stopping";
    /* All servers exist before the first thread starts. process.n_workers may still grow. */
    for (int64_t i = 0; i < process.settings->workers; ++i) {
        const char *why = atomic_load(&process.servers[i].worker.not_ready);
        if (why != NULL)
            return why;
    }
    return NULL;
}

void service_give_up(void)
{
    atomic_store(&process.status, 1);
    kill(getpid(), SIGINT);
}
