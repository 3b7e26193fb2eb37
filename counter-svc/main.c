#include "counter-svc/counter.h"

#include "counter-svc/changes/command.h"
#include "counter-svc/ledger/counter_metrics.h"
#include "server/ops/log.h"
#include "server/ops/sandbox.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(name_, type_, field_)                                                                  \
    .name = name_, .type = type_, .offset = offsetof(struct counter_config, field_)

static const struct config_key KEYS[] = {
    {KEY("counter_token", CONFIG_SECRET, counter_token), .required = true,
     .help = "Bearer token of requests to counter-svc."},
    {KEY("counter_token_previous", CONFIG_SECRET, counter_token_previous),
     .help = "A second valid token during a rotation."},
    {KEY("admin_token", CONFIG_SECRET, admin_token),
     .help = "Bearer token of requests that change counts; unset: changes are disabled."},
    {KEY("audit_days", CONFIG_INTEGER, audit_days), .fallback = "400", .min = 0, .max = 36500,
     .unit = "days", .help = "Retention of the audit trail of changes; 0: unlimited."},
    {KEY("postgres_url", CONFIG_SECRET, postgres_url), .fallback = "127.0.0.1:5432",
     .help = "HOST[:PORT] (several with commas), a socket directory, or a postgresql:// URI."},
    {KEY("postgres_user", CONFIG_STRING, postgres_user),
     .help = "PostgreSQL role that owns the tables."},
    {KEY("postgres_pw", CONFIG_SECRET, postgres_pw), .help = "Password of the role."},
    {KEY("postgres_pw_previous", CONFIG_SECRET, postgres_pw_previous),
     .help = "Password to try if postgres_pw is rejected, during a rotation."},
    {KEY("postgres_db", CONFIG_STRING, postgres_db),
     .help = "Database name; its encoding must be UTF8."},
    {KEY("connect_timeout_ms", CONFIG_INTEGER, session.connect_timeout_ms), .fallback = "2000",
     .min = 100, .max = 60000, .unit = "ms",
     .help = "Time to connect to one address of PostgreSQL, and to resolve its name."},
    {KEY("statement_timeout_ms", CONFIG_INTEGER, session.statement_timeout_ms), .fallback = "3000",
     .min = 100, .max = 60000, .unit = "ms", .help = "Maximum time of a statement in PostgreSQL."},
    {KEY("lock_timeout_ms", CONFIG_INTEGER, session.lock_timeout_ms), .fallback = "100", .min = 10,
     .max = 60000, .unit = "ms",
     .help = "Maximum time that a statement waits for a lock; then it is retried."},
    {KEY("max_batches", CONFIG_INTEGER, journal.max_batches), .fallback = "1000", .min = 1,
     .max = 100000, .help = "Maximum of batches waiting for the journal; others get 503."},
    {KEY("batch_deadline_ms", CONFIG_INTEGER, journal.batch_deadline_ms), .fallback = "3000",
     .min = 100, .max = 60000, .unit = "ms",
     .help = "Maximum time that a batch waits before it is sent to PostgreSQL."},
    {KEY("lane_ttl_s", CONFIG_INTEGER, journal.lane_ttl_s), .fallback = "86400", .min = 1,
     .max = 31536000, .unit = "s",
     .help = "Time after which an unused lane expires; set it above the longest outage."},
    {KEY("max_paths", CONFIG_INTEGER, journal.max_paths), .fallback = "10000000", .min = 1,
     .max = 1000000000000,
     .help = "Maximum of paths with their own row; all others share one row."},
    {KEY("max_cached_bytes", CONFIG_INTEGER, journal.max_cached_bytes), .fallback = "134217728",
     .min = 1048576, .max = 1099511627776, .unit = "bytes",
     .help = "Memory for cached counts; each path counts as 64 bytes plus its length."},
    {KEY("max_unfolded", CONFIG_INTEGER, journal.max_unfolded), .fallback = "1000000", .min = 1000,
     .max = 100000000,
     .help = "Maximum of journal entries not folded yet; above it batches get 503."},
    {KEY("fold_interval_ms", CONFIG_INTEGER, journal.fold.interval_ms), .fallback = "5000",
     .min = 100, .max = 60000, .unit = "ms",
     .help = "Interval at which the journal is folded into the tables, under load."},
    {KEY("time_zone", CONFIG_STRING, journal.fold.history.time_zone), .fallback = "UTC",
     .help = "Time zone of the history's hours and days, such as Europe/Berlin."},
    {KEY("history_hours", CONFIG_INTEGER, journal.fold.history.keep_hours), .fallback = "168",
     .min = 0, .max = 87600, .unit = "hours",
     .help = "Hours of history to keep for each path; 0: none."},
    {KEY("history_days", CONFIG_INTEGER, journal.fold.history.keep_days), .fallback = "400",
     .min = 0, .max = 36500, .unit = "days",
     .help = "Days of history to keep for each path; 0: none."},
    {KEY("history_rows", CONFIG_INTEGER, journal.fold.history.max_rows), .fallback = "20000000",
     .min = 0, .max = 1000000000000,
     .help = "Maximum rows of history; then the oldest hours are deleted, then days."},
    {KEY("max_reads", CONFIG_INTEGER, views.max_reads), .fallback = "1000", .min = 1, .max = 100000,
     .help = "Maximum of waiting reads; others get 503."},
    {KEY("read_deadline_ms", CONFIG_INTEGER, views.deadline_ms), .fallback = "3000", .min = 100,
     .max = 60000, .unit = "ms",
     .help = "Maximum time that a read waits before it is sent to PostgreSQL."},
    {KEY("path_lower_case", CONFIG_BOOLEAN, path_rules.lower_case), .fallback = "false",
     .help = "For the command change normalise, as in render-svc: /A is counted as /a."},
    {KEY("path_collapse_slashes", CONFIG_BOOLEAN, path_rules.collapse_slashes), .fallback = "false",
     .help = "Likewise: /a//b is counted as /a/b."},
    {KEY("path_strip_index", CONFIG_BOOLEAN, path_rules.strip_index), .fallback = "false",
     .help = "Likewise: /a/index.html is counted as /a/."},
    {KEY("path_strip_slash", CONFIG_BOOLEAN, path_rules.strip_slash), .fallback = "false",
     .help = "Likewise: /a/ is counted as /a."},
    {.name = NULL}};

/* Drops a previous secret that equals the current one. Docker Swarm needs every secret to exist, so
 * equal secrets mean that none is being rotated. */
static void drop_if_current(char **previous, const char *current)
{
    if (*previous == NULL || current == NULL || strcmp(*previous, current) != 0)
        return;
    explicit_bzero(*previous, strlen(*previous));
    free(*previous);
    *previous = NULL;
}

static int check(void *data, char *error, size_t error_size)
{
    struct counter_config *config = data;

    config->service.workers = 1; /* the journal is one state */
    if (config->admin_token != NULL && strcmp(config->admin_token, config->counter_token) == 0) {
        snprintf(error, error_size,
                 "admin_token must differ from counter_token: renderers know that one.");
        return -1;
    }
    drop_if_current(&config->counter_token_previous, config->counter_token);
    if (postgres_url_parse(config->postgres_url, config->postgres_user, config->postgres_pw,
                           config->postgres_db, &config->session.url, error, error_size) != 0)
        return -1;
    drop_if_current(&config->postgres_pw_previous, postgres_url_password(&config->session.url));
    config->session.url.previous_password = config->postgres_pw_previous;
    return 0;
}

static void release(void *data)
{
    postgres_url_free(&((struct counter_config *)data)->session.url);
}

/* Logs that a secret is being rotated, because an operator has to end the rotation. */
static void log_rotation(const struct counter_config *config)
{
    if (config->counter_token_previous != NULL)
        log_event(LOG_LEVEL_INFO, "rotation", "secret=counter_token accepted=2");
    if (config->postgres_pw_previous != NULL)
        log_event(LOG_LEVEL_INFO, "rotation", "secret=postgres_pw offered=2");
}

/* counter-svc is ready if it can count and read. */
static void publish_readiness(void *data)
{
    struct counter *counter = data;
    const char *problem;

    if (counter->journal == NULL || counter->views == NULL)
        return;
    if (journal_has_ledger(counter->journal)) {
        views_follow(counter->views, journal_host(counter->journal));
        views_migrate(counter->views);
        if (counter->changes != NULL) {
            changes_follow(counter->changes, journal_host(counter->journal));
            changes_migrate(counter->changes);
        }
        if (counter->ranking == NULL)
            counter->ranking = ranking_open(counter->worker, &counter->config->session);
    }
    problem = journal_problem(counter->journal);
    if (problem == NULL)
        problem = views_problem(counter->views);
    atomic_store(&counter->worker->not_ready, problem);
}

static void on_journal_folded(void *data, int64_t position)
{
    struct counter *counter = data;

    if (counter->views != NULL)
        views_on_folded(counter->views, position);
}

static int start(struct worker *worker, const void *data)
{
    struct counter *counter;

    /* libcrypto does this once. If it fails, libpq can never authenticate */
    if (RAND_status() != 1) {
        log_event(LOG_LEVEL_ERROR, "no-randomness", "library=libcrypto");
        return -1;
    }
    counter = h2o_mem_alloc(sizeof(*counter));
    *counter = (struct counter){.config = data, .worker = worker};
    worker->app = counter;
    log_rotation(counter->config);
    counter->journal =
        journal_open(worker, &counter->config->session, &counter->config->journal,
                     &(struct journal_owner){publish_readiness, on_journal_folded, counter});
    counter->views = views_open(worker, &counter->config->session, &counter->config->views,
                                counter->journal, publish_readiness, counter);
    if (counter->config->admin_token != NULL)
        counter->changes =
            changes_open(worker, &counter->config->session, counter->config->journal.max_paths,
                         counter->config->audit_days);
    publish_readiness(counter);
    return 0;
}

static void stop(struct worker *worker)
{
    struct counter *counter = worker->app;

    ranking_close(counter->ranking);
    changes_close(counter->changes);
    views_close(counter->views);
    journal_close(counter->journal);
    free(counter);
}

/* Runs `counter-svc change …` with the configuration of the service. Returns the exit status. */
static int change(const struct config_key *keys, int argc, char **argv)
{
    struct counter_config config = {0};
    struct command command;
    char error[512];
    int status = command_parse(argc, argv, &command);

    if (status != -1)
        return status;
    sandbox_memory();
    if (config_load(keys, &config, command.config_path, error, sizeof(error)) != 0) {
        fprintf(stderr, "counter-svc change: %s\n", error);
        return 2;
    }
    status = 2;
    if (config.admin_token == NULL)
        fprintf(stderr, "counter-svc change: admin_token is not set\n");
    else if (config.service.listen.port == 0)
        fprintf(stderr, "counter-svc change: listen has port 0, which cannot be called\n");
    else
        status =
            command_run(&command, &(struct command_service){.address = &config.service.listen,
                                                            .admin_token = config.admin_token,
                                                            .counter_token = config.counter_token,
                                                            .rules = &config.path_rules});
    config_free(keys, &config);
    return status;
}

int main(int argc, char **argv)
{
    const struct config_key *keys = service_keys(KEYS, "127.0.0.1:8081", "127.0.0.1:8091");
    const struct service service = {
        .name = "counter-svc",
        .summary = "Counts hits in PostgreSQL, each exactly once, for render-svc.",
        .keys = keys,
        .config_size = sizeof(struct counter_config),
        .metrics = counter_metrics,
        .metrics_size = sizeof(struct counter_metrics),
        .max_body_bytes = 2 * BATCH_MAX_BODY_BYTES,
        .check = check,
        .release = release,
        .start = start,
        .handle = counter_handle,
        .routes = counter_routes,
        .stop = stop,
    };

    if (argc > 1 && strcmp(argv[1], "change") == 0)
        return change(keys, argc - 1, argv + 1);
    return service_main(&service, argc, argv);
}
