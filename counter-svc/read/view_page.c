#include "counter-svc/read/view_page.h"

void view_page_add_cursors(struct view_page *page, const struct view *view, bool more)
{
    struct rows *rows = &page->rows;
    const struct row *first = rows->rows, *last;

    if (rows->size == 0)
        return;
    last = &rows->rows[rows->size - 1];
    if (view->backwards || more) {
        cursor_encode(&page->next, view->order, last->path, last->path_len, last->count);
        rows->next = page->next.bytes;
        rows->next_len = page->next.len;
    }
    if (view->backwards ? more : view->has_after) {
        cursor_encode(&page->previous, view->order, first->path, first->path_len, first->count);
        rows->previous = page->previous.bytes;
        rows->previous_len = page->previous.len;
    }
}

void view_page_begin(struct view_page *page, const struct state *state)
{
    page->rows = (struct rows){.rows = page->table};
    page->next = page->previous = (struct buffer){0};
    page->rows.totals = (struct totals){state->paths, state->hits, state->bots};
}

bool view_page_add_row(struct view_page *page, const struct view *view, struct row row,
                       size_t *bytes)
{
    *bytes += row.path_len;
    if (page->rows.size == view->limit || (page->rows.size != 0 && *bytes > VIEW_MAX_PATH_BYTES))
        return false;
    page->table[page->rows.size++] = row;
    return true;
}

void view_page_reverse(struct view_page *page)
{
    struct row *rows = page->table;
    size_t size = page->rows.size;

    for (size_t i = 0; i < size / 2; ++i) {
        struct row row = rows[i];
        rows[i] = rows[size - 1 - i];
        rows[size - 1 - i] = row;
    }
}

bool view_is_in_memory(const struct view *view)
{
    return view->order == VIEW_BY_COUNT && !view->has_after && !view->has_prefix &&
           view->period == VIEW_ALL_TIME && !view->without_bots;
}

void view_page_of_state(struct view_page *page, const struct state *state, const struct view *view)
{
    size_t bytes = 0;

    view_page_begin(page, state);
    for (size_t i = 0; i < state->n_top; ++i) {
        const struct slot *slot = state->top[i];
        if (!view_page_add_row(page, view,
                               (struct row){slot->path, slot->path_len, slot->count, slot->bots},
                               &bytes))
            break;
    }
    view_page_add_cursors(page, view, state->n_top > page->rows.size);
}

void view_page_free(struct view_page *page)
{
    buffer_free(&page->next);
    buffer_free(&page->previous);
}
