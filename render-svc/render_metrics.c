#include "render-svc/render_metrics.h"

#define NUMBER(name_, type_, field_)                                                               \
    .name = name_, .type = type_, .offset = offsetof(struct render_metrics, field_)
#define LABELLED(label_, ...)                                                                      \
    .label = label_, .values = (const char *const[])                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

const struct metric render_metrics[] = {
    {NUMBER("pathcount_hits_accepted_total", METRIC_COUNTER, accepted),
     .help = "Hits with a right path: each is committed, refused or waiting."},
    {NUMBER("pathcount_hits_committed_total", METRIC_COUNTER, committed),
     .help = "Hits whose batch counter-svc has confirmed: they are on disk."},
    {NUMBER("pathcount_hits_refused_total", METRIC_COUNTER, refused),
     LABELLED("reason", "full", "overdue", "given_up"),
     .help = "Hits that were answered 503 for good: too many waited (full), they waited too long "
             "for a lane (overdue), both not counted; or the fate of their batch could not be "
             "found out (given_up), counted at most once."},
    {NUMBER("pathcount_hits_waiting", METRIC_GAUGE, waiting), LABELLED("state", "open", "away"),
     .help = "Hits in the open batch, and in batches that are away and not confirmed."},
    {NUMBER("pathcount_hits_repeated_total", METRIC_COUNTER, repeated),
     .help = "Hits among the committed whose batch was confirmed as a repeat."},
    {NUMBER("pathcount_hits_unconfirmed_total", METRIC_COUNTER, unconfirmed),
     .help = "Hits that were answered 503 while their batch was away: counted at most once."},
    {NUMBER("pathcount_batch_hits", METRIC_SIZES, batch_hits), .help = "Hits in a batch."},
    {NUMBER("pathcount_batch_duration_seconds", METRIC_SECONDS, batch_seconds),
     .help = "Time from a batch's leaving to its confirmation, with all tries."},
    {NUMBER("pathcount_lanes", METRIC_GAUGE, lanes),
     LABELLED("state", "opening", "free", "away", "pausing"),
     .help = "Lanes by what they are doing."},
    {NUMBER("pathcount_page_duration_seconds", METRIC_SECONDS, page_seconds),
     .help = "Time from a visit's request to its answer, whatever that is."},
    {NUMBER("pathcount_call_duration_seconds", METRIC_SECONDS, call_seconds),
     .help = "Time of one try of a call to counter-svc, until its answer or its failure."},
    {NUMBER("pathcount_calls_total", METRIC_COUNTER, calls),
     LABELLED("outcome", "answered", "not_sent", "unknown"),
     .help =
         "Tries of calls to counter-svc by how they ended; unknown: it may have been acted on."},
    {NUMBER("pathcount_upstream_replicas", METRIC_HIGHEST, replicas),
     .help = "Addresses that the name of counter-svc had when it was last looked up."},
    {NUMBER("pathcount_upstream_rank", METRIC_HIGHEST, upstream_rank),
     .help = "Rank of the address of counter-svc in use, 1 for the lowest; the highest of all "
             "workers."},
    {NUMBER("pathcount_upstream_moves_total", METRIC_COUNTER, upstream_moves),
     LABELLED("reason", "failed", "removed", "returned"),
     .help = "Moves to another address of counter-svc: the one in use failed, was removed from the "
             "name, or a lower one was healthy again (returned)."},
    {NUMBER("pathcount_upstream_connections", METRIC_GAUGE, counter_connections),
     .help = "Connections to counter-svc, open or being opened."},
    {NUMBER("pathcount_upstream_connects_total", METRIC_COUNTER, counter_connects),
     .help = "Connections to counter-svc that were begun."},
    {NUMBER("pathcount_reads_waiting", METRIC_GAUGE, reads_waiting),
     .help = "Reads for those who look without counting, waiting or away."},
    {NUMBER("pathcount_exports", METRIC_GAUGE, exports),
     .help = "Exports of everything that are being written."},
    {NUMBER("pathcount_watchers", METRIC_GAUGE, watchers),
     .help = "Watchers of changes that are connected."},
    {.name = NULL}};
