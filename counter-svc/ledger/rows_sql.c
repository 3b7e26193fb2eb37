#include "counter-svc/ledger/rows_sql.h"

#include "counter-svc/ledger/sql.h"

#include <stdio.h>
#include <string.h>

/* What the files name in place of the table or view. */
#define PLACE "pathcount_rows"

static const struct {
    const char *name, *sql, *order;
} DIRECTIONS[4] = {
    {"rows_by_count", sql_rows_by_count, "count DESC, path"},
    {"rows_by_count_back", sql_rows_by_count_back, "count, path DESC"},
    {"rows_by_path", sql_rows_by_path, "path"},
    {"rows_by_path_back", sql_rows_by_path_back, "path DESC"},
};

static const char *const SOURCES[VIEW_N_PERIODS][2] = {
    [VIEW_ALL_TIME] = {"pathcount", "pathcount_people"},
    [VIEW_TODAY] = {"pathcount_today", "pathcount_today_people"},
    [VIEW_24_HOURS] = {"pathcount_24h", "pathcount_24h_people"},
    [VIEW_7_DAYS] = {"pathcount_7d", "pathcount_7d_people"},
    [VIEW_30_DAYS] = {"pathcount_30d", "pathcount_30d_people"},
};

int rows_sql_number(const struct view *view)
{
    int direction = 2 * (view->order == VIEW_BY_PATH) + view->backwards;

    return (direction * 2 + view->without_bots) * VIEW_N_PERIODS + (int)view->period;
}

static int direction_of(int number)
{
    return number / VIEW_N_PERIODS / 2;
}

static enum view_period period_of(int number)
{
    return (enum view_period)(number % VIEW_N_PERIODS);
}

static const char *source_of(int number)
{
    return SOURCES[period_of(number)][number / VIEW_N_PERIODS % 2];
}

void rows_sql_name(int number, char name[ROWS_SQL_NAME_BYTES])
{
    snprintf(name, ROWS_SQL_NAME_BYTES, "%s %s", DIRECTIONS[direction_of(number)].name,
             source_of(number));
}

/* Appends the text of a file with the source in its place. */
static void add_file(struct buffer *sql, const char *text, const char *source)
{
    const char *place;

    while ((place = strstr(text, PLACE)) != NULL) {
        buffer_add(sql, text, (size_t)(place - text));
        buffer_add_string(sql, source);
        text = place + sizeof(PLACE) - 1;
    }
    buffer_add_string(sql, text);
}

void rows_sql_add(struct buffer *sql, int number)
{
    enum view_period period = period_of(number);

    if (period != VIEW_ALL_TIME) {
        buffer_add_literal(sql, "SELECT row.*, period.* FROM pathcount_period('");
        buffer_add_string(sql, view_period_names[period]);
        buffer_add_literal(sql, "', now()) AS period LEFT JOIN LATERAL (\n");
    }
    add_file(sql, DIRECTIONS[direction_of(number)].sql, source_of(number));
    if (period != VIEW_ALL_TIME) {
        buffer_add_literal(sql, ") AS row ON true\nORDER BY ");
        buffer_add_string(sql, DIRECTIONS[direction_of(number)].order);
    }
    buffer_add(sql, "", 1);
}
