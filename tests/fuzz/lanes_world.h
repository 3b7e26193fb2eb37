/* The state of fuzz_lanes.c, and the visitors whose hits lanes.c counts. */
#ifndef TESTS_FUZZ_LANES_WORLD_H
#define TESTS_FUZZ_LANES_WORLD_H

#include "proto/api.h"
#include "render-svc/count/lanes.h"
#include "render-svc/count/render_metrics.h"
#include "server/ops/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ledger_model.h"
#include "tests/unit/wrapped.h"

#define LONG_PATHS   6 /* from this one on: 64 of them fill a batch */
#define FULL_PATH    5 /* its count is near the end of BIGINT */
#define ROWLESS_PATH 4 /* its hits are counted in the overflow row */
#define MAX_LANES    4
#define MAX_HITS     8192
#define MAX_TIMERS   (MAX_LANES + 1)
#define MAX_WAITING  1500
#define LINGER_MS    5

/* A visitor's hit, in its own allocation together with its path, so that ASan finds wrong accesses. */
struct visitor {
    struct hit hit;
    size_t path;
    struct model_batch *batch; /* NULL: not sent yet */
    size_t index;
    char text[];
};

/* A call of counter-svc: for a new lane, or with a batch. */
struct counter_call {
    http_callback callback;
    void *data; /* the lane that calls */
    struct model_batch *batch;
    bool wants_rows;
    enum encoding encoding; /* of the batch, and of its answer */
};

static struct {
    const uint8_t *input;
    size_t left;
    uint64_t now_ms;
    struct worker worker;
    struct render_metrics metrics;
    struct lanes_settings settings;
    struct lanes *lanes;
    struct ledger ledger;
    struct counter_call *calls[MAX_LANES];
    size_t n_calls;
    size_t n_tries;
    void *owners[MAX_LANES]; /* each of lanes.c's lanes, and its batch */
    struct model_batch *batches[MAX_LANES];
    struct visitor *visitors[MAX_HITS];
    size_t n_visitors, n_open;
    int64_t confirmed[N_PATHS];
    struct timer *timers[MAX_TIMERS];
    size_t n_timers;
    struct deferred *deferred;
    bool is_answering; /* lanes.c receives an answer */
    bool is_settling;  /* no new hits and faults */
    bool is_gone;      /* lanes_destroy has run */
} world;

static void on_counted(struct hit *hit, struct hit_count told, struct shared_rows *rows);
static void end_turn(void);

static const struct trace TRACE = {.id = "4bf92f3577b34da6a3ce929d0e0e4736"};

static uint8_t next_byte(void)
{
    if (world.left == 0)
        return 0;
    --world.left;
    return *world.input++;
}

/* Returns the index of a path. */
static size_t path_index(const char *path, size_t len)
{
    size_t index = (size_t)(path[1] - 'a');

    MUST(len >= 2 && index < N_PATHS);
    MUST(len == (index < LONG_PATHS ? 2 : PATH_MAX_BYTES));
    return index;
}

/* Returns the index of the lane that calls. */
static size_t owner_index(void *data)
{
    size_t i = 0;

    while (world.owners[i] != NULL && world.owners[i] != data)
        MUST(++i < (size_t)world.settings.lanes);
    world.owners[i] = data;
    return i;
}

/* --- the visitors --- */

static void visit(size_t path, bool wants_rows, bool is_bot)
{
    size_t len = path < LONG_PATHS ? 2 : PATH_MAX_BYTES;
    struct visitor *visitor;

    if (world.n_visitors == MAX_HITS)
        return;
    visitor = calloc(1, sizeof(*visitor) + len);
    MUST(visitor != NULL);
    memset(visitor->text, 'x', len);
    visitor->text[0] = '/';
    visitor->text[1] = (char)('a' + path);
    visitor->path = path;
    visitor->hit.path = visitor->text;
    visitor->hit.path_len = len;
    visitor->hit.wants_rows = wants_rows;
    visitor->hit.is_bot = is_bot;
    visitor->hit.trace = &TRACE;
    if (!lanes_add(world.lanes, &visitor->hit, on_counted)) {
        MUST(world.n_open == MAX_WAITING);
        free(visitor);
        return;
    }
    MUST(visitor->hit.state == HIT_OPEN);
    ++world.n_open;
    visitor->index = world.n_visitors;
    world.visitors[world.n_visitors++] = visitor;
}

static void forget_visitor(struct visitor *visitor)
{
    struct visitor *last = world.visitors[--world.n_visitors];

    world.visitors[visitor->index] = last;
    last->index = visitor->index;
    batch_leave(visitor->batch);
    free(visitor);
}

static void cancel(size_t index)
{
    struct visitor *visitor;

    if (world.n_visitors == 0)
        return;
    visitor = world.visitors[index % world.n_visitors];
    MUST((visitor->hit.state == HIT_OPEN) == (visitor->batch == NULL));
    if (visitor->hit.state == HIT_OPEN)
        --world.n_open;
    hit_cancel(&visitor->hit);
    MUST(visitor->hit.state == HIT_NONE);
    forget_visitor(visitor);
}

static void on_counted(struct hit *hit, struct hit_count told, struct shared_rows *rows)
{
    struct visitor *visitor = H2O_STRUCT_FROM_MEMBER(struct visitor, hit, hit);
    struct model_batch *batch = visitor->batch;
    size_t path = visitor->path;
    int64_t number = told.count;
    bool hit_was_bot = hit->is_bot;

    MUST(!world.is_gone && world.is_answering && batch != NULL);
    MUST(hit->state == HIT_NONE);
    if (number != 0) {
        MUST(batch->confirmed && batch->stored == 1);
        MUST(++world.confirmed[path] <= world.ledger.stored[path]);
        MUST(number > 0 && number <= world.ledger.counts[path]);
        MUST(told.overflow == (path == ROWLESS_PATH));
        ++batch->told[path]; /* in order of arrival; a repeat has the present counts */
        if (!batch->repeated && batch->counts[path] != INT64_MAX)
            MUST(number == batch->counts[path] - batch->hits[path] + batch->told[path]);
    } else {
        MUST(batch->dropped && rows == NULL);
    }
    forget_visitor(visitor);
    if (world.is_settling)
        return;
    switch (next_byte()) { /* an answered visitor may leave, with others, or return */
    case 1:
        cancel(next_byte());
        break;
    case 2:
        visit(path, false, hit_was_bot);
        break;
    default:
        break;
    }
}

#endif
