#include "counter-svc/counter_metrics.h"

#define NUMBER(name_, type_, field_)                                                               \
    .name = name_, .type = type_, .offset = offsetof(struct counter_metrics, field_)
#define LABELLED(label_, ...)                                                                      \
    .label = label_, .values = (const char *const[])                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define OUTCOMES LABELLED("outcome", "applied", "repeated", "conflict", "refused", "unavailable")

const struct metric counter_metrics[] = {
    {NUMBER("pathcount_ledger_batches_received_total", METRIC_COUNTER, batches_received),
     .help = "Batches that were taken in: each is answered or waiting."},
    {NUMBER("pathcount_ledger_batches_answered_total", METRIC_COUNTER, batches_answered), OUTCOMES,
     .help = "Batches by what became of them: applied here, found applied before (repeated), not "
             "of their lane's sequence (conflict), refused by PostgreSQL, or unavailable: not "
             "applied, or nobody knows."},
    {NUMBER("pathcount_ledger_batches_waiting", METRIC_GAUGE, batches_waiting),
     .help = "Batches in the queue and at PostgreSQL."},
    {NUMBER("pathcount_ledger_hits_received_total", METRIC_COUNTER, hits_received),
     .help = "Hits in the batches that were taken in."},
    {NUMBER("pathcount_ledger_hits_answered_total", METRIC_COUNTER, hits_answered), OUTCOMES,
     .help = "Hits in batches by what became of these."},
    {NUMBER("pathcount_ledger_hits_waiting", METRIC_GAUGE, hits_waiting),
     .help = "Hits in the batches that wait."},
    {NUMBER("pathcount_ledger_commit_batches", METRIC_SIZES, commit_batches),
     .help = "Batches that were merged into one statement."},
    {NUMBER("pathcount_ledger_commit_paths", METRIC_SIZES, commit_paths),
     .help = "Paths in such a statement."},
    {NUMBER("pathcount_ledger_commit_duration_seconds", METRIC_SECONDS, commit_seconds),
     .help = "Time from sending such a statement until PostgreSQL has confirmed its commit."},
    {NUMBER("pathcount_ledger_commit_failures_total", METRIC_COUNTER, commit_failures),
     LABELLED("reason", "passing", "lock", "data", "other", "standby", "lost"),
     .help = "Statements that were not committed by what PostgreSQL said: a passing trouble, a "
             "lock, refused data, anything else; a doubt about the standby; or the connection "
             "went."},
    {NUMBER("pathcount_ledger_read_duration_seconds", METRIC_SECONDS, read_seconds),
     .help = "Time of a query for rows, counts or totals."},
    {NUMBER("pathcount_ledger_reads_waiting", METRIC_GAUGE, reads_waiting),
     .help = "Requests for rows, counts or totals, in the queue and at PostgreSQL."},
    {NUMBER("pathcount_ledger_lanes_opened_total", METRIC_COUNTER, lanes_opened),
     .help = "Lanes that were made for renderers."},
    {NUMBER("pathcount_ledger_hits", METRIC_HIGHEST, ledger_hits),
     .help = "Hits in the ledger, of all times, as last read."},
    {NUMBER("pathcount_ledger_paths", METRIC_HIGHEST, ledger_paths),
     .help = "Paths in the ledger, as last read."},
    {NUMBER("pathcount_ledger_paths_limit", METRIC_HIGHEST, ledger_max_paths),
     .help = "Paths that may have a row; the hits of others share one (max_paths)."},
    {NUMBER("pathcount_postgres_sessions", METRIC_GAUGE, sessions),
     .help = "Sessions with PostgreSQL that are set up."},
    {NUMBER("pathcount_postgres_sessions_wanted", METRIC_GAUGE, sessions_wanted),
     .help = "Sessions with PostgreSQL that there should be."},
    {NUMBER("pathcount_postgres_connects_total", METRIC_COUNTER, connects),
     .help = "Connections to PostgreSQL that were made."},
    {NUMBER("pathcount_postgres_connect_failures_total", METRIC_COUNTER, connect_failures),
     .help = "Rounds of attempts in which no address of PostgreSQL let us in."},
    {NUMBER("pathcount_postgres_losses_total", METRIC_COUNTER, losses),
     .help = "Connections to PostgreSQL that were lost or given up."},
    {.name = NULL}};
