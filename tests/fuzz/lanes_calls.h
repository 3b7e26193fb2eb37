/* Calls of counter-svc: each batch has exactly the hits that have left, and does not change. */
#ifndef TESTS_FUZZ_LANES_CALLS_H
#define TESTS_FUZZ_LANES_CALLS_H

#include "tests/fuzz/lanes_world.h"

/* Makes the model of a batch that has just left. It has all hits that have left since the last one. */
static struct model_batch *new_batch(const struct batch *batch)
{
    struct model_batch *model = calloc(1, sizeof(*model));
    int64_t left[N_PATHS] = {0}, bots_left[N_PATHS] = {0};

    MUST(model != NULL);
    for (size_t i = 0; i < batch->size; ++i) {
        size_t path = path_index(batch->entries[i].path, batch->entries[i].path_len);
        model->hits[path] = batch->entries[i].hits;
        model->bot_hits[path] = batch->entries[i].bot_hits;
        world.ledger.sent[path] += batch->entries[i].hits;
    }
    for (size_t i = 0; i < world.n_visitors; ++i) {
        struct visitor *visitor = world.visitors[i];
        if (visitor->hit.state != HIT_IN_FLIGHT || visitor->batch != NULL)
            continue;
        ++left[visitor->path];
        bots_left[visitor->path] += visitor->hit.is_bot;
        --world.n_open;
        visitor->batch = batch_keep(model);
    }
    MUST(memcmp(left, model->hits, sizeof(left)) == 0);
    MUST(memcmp(bots_left, model->bot_hits, sizeof(bots_left)) == 0);
    return model;
}

/* A repeated batch is unchanged. It moves to another lane only if no counter-svc can have stored
 * it. */
static void check_again(const struct model_batch *model, const struct batch *batch)
{
    int64_t hits[N_PATHS] = {0}, bot_hits[N_PATHS] = {0};

    for (size_t i = 0; i < batch->size; ++i) {
        size_t path = path_index(batch->entries[i].path, batch->entries[i].path_len);
        hits[path] = batch->entries[i].hits;
        bot_hits[path] = batch->entries[i].bot_hits;
    }
    MUST(memcmp(hits, model->hits, sizeof(hits)) == 0);
    MUST(memcmp(bot_hits, model->bot_hits, sizeof(bot_hits)) == 0);
    if (batch->lane != model->lane || batch->sequence != model->sequence)
        MUST(model->refused && !model->may_be_done && model->stored == 0);
    else
        MUST(!model->refused);
}

static struct model_batch *sent_batch(size_t owner, const struct buffer *body,
                                      enum encoding encoding)
{
    struct model_batch *model = world.batches[owner];
    const char *error = NULL;
    struct hits hits;

    MUST(hits_decode(body->bytes, body->len, encoding, &hits, &error) == 0);
    if (model == NULL || model->confirmed || model->dropped) {
        batch_leave(model);
        model = new_batch(&hits.batch);
        world.batches[owner] = batch_keep(model);
    } else {
        check_again(model, &hits.batch);
    }
    for (size_t i = 0; i < (size_t)world.settings.lanes; ++i)
        MUST(i == owner || world.batches[i] == NULL || world.batches[i]->confirmed ||
             world.batches[i]->dropped || world.batches[i]->lane != hits.batch.lane);
    model->lane = hits.batch.lane;
    model->sequence = hits.batch.sequence;
    model->refused = false;
    hits_free(&hits);
    return model;
}

struct counter_call *__wrap_counter_call(struct counter_client *client,
                                         const struct http_request *request, http_callback callback,
                                         void *data)
{
    struct counter_call *call = calloc(1, sizeof(*call));
    size_t owner = owner_index(data);
    struct buffer body = {0};

    (void)client;
    MUST(call != NULL && !world.is_gone && world.n_calls < (size_t)world.settings.lanes);
    for (size_t i = 0; i < world.n_calls; ++i)
        MUST(world.calls[i]->data != data); /* a lane has one batch in flight */
    MUST(strcmp(request->method, "POST") == 0);
    *call = (struct counter_call){.callback = callback, .data = data};
    call->wants_rows = strchr(request->target, '?') != NULL;
    if (strcmp(request->target, API_LANES) != 0) {
        MUST(strcmp(request->target, call->wants_rows ? API_HITS RANKING_QUERY : API_HITS) == 0);
        MUST(strcmp(request->trace->id, TRACE.id) == 0);
        /* the connection of each attempt has offered MessagePack or not */
        call->encoding = world.n_tries++ % 3 == 0 ? ENCODING_JSON : ENCODING_MSGPACK;
        request->encode(request->encode_data, call->encoding, &body);
        call->batch = batch_keep(sent_batch(owner, &body, call->encoding));
        buffer_free(&body);
    }
    world.calls[world.n_calls++] = call;
    return call;
}

static void remove_call(struct counter_call *call)
{
    size_t i = 0;

    while (world.calls[i] != call)
        MUST(++i < world.n_calls);
    world.calls[i] = world.calls[--world.n_calls];
}

void __wrap_counter_call_cancel(struct counter_call *call)
{
    remove_call(call);
    batch_leave(call->batch);
    free(call);
}

#endif
