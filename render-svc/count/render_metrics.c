#include "render-svc/count/render_metrics.h"

#define NUMBER(name_, type_, field_)                                                               \
    .name = name_, .type = type_, .offset = offsetof(struct render_metrics, field_)
#define LABELLED(label_, ...)                                                                      \
    .label = label_, .values = (const char *const[])                                               \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

const struct metric render_metrics[] = {
    {NUMBER("pathcount_hits_accepted_total", METRIC_COUNTER, accepted),
     .help = "Hits accepted for counting: committed, refused and waiting ones."},
    {NUMBER("pathcount_hits_committed_total", METRIC_COUNTER, committed),
     .help = "Hits that counter-svc confirmed to be on disk."},
    {NUMBER("pathcount_hits_refused_total", METRIC_COUNTER, refused),
     LABELLED("reason", "full", "overdue", "given_up"),
     .help = "Hits answered 503, by reason: full (queue full) and overdue (no free lane in time) "
             "are not counted; given_up (unknown outcome of the batch) are counted at most once."},
    {NUMBER("pathcount_hits_waiting", METRIC_GAUGE, waiting), LABELLED("state", "open", "away"),
     .help = "Unconfirmed hits: open (in the open batch), away (in batches in flight)."},
    {NUMBER("pathcount_hits_repeated_total", METRIC_COUNTER, repeated),
     .help = "Committed hits whose batch had been applied by an earlier attempt."},
    {NUMBER("pathcount_hits_unconfirmed_total", METRIC_COUNTER, unconfirmed),
     .help = "Hits answered 503 while their batch was in flight; counted at most once."},
    {NUMBER("pathcount_batch_hits", METRIC_SIZES, batch_hits), .help = "Hits in a batch."},
    {NUMBER("pathcount_batch_duration_seconds", METRIC_SECONDS, batch_seconds),
     .help = "Time from sending a batch to its confirmation, including retries."},
    {NUMBER("pathcount_lanes", METRIC_GAUGE, lanes),
     LABELLED("state", "opening", "free", "away", "pausing"), .help = "Lanes by state."},
    {NUMBER("pathcount_page_duration_seconds", METRIC_SECONDS, page_seconds),
     .help = "Time from a visit's request to its response."},
    {NUMBER("pathcount_call_duration_seconds", METRIC_SECONDS, call_seconds),
     .help = "Duration of one attempt of a call to counter-svc."},
    {NUMBER("pathcount_calls_total", METRIC_COUNTER, calls),
     LABELLED("outcome", "answered", "not_sent", "unknown"),
     .help = "Attempts of calls to counter-svc by outcome; unknown ones may have been processed."},
    {NUMBER("pathcount_upstream_replicas", METRIC_HIGHEST, replicas),
     .help = "Addresses of counter-svc in the last DNS look-up."},
    {NUMBER("pathcount_upstream_rank", METRIC_HIGHEST, upstream_rank),
     .help = "Rank of the counter-svc address in use, 1 being the lowest address; the maximum of "
             "all workers."},
    {NUMBER("pathcount_upstream_moves_total", METRIC_COUNTER, upstream_moves),
     LABELLED("reason", "failed", "removed", "returned"),
     .help =
         "Moves to another counter-svc address by reason: failed; removed (from DNS); returned (a "
         "lower address is healthy again)."},
    {NUMBER("pathcount_upstream_connections", METRIC_GAUGE, counter_connections),
     .help = "Connections to counter-svc, open or being opened."},
    {NUMBER("pathcount_upstream_connects_total", METRIC_COUNTER, counter_connects),
     .help = "Connections started to counter-svc."},
    {NUMBER("pathcount_reads_waiting", METRIC_GAUGE, reads_waiting),
     .help = "Reads waiting or in flight to counter-svc."},
    {NUMBER("pathcount_exports", METRIC_GAUGE, exports), .help = "Full exports in progress."},
    {NUMBER("pathcount_watchers", METRIC_GAUGE, subscribers),
     .help = "Connected subscribers of live changes."},
    {.name = NULL}};
