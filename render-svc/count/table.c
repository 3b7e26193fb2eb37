#include "render-svc/count/table.h"

#include "base/memory.h"
#include "proto/api.h"
#include "server/ops/log.h"

#include <stdlib.h>

#define MAX_FETCHES 2
#define PAUSE_MS    50

static const char TARGET[] = API_PATHS TABLE_VIEW;

/* A fetch under way, or none while `call` is NULL. */
struct fetch {
    struct table *table;
    struct counter_call *call;
    h2o_linklist_t waits; /* whom it serves */
};

struct table {
    struct worker *worker;
    struct counter_client *client;
    h2o_linklist_t waits; /* who waits for the next fetch */
    struct deferred deferred;
    struct timer pause;
    struct fetch fetches[MAX_FETCHES];
};

static void on_deferred(struct deferred *deferred);
static bool on_answer(void *data, const struct http_answer *answer);
static void serve(struct fetch *fetch, const struct rows *rows);
static void on_pause_over(struct timer *timer);

struct table *table_create(struct worker *worker, struct counter_client *client)
{
    struct table *table = h2o_mem_alloc(sizeof(*table));

    *table = (struct table){.worker = worker, .client = client};
    h2o_linklist_init_anchor(&table->waits);
    for (size_t i = 0; i < MAX_FETCHES; ++i) {
        table->fetches[i].table = table;
        h2o_linklist_init_anchor(&table->fetches[i].waits);
    }
    return table;
}

void table_wait(struct table *table, struct table_wait *wait, table_callback callback)
{
    wait->_callback = callback;
    h2o_linklist_insert(&table->waits, &wait->_link);
    worker_defer(table->worker, &table->deferred, on_deferred);
}

void table_cancel(struct table_wait *wait)
{
    if (h2o_linklist_is_linked(&wait->_link))
        h2o_linklist_unlink(&wait->_link);
}

/* Sends a fetch for everybody who waits, if one more may be under way. */
static void on_deferred(struct deferred *deferred)
{
    struct table *table = H2O_STRUCT_FROM_MEMBER(struct table, deferred, deferred);

    if (h2o_linklist_is_empty(&table->waits) || timer_is_waiting(&table->pause))
        return;
    for (size_t i = 0; i < MAX_FETCHES; ++i) {
        struct fetch *fetch = &table->fetches[i];
        if (fetch->call != NULL)
            continue;
        h2o_linklist_insert_list(&fetch->waits, &table->waits);
        fetch->call = counter_call(table->client, "GET", TARGET, NULL, NULL, on_answer, fetch);
        return;
    }
}

static bool on_answer(void *data, const struct http_answer *answer)
{
    struct fetch *fetch = data;
    struct table *table = fetch->table;
    bool answered = answer->outcome == HTTP_ANSWERED && answer->status == 200;
    bool believed = answer->outcome == HTTP_ANSWERED && answer->status >= 400;
    const char *error = answer->reason;
    struct rows rows;

    fetch->call = NULL;
    if (answered && rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) == 0) {
        believed = true;
        serve(fetch, &rows);
        rows_free(&rows);
    } else {
        log_event(LOG_LEVEL_DEBUG, "rows-unanswered", "status=%d reason=%s", answer->status,
                  LOG_QUOTED(error != NULL ? error : "the status"));
        h2o_linklist_insert_list(table->waits.next, &fetch->waits);
        if (!timer_is_waiting(&table->pause))
            timer_start_after(&table->worker->timers, &table->pause, PAUSE_MS + jitter(PAUSE_MS),
                              on_pause_over);
    }
    worker_defer(table->worker, &table->deferred, on_deferred);
    return believed;
}

static struct table_text *render(struct output_budget *budget, enum table_form form,
                                 const struct rows *rows)
{
    struct buffer buffer = {0};
    struct page_index index;
    struct table_text *text;

    if (form == TABLE_HTML)
        page_add_rows(&buffer, rows, &index);
    else
        json_add_rows(&buffer, rows);
    text = output_budget_share(budget, sizeof(*text) + buffer.len);
    if (form == TABLE_HTML)
        text->index = index;
    text->len = buffer.len;
    memcpy(text->bytes, buffer.bytes, buffer.len);
    buffer_free(&buffer);
    return text;
}

struct table_text *table_rows_text(struct table_rows *rows, enum table_form form)
{
    if (rows->_texts[form] == NULL)
        rows->_texts[form] = render(rows->budget, form, rows->rows);
    return rows->_texts[form];
}

/* Takes what was compressed out of the buffer. */
static struct table_packed *take_packed(struct table_rows *rows, struct buffer *buffer,
                                        struct gzip_sum sum)
{
    struct table_packed *packed = output_budget_share(rows->budget, sizeof(*packed) + buffer->len);

    packed->sum = sum;
    packed->len = buffer->len;
    memcpy(packed->bytes, buffer->bytes, buffer->len);
    buffer_free(buffer);
    return packed;
}

struct table_packed *table_rows_packed(struct table_rows *rows, enum table_form form,
                                       struct gzip *gzip)
{
    const struct table_text *text = table_rows_text(rows, form);
    struct page_pieces pieces = {0};
    struct gzip_sum sum = {0};
    struct buffer buffer = {0};

    if (rows->_packed[form] != NULL)
        return rows->_packed[form];
    if (form == TABLE_HTML)
        page_pack_rows(gzip, &buffer, text->bytes, text->len, &text->index, &pieces);
    else
        sum = gzip_add_piece(gzip, &buffer, text->bytes, text->len);
    rows->_packed[form] = take_packed(rows, &buffer, sum);
    rows->_packed[form]->pieces = pieces;
    return rows->_packed[form];
}

struct table_packed *table_rows_marked(struct table_rows *rows, unsigned row, struct gzip *gzip)
{
    const struct table_packed *packed = table_rows_packed(rows, TABLE_HTML, gzip);
    const struct table_text *text = rows->_texts[TABLE_HTML];
    struct buffer buffer = {0};
    struct gzip_sum sum;

    if (rows->_marked == NULL)
        rows->_marked = memory_allocate(PAGE_ROWS, sizeof(struct table_packed *));
    if (rows->_marked[row - 1] == NULL) {
        sum = page_pack_marked(gzip, &buffer, text->bytes, &text->index, &packed->pieces, row);
        rows->_marked[row - 1] = take_packed(rows, &buffer, sum);
    }
    return rows->_marked[row - 1];
}

void table_rows_fini(struct table_rows *rows)
{
    for (int i = 0; i < N_TABLE_FORMS; ++i) {
        if (rows->_texts[i] != NULL)
            h2o_mem_release_shared(rows->_texts[i]);
        if (rows->_packed[i] != NULL)
            h2o_mem_release_shared(rows->_packed[i]);
    }
    for (int i = 0; rows->_marked != NULL && i < PAGE_ROWS; ++i)
        if (rows->_marked[i] != NULL)
            h2o_mem_release_shared(rows->_marked[i]);
    free(rows->_marked);
}

static void serve(struct fetch *fetch, const struct rows *rows)
{
    struct table_rows shared = {.rows = rows, .budget = fetch->table->worker->budget};

    while (!h2o_linklist_is_empty(&fetch->waits)) {
        struct table_wait *wait =
            H2O_STRUCT_FROM_MEMBER(struct table_wait, _link, fetch->waits.next);
        h2o_linklist_unlink(&wait->_link);
        wait->_callback(wait, &shared);
    }
    table_rows_fini(&shared);
}

static void on_pause_over(struct timer *timer)
{
    struct table *table = H2O_STRUCT_FROM_MEMBER(struct table, pause, timer);

    worker_defer(table->worker, &table->deferred, on_deferred);
}

void table_destroy(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < MAX_FETCHES; ++i)
        if (table->fetches[i].call != NULL)
            counter_call_cancel(table->fetches[i].call);
    timer_stop(&table->pause);
    deferred_cancel(&table->deferred);
    free(table);
}
