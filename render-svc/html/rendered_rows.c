#include "render-svc/html/rendered_rows.h"

#include "base/invariant.h"
#include "base/memory.h"

#include <stdlib.h>

struct rendered_rows {
    const struct rows *rows;
    struct output_budget *budget;
    struct rows_text *texts[N_ROWS_FORMS];     /* NULL: not needed yet */
    struct rows_packed *packed[N_ROWS_FORMS];  /* NULL: not needed yet */
    struct rows_packed *marked[PAGE_ROWS + 1]; /* by row, from 1; NULL: not needed yet */
};

static void release(void *form)
{
    if (form != NULL)
        h2o_mem_release_shared(form);
}

static void rendered_rows_free(void *data)
{
    struct rendered_rows *rendered = data;

    for (size_t i = 0; i < N_ROWS_FORMS; ++i) {
        release(rendered->texts[i]);
        release(rendered->packed[i]);
    }
    for (size_t row = 1; row <= PAGE_ROWS; ++row)
        release(rendered->marked[row]);
    free(rendered);
}

struct rendered_rows *rendered_rows_of(struct shared_rows *shared, struct output_budget *budget)
{
    struct rendered_rows *rendered = shared->rendered;

    if (rendered == NULL) {
        rendered = memory_allocate(1, sizeof(*rendered));
        rendered->rows = shared->rows;
        rendered->budget = budget;
        shared->rendered = rendered;
        shared->free_rendered = rendered_rows_free;
    }
    return rendered;
}

static struct rows_text *render(const struct rendered_rows *rendered, enum rows_form form)
{
    struct buffer buffer = {0};
    struct page_index index;
    struct rows_text *text;

    if (form == ROWS_HTML)
        page_add_rows(&buffer, rendered->rows, &index);
    else
        json_add_rows(&buffer, rendered->rows);
    text = output_budget_share(rendered->budget, sizeof(*text) + buffer.len);
    if (form == ROWS_HTML)
        text->index = index;
    text->len = buffer.len;
    memcpy(text->bytes, buffer.bytes, buffer.len);
    buffer_free(&buffer);
    return text;
}

struct rows_text *rendered_rows_text(struct rendered_rows *rendered, enum rows_form form)
{
    if (rendered->texts[form] == NULL)
        rendered->texts[form] = render(rendered, form);
    return rendered->texts[form];
}

/* Moves compressed bytes out of the buffer, which it frees, into shared memory. */
static struct rows_packed *take_packed(const struct rendered_rows *rendered, struct buffer *buffer,
                                       struct gzip_sum sum)
{
    struct rows_packed *packed =
        output_budget_share(rendered->budget, sizeof(*packed) + buffer->len);

    packed->sum = sum;
    packed->len = buffer->len;
    memcpy(packed->bytes, buffer->bytes, buffer->len);
    buffer_free(buffer);
    return packed;
}

struct rows_packed *rendered_rows_packed(struct rendered_rows *rendered, enum rows_form form,
                                         struct gzip *gzip)
{
    const struct rows_text *text = rendered_rows_text(rendered, form);
    struct page_pieces pieces = {0};
    struct gzip_sum sum = {0};
    struct buffer buffer = {0};

    if (rendered->packed[form] != NULL)
        return rendered->packed[form];
    if (form == ROWS_HTML)
        page_pack_rows(gzip, &buffer, text->bytes, text->len, &text->index, &pieces);
    else
        sum = gzip_add_piece(gzip, &buffer, text->bytes, text->len);
    rendered->packed[form] = take_packed(rendered, &buffer, sum);
    rendered->packed[form]->pieces = pieces;
    return rendered->packed[form];
}

struct rows_packed *rendered_rows_marked(struct rendered_rows *rendered, unsigned row,
                                         struct gzip *gzip)
{
    const struct rows_packed *packed = rendered_rows_packed(rendered, ROWS_HTML, gzip);
    const struct rows_text *text = rendered->texts[ROWS_HTML];
    struct buffer buffer = {0};
    struct gzip_sum sum;

    INVARIANT(row >= 1 && row <= PAGE_ROWS);
    if (rendered->marked[row] == NULL) {
        sum = page_pack_marked(gzip, &buffer, text->bytes, &text->index, &packed->pieces, row);
        rendered->marked[row] = take_packed(rendered, &buffer, sum);
    }
    return rendered->marked[row];
}
