/* The statements that read rows of a view: four (by count or by path, forwards or backwards) for each
 * of what can be ranked (all time or a period, with or without bots). They differ only in the table or
 * view that they read, which sql/rows_*.sql call pathcount_rows.
 */
#ifndef COUNTER_LEDGER_ROWS_SQL_H
#define COUNTER_LEDGER_ROWS_SQL_H

#include "base/buffer.h"
#include "proto/view.h"

#define ROWS_SQL_N (4 * 2 * VIEW_N_PERIODS)

/* Room for every name. */
#define ROWS_SQL_NAME_BYTES 48

/* The number of the statement that reads a view, from 0 to ROWS_SQL_N - 1. */
int rows_sql_number(const struct view *view);

/* Writes the statement's name. */
void rows_sql_name(int number, char name[ROWS_SQL_NAME_BYTES]);

/* Appends its text, which ends with NUL. sql/rows_by_*.sql describe its parameters. Its columns are
 * path, count and hits by bots. Of a period there are three more: all hits in it, those by bots, and
 * when it began (text, as proto/counter-api.yml has it); one row whose path is NULL stands in place of
 * rows when there are none. */
void rows_sql_add(struct buffer *sql, int number);

#endif
