#include "counter-svc/ledger/statement.h"

#include "counter-svc/ledger/sql.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum session_role role;
    const char *name, *text;
} STATEMENTS[STATEMENT_ROWS] = {
    [STATEMENT_APPEND] = {SESSION_JOURNAL, "append", sql_append},
    [STATEMENT_LOAD] = {SESSION_JOURNAL, "load", sql_load},
    [STATEMENT_CATCH_UP] = {SESSION_JOURNAL, "catch_up", sql_catch_up},
    [STATEMENT_HEAD] = {SESSION_JOURNAL, "head", sql_head},
    [STATEMENT_LOOK_UP] = {SESSION_JOURNAL, "look_up", sql_look_up},
    [STATEMENT_FOLD] = {SESSION_FOLDS, "fold", sql_fold},
    [STATEMENT_FOLD_ROW_BY_ROW] = {SESSION_FOLDS, "fold_row_by_row", sql_fold_row_by_row},
    [STATEMENT_CLEAR] = {SESSION_FOLDS, "clear", sql_clear},
    [STATEMENT_HISTORY_STEP] = {SESSION_FOLDS, "history_step", sql_history_step},
    [STATEMENT_HISTORY_SETTINGS] = {SESSION_FOLDS, "history_settings", sql_history_settings},
    [STATEMENT_PATH] = {SESSION_VIEWS, "path", sql_path},
    [STATEMENT_HISTORY] = {SESSION_VIEWS, "history", sql_history},
    [STATEMENT_CHANGE] = {SESSION_CHANGES, "change", sql_change},
    [STATEMENT_AUDIT] = {SESSION_CHANGES, "audit", sql_audit},
    [STATEMENT_FORGET_CHANGES] = {SESSION_CHANGES, "forget_changes", sql_forget_changes},
};

/* --- rows: STATEMENT_ROWS + (direction * 2 + without bots) * periods + period --- */

/* The table's name in the files of rows. */
#define PLACEHOLDER "pathcount_rows"

static const struct {
    const char *name, *text, *order;
} DIRECTIONS[4] = {
    {"rows_by_count", sql_rows_by_count, "count DESC, path"},
    {"rows_by_count_back", sql_rows_by_count_back, "count, path DESC"},
    {"rows_by_path", sql_rows_by_path, "path"},
    {"rows_by_path_back", sql_rows_by_path_back, "path DESC"},
};

static const char *const TABLES[VIEW_N_PERIODS][2] = {
    [VIEW_ALL_TIME] = {"pathcount", "pathcount_people"},
    [VIEW_TODAY] = {"pathcount_today", "pathcount_today_people"},
    [VIEW_24_HOURS] = {"pathcount_24h", "pathcount_24h_people"},
    [VIEW_7_DAYS] = {"pathcount_7d", "pathcount_7d_people"},
    [VIEW_30_DAYS] = {"pathcount_30d", "pathcount_30d_people"},
};

enum statement statement_of_view(const struct view *view)
{
    int direction = 2 * (view->order == VIEW_BY_PATH) + view->backwards;

    return (enum statement)(STATEMENT_ROWS + (direction * 2 + view->without_bots) * VIEW_N_PERIODS +
                            (int)view->period);
}

static size_t direction_of(enum statement statement)
{
    return (statement - STATEMENT_ROWS) / VIEW_N_PERIODS / 2;
}

static enum view_period period_of(enum statement statement)
{
    return (enum view_period)((statement - STATEMENT_ROWS) % VIEW_N_PERIODS);
}

static const char *table_of(enum statement statement)
{
    return TABLES[period_of(statement)][(statement - STATEMENT_ROWS) / VIEW_N_PERIODS % 2];
}

/* Appends the text of a file. The table replaces the placeholder. */
static void add_rows_file(struct buffer *to, const char *text, const char *table)
{
    const char *at;

    while ((at = strstr(text, PLACEHOLDER)) != NULL) {
        buffer_add(to, text, (size_t)(at - text));
        buffer_add_string(to, table);
        text = at + sizeof(PLACEHOLDER) - 1;
    }
    buffer_add_string(to, text);
}

static void add_rows_text(struct buffer *to, enum statement statement)
{
    enum view_period period = period_of(statement);

    if (period != VIEW_ALL_TIME) {
        buffer_add_literal(to, "SELECT row.*, period.* FROM pathcount_period('");
        buffer_add_string(to, view_period_names[period]);
        buffer_add_literal(to, "', now()) AS period LEFT JOIN LATERAL (\n");
    }
    add_rows_file(to, DIRECTIONS[direction_of(statement)].text, table_of(statement));
    if (period != VIEW_ALL_TIME) {
        buffer_add_literal(to, ") AS row ON true\nORDER BY ");
        buffer_add_string(to, DIRECTIONS[direction_of(statement)].order);
    }
}

/* --- all statements --- */

enum session_role statement_role(enum statement statement)
{
    return statement < STATEMENT_ROWS ? STATEMENTS[statement].role : SESSION_VIEWS;
}

const char *statement_name(enum statement statement, char buffer[STATEMENT_NAME_BYTES])
{
    if (statement < STATEMENT_ROWS)
        return STATEMENTS[statement].name;
    snprintf(buffer, STATEMENT_NAME_BYTES, "%s %s", DIRECTIONS[direction_of(statement)].name,
             table_of(statement));
    return buffer;
}

void statement_add_text(struct buffer *to, enum statement statement)
{
    if (statement < STATEMENT_ROWS)
        buffer_add_string(to, STATEMENTS[statement].text);
    else
        add_rows_text(to, statement);
    buffer_add(to, "", 1);
}
