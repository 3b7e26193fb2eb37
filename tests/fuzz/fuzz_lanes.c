/* The protocol of the lanes: render-svc's lanes.c and lane.c with a model of counter-svc and its
 * ledger. The input is a sequence of events, each with one byte and its argument in the next byte.
 * After each event these properties must hold:
 *  - for every path, confirmed <= stored <= sent
 *  - a confirmed hit was stored exactly once, before its confirmation, with a count of its batch
 *  - a batch that was perhaps stored is only repeated unchanged: on its lane, with its sequence and
 *    its hits by bots
 *  - a hit that was cancelled in the open batch is never sent, and its callback never runs
 *  - in the metrics, accepted = committed + refused + waiting hits
 *  - each callback runs once; at the end no hit waits, and no memory is leaked
 *
 * With the linker's --wrap, the model replaces counter_client, the timers and the end of a turn. So
 * only the input lets time pass.
 */
#include "tests/fuzz/lanes_counter.h"
#include "tests/fuzz/lanes_time.h"

static void begin(void)
{
    log_init("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world.settings =
        (struct lanes_settings){.lanes = 1 + next_byte() % MAX_LANES, .max_waiting = MAX_WAITING};
    ledger_init(&world.ledger);
    world.ledger.counts[FULL_PATH] = INT64_MAX - 3;
    world.worker.metrics = &world.metrics.service;
    world.lanes = lanes_create(&world.worker, NULL, &world.settings);
}

static void check_metrics(void)
{
    const struct render_metrics *metrics = &world.metrics;
    uint64_t known = metrics->committed, lanes = 0;

    for (size_t i = 0; i < N_REFUSED; ++i)
        known += metrics->refused[i];
    for (size_t i = 0; i < N_WAITING; ++i)
        known += metrics->waiting[i];
    for (size_t i = 0; i < METRICS_N_LANE_STATES; ++i)
        lanes += metrics->lanes[i];
    MUST(metrics->accepted == known);
    MUST(metrics->waiting[WAITING_OPEN] == world.n_open);
    MUST(lanes == (uint64_t)world.settings.lanes);
}

static void step(uint8_t event)
{
    uint8_t argument = next_byte();

    switch (event % 8) {
    case 0:
        visit(argument % N_PATHS, argument & 16, argument & 32);
        break;
    case 1:
        for (unsigned i = 0; i < (unsigned)argument * 8; ++i)
            visit((argument + i * (argument & 1)) % N_PATHS, false, i % 3 == 0);
        break;
    case 2:
        cancel(argument);
        break;
    case 3:
        end_turn();
        answer_some(next_byte(), argument);
        break;
    case 4:
        end_turn();
        pass(argument % 2 ? LINGER_MS : (uint64_t)argument * 4);
        break;
    case 5:
        if (argument % 64 < world.ledger.issued) /* the lane was unused for a day */
            ledger_forget(&world.ledger, world.ledger.issued - argument % 64);
        break;
    case 6:
        if (argument & 128)
            ledger_lose(&world.ledger);
        else
            ledger_arrive(&world.ledger, argument);
        break;
    default:
        end_turn();
        break;
    }
}

/* All faults end. Then no hit waits, and every batch is confirmed or dropped. */
static void settle(void)
{
    world.is_settling = true;
    world.left = 0;
    for (unsigned round = 0; world.n_visitors != 0; ++round) {
        MUST(round < MAX_HITS);
        end_turn();
        while (world.n_calls != 0)
            answer_some(0, 0);
        end_turn();
        pass(1000);
    }
}

static void end(void)
{
    lanes_destroy(world.lanes);
    world.is_gone = true;
    MUST(world.n_calls == 0 && world.n_timers == 0 && world.deferred == NULL);
    while (world.n_visitors != 0) {
        MUST(world.visitors[0]->hit.state == HIT_NONE);
        forget_visitor(world.visitors[0]);
    }
    for (size_t i = 0; i < MAX_LANES; ++i)
        batch_leave(world.batches[i]);
    ledger_fini(&world.ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool to_the_end = size != 0 && data[size - 1] & 1;

    memset(&world, 0, sizeof(world));
    world.input = data;
    world.left = size;
    begin();
    while (world.left >= 2 && world.ledger.issued < MAX_ISSUED / 2) {
        step(next_byte());
        check_metrics();
    }
    if (to_the_end)
        settle();
    end();
    return 0;
}