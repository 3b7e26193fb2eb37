#include "base/invariant.h"
#include "render-svc/html/link.h"
#include "render-svc/public/live_private.h"

#include <stdlib.h>

static bool on_view_rows(struct read_request *read, const struct http_answer *answer);

struct live_view *live_view_find(struct live *live, const struct view *view)
{
    struct live_view *found;

    for (h2o_linklist_t *link = live->views.next; link != &live->views; link = link->next) {
        found = live_view_of(link);
        if (view_equals(&found->view, view))
            return found;
    }
    if (live->n_views >= live->settings->max_views)
        return NULL;
    found = h2o_mem_alloc(sizeof(*found));
    *found = (struct live_view){.live = live, .view = *view, .id = {jitter(UINT64_MAX), 0}};
    h2o_linklist_init_anchor(&found->subscribers);
    h2o_linklist_insert(&live->views, &found->link);
    ++live->n_views;
    live_view_read(found);
    return found;
}

void live_view_read(struct live_view *view)
{
    struct buffer target = {0};

    INVARIANT(!view->is_reading);
    view->is_reading = true;
    link_add_target(&target, &view->view);
    read_request_start(view->live->reads, &view->read, &target, NULL, on_view_rows);
    buffer_free(&target);
}

/* --- texts --- */

static struct live_text *make_text(struct live *live, const struct buffer *buffer)
{
    struct live_text *text = output_budget_share(live->worker->budget, sizeof(*text) + buffer->len);

    text->len = buffer->len;
    memcpy(text->bytes, buffer->bytes, buffer->len);
    return text;
}

void live_text_release(struct live_text **text)
{
    if (*text != NULL)
        h2o_mem_release_shared(*text);
    *text = NULL;
}

static struct live_text *snapshot_of(struct live_view *view)
{
    struct buffer text = {0};

    if (view->snapshot == NULL) {
        live_add_snapshot(&text, &view->id, &view->rows);
        view->snapshot = make_text(view->live, &text);
        buffer_free(&text);
    }
    return view->snapshot;
}

struct live_text *live_view_text(struct live_view *view, uint64_t generation)
{
    INVARIANT(generation <= view->id.generation);
    if (view->change != NULL && generation + 1 == view->id.generation)
        return view->change;
    return snapshot_of(view);
}

/* --- rows --- */

/* Takes over the new rows. Returns false, and frees them, if nothing has changed. */
static bool take_rows(struct live_view *view, struct rows *rows)
{
    struct live_id id = {view->id.epoch, view->id.generation + 1};
    struct buffer change = {0};

    if (view->id.generation != 0 && !live_add_change(&change, &id, &view->rows, rows)) {
        buffer_free(&change);
        rows_free(rows);
        return false;
    }
    live_text_release(&view->change);
    live_text_release(&view->snapshot);
    if (view->id.generation != 0)
        view->change = make_text(view->live, &change);
    buffer_free(&change);
    rows_free(&view->rows);
    view->rows = *rows;
    view->id = id;
    return true;
}

static bool on_view_rows(struct read_request *read, const struct http_answer *answer)
{
    struct live_view *view = H2O_STRUCT_FROM_MEMBER(struct live_view, read, read);
    uint64_t since_us = live_thread_us();
    const char *error;
    struct rows rows;

    INVARIANT(view->is_reading);
    view->is_reading = false;
    if (answer == NULL || answer->status != 200)
        return true; /* the next round reads again */
    if (rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) != 0)
        return false;
    if (take_rows(view, &rows))
        for (h2o_linklist_t *at = view->subscribers.next; at != &view->subscribers; at = at->next)
            live_queue(subscriber_of(at));
    view->live->spent_us += live_thread_us() - since_us;
    return true;
}

void live_view_free(struct live_view *view)
{
    INVARIANT(view->live->n_views > 0);
    read_request_cancel(&view->read);
    h2o_linklist_unlink(&view->link);
    --view->live->n_views;
    live_text_release(&view->change);
    live_text_release(&view->snapshot);
    rows_free(&view->rows);
    free(view);
}
