#include "server/service.h"

#include "server/admin.h"
#include "server/http/request.h"
#include "server/ops/cli.h"
#include "server/ops/log.h"
#include "server/ops/metrics.h"
#include "server/ops/sandbox.h"

#include <errno.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* Descriptors for what is not a client's connection: listeners, loops, PostgreSQL, counter-svc. */
#define RESERVED_FILES          32
#define RESERVED_FILES_A_WORKER 32

/* Names that are looked up at a time: a dead one must not hold up another. */
#define MAX_LOOK_UPS 8

/* How long --probe waits. */
#define PROBE_MS 2000

/* Workers' numbers are that far apart, so that no two write to one line of the processor's cache. */
#define METRICS_ALIGNMENT 128

/* The process: one of it, as there is one main thread. */
static struct {
    const struct service *service;
    void *config;
    const struct service_config *settings;
    struct worker *workers;
    size_t n_workers;
    const void **metrics; /* of each worker */
    int listener;         /* for a worker that begins; */
    sem_t begun;          /* that it has, and */
    int begin_error;      /* errno if it could not */
    struct worker admin;
    struct admin about;
    struct service_metrics admin_metrics; /* nobody reads them */
    h2o_socket_t *signals;
    struct timer drain;
    atomic_bool stopping;
    atomic_size_t running; /* workers whose thread has not ended */
    atomic_int status;
} process;

static int load(const struct service *service, const struct cli *cli);
static int64_t count_cores(void);
static int run(void);
static int start_workers(int listener);
static void *work(void *worker);
static int watch_signals(void);
static void on_signal(h2o_socket_t *socket, const char *error);
static void on_drained(struct timer *timer);

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
        puts("the configuration is right");
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
        settings->workers = count_cores();
    return 0;
}

/* --- running --- */

/* Takes the descriptors that the process may have. Connections never take those that the service
 * needs for itself. */
static void settle(struct service_config *settings)
{
    int64_t reserve = RESERVED_FILES + RESERVED_FILES_A_WORKER * settings->workers;
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    h2o_hostinfo_max_threads = MAX_LOOK_UPS;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
        settings->max_connections > (int64_t)files.rlim_cur - reserve) {
        settings->max_connections =
            (int64_t)files.rlim_cur > 2 * reserve ? (int64_t)files.rlim_cur - reserve : reserve;
        log_event(LOG_LEVEL_WARNING, "fewer-connections", "max_connections=%lld descriptors=%llu",
                  (long long)settings->max_connections, (unsigned long long)files.rlim_cur);
    }
}

/* The cores that this process may use. */
static int64_t count_cores(void)
{
    cpu_set_t cores;

    if (sched_getaffinity(0, sizeof(cores), &cores) != 0 || CPU_COUNT(&cores) < 1)
        return 1;
    return CPU_COUNT(&cores);
}

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

static int run(void)
{
    char error[256];
    int64_t started_s = time(NULL);
    int listener, admin_listener;

    log_init(process.service->name, (enum log_level)process.settings->log_level,
             (enum log_format)process.settings->log_format);
    settle(process.config);
    listener = listener_open(&process.settings->listen, error, sizeof(error));
    admin_listener =
        listener < 0 ? -1 : listener_open(&process.settings->admin_listen, error, sizeof(error));
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

    request_log_switch(process.settings->access_log);
    process.admin.metrics = &process.admin_metrics;
    process.admin.routes = admin_routes;
    process.admin.app = &process.about;
    /* before the threads, which inherit the blocked signals */
    if (worker_init(&process.admin, process.settings, admin_listener, 0, admin_handle) != 0 ||
        watch_signals() != 0 || start_workers(listener) != 0) {
        log_event(LOG_LEVEL_ERROR, "not-started", "error=%s", LOG_QUOTED(strerror(errno)));
        _exit(1); /* some workers may be running, and use what a return would free */
    }
    process.about = (struct admin){
        .service = process.service,
        .settings = process.settings,
        .workers = process.workers,
        .metrics = process.metrics,
        .n_workers = process.n_workers,
        .started_s = started_s,
    };
    log_listening("admin", admin_listener);
    log_listening("main", listener);
    close(admin_listener);
    close(listener);

    worker_run(&process.admin);

    for (size_t i = 0; i < process.n_workers; ++i) {
        pthread_join(process.workers[i]._thread, NULL);
        worker_joined(&process.workers[i]);
    }
    timer_stop(&process.drain);
    h2o_socket_close(process.signals);
    worker_fini(&process.admin);
    worker_joined(&process.admin);
    log_sum_up(true);
    log_event(LOG_LEVEL_INFO, "stopped", "status=%d", atomic_load(&process.status));
    return atomic_load(&process.status);
}

/* Zeroed numbers for a worker; they stay until the process's end. */
static struct service_metrics *make_metrics(void)
{
    size_t size =
        (process.service->metrics_size + METRICS_ALIGNMENT - 1) & ~(size_t)(METRICS_ALIGNMENT - 1);
    void *metrics = aligned_alloc(METRICS_ALIGNMENT, size);

    return metrics != NULL ? memset(metrics, 0, size) : NULL;
}

static int start_workers(int listener)
{
    process.workers = calloc((size_t)process.settings->workers, sizeof(*process.workers));
    process.metrics = calloc((size_t)process.settings->workers, sizeof(*process.metrics));
    if (process.workers == NULL || process.metrics == NULL || sem_init(&process.begun, 0, 0) != 0)
        return -1;
    process.listener = listener;
    atomic_store(&process.running, (size_t)process.settings->workers);
    for (int64_t i = 0; i < process.settings->workers; ++i)
        atomic_store(&process.workers[i].not_ready, "it is starting");
    for (; process.n_workers < (size_t)process.settings->workers; ++process.n_workers) {
        struct worker *worker = &process.workers[process.n_workers];
        worker->index = (unsigned)process.n_workers;
        worker->routes = process.service->routes;
        worker->metrics = make_metrics();
        process.metrics[process.n_workers] = worker->metrics;
        if (worker->metrics == NULL)
            return -1;
        errno = pthread_create(&worker->_thread, NULL, work, worker);
        if (errno != 0)
            return -1;
        while (sem_wait(&process.begun) != 0)
            continue; /* EINTR */
        if (process.begin_error != 0) {
            pthread_join(worker->_thread, NULL);
            errno = process.begin_error;
            return -1;
        }
    }
    return 0;
}

/* The thread of a worker. */
static void *work(void *data)
{
    struct worker *worker = data;
    bool begun;

    /* here and not in the main thread: libh2o's sockets read into buffers that belong to the thread
     * in which they were made, and are given back to it without a lock */
    begun = worker_init(worker, process.settings, process.listener, process.service->max_body_bytes,
                        process.service->handle) == 0;
    process.begin_error = begun ? 0 : errno;
    sem_post(&process.begun);
    if (!begun)
        return NULL;
    if (process.service->start(worker, process.config) == 0) {
        worker_run(worker);
        process.service->stop(worker);
    } else {
        service_give_up();
    }
    atomic_store(&worker->last_turn_ms, UINT64_MAX); /* no turn is to be expected any more */
    worker_fini(worker);
    log_sum_up(true);
    if (atomic_fetch_sub(&process.running, 1) == 1)
        worker_want(&process.admin, WORKER_CLOSING);
    return NULL;
}

/* --- stopping --- */

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
    process.signals = h2o_evloop_socket_create(process.admin.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    h2o_socket_read_start(process.signals, on_signal);
    return 0;
}

static void want_all(enum worker_state state)
{
    for (size_t i = 0; i < process.n_workers; ++i)
        worker_want(&process.workers[i], state);
}

static void switch_access_log(bool on)
{
    request_log_switch(on);
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
            switch_access_log(!request_log_is_on());
            continue;
        }
        at_once = signal.ssi_signo == SIGINT || process.stopping || process.settings->drain_ms == 0;
        log_event(LOG_LEVEL_INFO, "stopping", "signal=%s drain_ms=%lld",
                  signal.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM",
                  at_once ? 0LL : (long long)process.settings->drain_ms);
        process.stopping = true;
        timer_stop(&process.drain);
        if (at_once) {
            want_all(WORKER_CLOSING);
        } else {
            want_all(WORKER_DRAINING);
            timer_start_after(&process.admin.timers, &process.drain,
                              (uint64_t)process.settings->drain_ms, on_drained);
        }
    }
}

static void on_drained(struct timer *timer)
{
    (void)timer;
    want_all(WORKER_CLOSING);
}

const char *service_why_not_ready(void)
{
    if (atomic_load(&process.stopping))
        return "it is stopping";
    /* all were there before the first worker's thread: process.n_workers may still grow */
    for (int64_t i = 0; i < process.settings->workers; ++i) {
        const char *why = atomic_load(&process.workers[i].not_ready);
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
