#include "render-svc/html/page.h"

#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"
#include "render-svc/html/path_table.h"

#include <pthread.h>

/* A longer path is ellipsed: it would be a wall of text. */
#define HEADING_WHOLE_BYTES 240

/* The element in which the script shows the change since the last look. */
#define SINCE "<p id=\"since\" class=\"note\" hidden></p>\n"

/* The view that the page of a visit shows. */
static const struct view VIEW = {.order = VIEW_BY_COUNT, .limit = VIEW_DEFAULT_ROWS};

/* The parts that never change, rendered once. */
static struct {
    h2o_iovec_t head;          /* of the page */
    h2o_iovec_t before_totals; /* controls */
    h2o_iovec_t before_rows;   /* head of the table */
    h2o_iovec_t end;           /* of the page, after the table and its pager */
    h2o_iovec_t instead_of_rows;
    h2o_iovec_t packed_head; /* the beginning of a gzip member, with `head` in it */
    struct gzip_sum packed_head_sum;
} constant;
static pthread_once_t rendered = PTHREAD_ONCE_INIT;

static void render_constants(void);

/* --- the index of the rows --- */

/* FNV-1a, of the percent-encoded path: of 100 rows in 256 slots few share one. */
static unsigned slot_of(const char *encoded, size_t len)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < len; ++i)
        hash = (hash ^ (unsigned char)encoded[i]) * 16777619U;
    return (hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24) & 0xFF;
}

/* Returns where the percent-encoded path of a row begins, counted from the beginning of the row. */
static size_t encoded_at(void)
{
    return sizeof(PATH_TABLE_ROW PATH_TABLE_ROW_BAR PATH_TABLE_ROW_A HTML_LINK_HREF LINK_PATHS) -
           1 + link_base.len;
}

static void index_row(struct page_index *index, const char *html, size_t start, size_t encoded_len)
{
    unsigned slot;

    index->starts[index->size++] = (uint32_t)start;
    if (encoded_len == 0) {
        index->overflow = index->size;
        return;
    }
    slot = slot_of(html + start + encoded_at(), encoded_len);
    while (index->slots[slot] != 0)
        slot = (slot + 1) & 0xFF;
    index->slots[slot] = (unsigned char)index->size;
}

/* Finds the row of a percent-encoded path: its number from 1, or 0. */
static unsigned find_row(const struct page_index *index, const char *html, const char *encoded,
                         size_t len)
{
    unsigned slot = slot_of(encoded, len);

    for (; index->slots[slot] != 0; slot = (slot + 1) & 0xFF) {
        const char *found = html + index->starts[index->slots[slot] - 1] + encoded_at();
        /* every row ends with more bytes than the quote, so the comparison stays within it */
        if (strncmp(found, encoded, len) == 0 && (found[len] == '"' || found[len] == '?'))
            return index->slots[slot];
    }
    return 0;
}

/* --- shared parts --- */

static void add_next(struct buffer *to, const struct rows *rows)
{
    struct link link = {
        .view = &VIEW, .cursor_name = "after", .cursor = rows->next, .cursor_len = rows->next_len};
    struct buffer address = {0};

    if (rows->next == NULL)
        return;
    path_table_add_pager(to, NULL, NULL, link_text(&address, LINK_PATHS, &link));
    buffer_free(&address);
}

void page_add_rows(struct buffer *to, const struct rows *rows, struct page_index *index)
{
    size_t from = to->len;

    *index = (struct page_index){.totals = rows->totals, .highest = path_table_highest(rows)};
    pthread_once(&rendered, render_constants);
    buffer_add(to, constant.before_totals.base, constant.before_totals.len);
    path_table_add_totals(to, &rows->totals);
    buffer_add(to, constant.before_rows.base, constant.before_rows.len);
    for (size_t i = 0; i < rows->size && i < PAGE_ROWS; ++i) {
        const struct row *row = &rows->rows[i];
        size_t start = to->len - from, encoded;
        buffer_add_literal(to, PATH_TABLE_ROW);
        encoded = path_table_add_row(to, row->path, row->path_len, row->count, index->highest);
        index_row(index, to->bytes + from, start, encoded);
    }
    buffer_add_literal(to, "</tbody>\n");
    index->apart = to->len - from;
    buffer_add_literal(to, "</table>\n");
    add_next(to, rows);
    buffer_add(to, constant.end.base, constant.end.len);
}

/* Moves the text out of the buffer. */
static h2o_iovec_t take(struct buffer *text)
{
    h2o_iovec_t taken = h2o_strdup(NULL, text->bytes, text->len);

    text->len = 0;
    return taken;
}

/* Appends search and exports, as on the first page of /-/paths. */
static void add_controls(struct buffer *to)
{
    struct link link = {.view = &VIEW, .format = "json"};
    struct path_table_controls controls = {.view = &VIEW};
    struct buffer json = {0}, csv = {0}, csv_all = {0}, csv_excel = {0}, live = {0};

    controls.json = link_text(&json, LINK_PATHS, &link);
    link.format = "csv";
    controls.csv_all = link_text(&csv_all, LINK_PATHS, &link);
    link.with_bom = true;
    controls.csv_excel = link_text(&csv_excel, LINK_PATHS, &link);
    link.with_bom = false;
    link.with_limit = true;
    controls.csv = link_text(&csv, LINK_PATHS, &link);
    controls.live = link_text(&live, LINK_LIVE, &(struct link){.view = &VIEW});
    path_table_add_controls(to, &controls);
    buffer_free(&json);
    buffer_free(&csv);
    buffer_free(&csv_all);
    buffer_free(&csv_excel);
    buffer_free(&live);
}

static void render_constants(void)
{
    struct gzip *gzip = gzip_create(9);
    struct buffer text = {0};

    frame_begin(&text, "Path Count", NULL);
    buffer_add_literal(&text, "<div class=\"side\">\n");
    constant.head = take(&text);
    buffer_add_literal(&text, GZIP_HEAD);
    constant.packed_head_sum = gzip_add_piece(gzip, &text, constant.head.base, constant.head.len);
    constant.packed_head = take(&text);
    gzip_destroy(gzip);
    add_controls(&text);
    buffer_add_literal(&text, "</div>\n<section aria-labelledby=\"rows\">\n"
                              "<h2 id=\"rows\">Highest counts</h2>\n<p class=\"totals\">");
    constant.before_totals = take(&text);
    buffer_add_literal(&text, "</p>\n");
    path_table_begin(&text, &VIEW, true);
    constant.before_rows = take(&text);
    buffer_add_literal(&text, "</section>\n");
    frame_end(&text);
    constant.end = take(&text);
    add_controls(&text);
    html_add(&text,
             "</div>\n<section>\n<h2>The table cannot be shown at the moment</h2>\n"
             "<p>Your visit is counted. <a href=\"%s" LINK_PATHS
             "\">Look at the table</a> in a moment; "
             "that counts nothing.</p>\n</section>\n",
             link_base.at);
    frame_end(&text);
    constant.instead_of_rows = take(&text);
    buffer_free(&text);
}

/* --- private parts --- */

/* Appends the rank of the path in the table; `row` 0: it is not among the rows. */
static void add_rank(struct buffer *to, unsigned row, const struct page_index *index)
{
    html_add(to, "<p class=\"note\"><a href=\"#v\">%s %u", row != 0 ? "No." : "Below the first",
             row != 0 ? row : index->size);
    /* the totals may be a second older than the rows */
    if (index->totals.paths > index->size)
        html_add(to, " of %'jd paths", index->totals.paths);
    buffer_add_literal(to, "</a></p>\n");
}

/* Appends the count of the visited path, or of the overflow row. */
static void add_count(struct buffer *to, struct hit_count hit_count)
{
    html_add(to,
             hit_count.overflow
                 ? "<p class=\"count\"><strong>%'jd</strong> "
                   "<span>hits on " PATH_TABLE_OVERFLOW "</span></p></div>\n"
                   "<p class=\"note\">The limit of paths is reached. Your visit is counted "
                   "among the " PATH_TABLE_OVERFLOW ".</p>\n"
             : hit_count.count == 1
                 ? "<p class=\"count\"><strong>%'jd</strong> <span>hit, the "
                   "first</span></p></div>\n" SINCE
                 : "<p class=\"count\"><strong>%'jd</strong> <span>hits</span></p></div>\n" SINCE,
             hit_count.count);
}

static void add_row_apart(struct buffer *to, const char *path, size_t path_len,
                          struct hit_count hit_count, const struct page_index *index)
{
    buffer_add_literal(to, "<tbody class=\"apart\">\n" PATH_TABLE_ROW_MARKED);
    if (hit_count.overflow)
        path_table_add_row(to, PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1, hit_count.count,
                           index->highest);
    else
        path_table_add_row(to, path, path_len, hit_count.count, index->highest);
    buffer_add_literal(to, "</tbody>\n");
}

void page_begin_visit(struct page_visit *visit, h2o_mem_pool_t *pool, const char *path,
                      size_t path_len, struct hit_count hit_count)
{
    struct buffer private = {0};
    size_t encoded, encoded_len;

    visit->row = 0;
    buffer_add_literal(&private, "<div class=\"own stay\"><h1><small>You visited</small> <a ");
    encoded = private.len + sizeof(HTML_LINK_HREF LINK_PATHS) - 1 + link_base.len;
    encoded_len = html_add_path_link(&private, path, path_len, HEADING_WHOLE_BYTES);
    buffer_add_literal(&private, "</h1>\n");
    add_count(&private, hit_count);
    if (visit->rows != NULL) {
        visit->row = hit_count.overflow ? visit->index->overflow
                                        : find_row(visit->index, visit->rows,
                                                   private.bytes + encoded, encoded_len);
        add_rank(&private, visit->row, visit->index);
    }
    visit->apart_at = private.len;
    if (visit->rows != NULL && visit->row == 0)
        add_row_apart(&private, path, path_len, hit_count, visit->index);
    visit->private = h2o_strdup(pool, private.bytes, private.len);
    buffer_free(&private);
}

size_t page_of_visit(const struct page_visit *visit, h2o_iovec_t parts[PAGE_PARTS])
{
    const struct page_index *index = visit->index;
    const char *rows = visit->rows;
    size_t count = 0, apart_at = visit->apart_at;

    pthread_once(&rendered, render_constants);
    parts[count++] = constant.head;
    parts[count++] = h2o_iovec_init(visit->private.base, apart_at);
    if (rows == NULL) {
        parts[count++] = constant.instead_of_rows;
    } else if (visit->row != 0) {
        size_t start = index->starts[visit->row - 1], behind = start + sizeof(PATH_TABLE_ROW) - 1;
        parts[count++] = h2o_iovec_init(rows, start);
        parts[count++] = h2o_iovec_init(H2O_STRLIT(PATH_TABLE_ROW_MARKED));
        parts[count++] = h2o_iovec_init(rows + behind, visit->rows_len - behind);
    } else {
        parts[count++] = h2o_iovec_init(rows, index->apart);
        parts[count++] =
            h2o_iovec_init(visit->private.base + apart_at, visit->private.len - apart_at);
        parts[count++] = h2o_iovec_init(rows + index->apart, visit->rows_len - index->apart);
    }
    return count;
}

/* --- compressed --- */

void page_pack_rows(struct gzip *gzip, struct buffer *to, const char *rows, size_t rows_len,
                    const struct page_index *index, struct page_pieces *pieces)
{
    struct gzip_sum sums[PAGE_PIECES], sum = {0};
    size_t from = to->len;

    *pieces = (struct page_pieces){.size = 1};
    for (unsigned row = 0; row < index->size; row += PAGE_PIECE_ROWS)
        pieces->text[pieces->size++] = index->starts[row];
    pieces->text[pieces->size++] = (uint32_t)index->apart;
    pieces->text[pieces->size] = (uint32_t)rows_len;
    for (unsigned i = 0; i < pieces->size; ++i) {
        pieces->before[i] = sum;
        sums[i] =
            gzip_add_piece(gzip, to, rows + pieces->text[i], pieces->text[i + 1] - pieces->text[i]);
        sum = gzip_join(sum, sums[i]);
        pieces->at[i + 1] = (uint32_t)(to->len - from);
    }
    for (unsigned i = pieces->size - 1; i > 0; --i)
        pieces->after[i - 1] = gzip_join(sums[i], pieces->after[i]);
}

/* Returns the piece of a row, from 1. */
static unsigned piece_of(unsigned row)
{
    return 1 + (row - 1) / PAGE_PIECE_ROWS;
}

struct gzip_sum page_pack_marked(struct gzip *gzip, struct buffer *to, const char *rows,
                                 const struct page_index *index, const struct page_pieces *pieces,
                                 unsigned row)
{
    unsigned piece = piece_of(row);
    size_t from = pieces->text[piece], start = index->starts[row - 1];
    size_t behind = start + sizeof(PATH_TABLE_ROW) - 1;
    struct buffer text = {0};
    struct gzip_sum sum;

    buffer_add(&text, rows + from, start - from);
    buffer_add_literal(&text, PATH_TABLE_ROW_MARKED);
    buffer_add(&text, rows + behind, pieces->text[piece + 1] - behind);
    sum = gzip_add_piece(gzip, to, text.bytes, text.len);
    buffer_free(&text);
    return sum;
}

/* Packs a private part, in the pool. */
static h2o_iovec_t pack_private(h2o_mem_pool_t *pool, const char *text, size_t len,
                                struct gzip_sum *sum)
{
    struct buffer packed = {0};
    h2o_iovec_t part;

    *sum = gzip_join(*sum, gzip_add_plain(&packed, text, len));
    part = h2o_strdup(pool, packed.bytes, packed.len);
    buffer_free(&packed);
    return part;
}

static h2o_iovec_t end_of_member(h2o_mem_pool_t *pool, struct gzip_sum sum)
{
    struct buffer end = {0};
    h2o_iovec_t part;

    gzip_add_end(&end, sum);
    part = h2o_strdup(pool, end.bytes, end.len);
    buffer_free(&end);
    return part;
}

size_t page_of_visit_packed(const struct page_visit *visit, h2o_mem_pool_t *pool,
                            const char *packed, const struct page_pieces *pieces,
                            const struct page_packed *marked, h2o_iovec_t parts[PAGE_PARTS],
                            size_t *shared)
{
    unsigned piece = visit->row != 0 ? piece_of(visit->row) : pieces->size - 1;
    size_t behind = pieces->at[visit->row != 0 ? piece + 1 : piece];
    const char *apart = visit->private.base + visit->apart_at;
    struct gzip_sum sum;

    pthread_once(&rendered, render_constants);
    sum = constant.packed_head_sum;
    parts[0] = constant.packed_head;
    parts[1] = pack_private(pool, visit->private.base, visit->apart_at, &sum);
    parts[2] = h2o_iovec_init(packed, pieces->at[piece]);
    sum = gzip_join(sum, pieces->before[piece]);
    *shared = pieces->at[piece] + pieces->at[pieces->size] - behind;
    if (marked != NULL) {
        parts[3] = h2o_iovec_init(marked->bytes, marked->len);
        *shared += marked->len;
        sum = gzip_join(gzip_join(sum, marked->sum), pieces->after[piece]);
    } else {
        parts[3] = pack_private(pool, apart, visit->private.len - visit->apart_at, &sum);
        sum = gzip_join(sum, pieces->after[piece - 1]);
    }
    parts[4] = h2o_iovec_init(packed + behind, pieces->at[pieces->size] - behind);
    parts[5] = end_of_member(pool, sum);
    return PAGE_PARTS;
}
