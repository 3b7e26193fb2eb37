/* The SQL that is compiled in, a string for each statement (sql/) and each migration (schema/).
 */
#ifndef COUNTER_LEDGER_SQL_H
#define COUNTER_LEDGER_SQL_H

extern const char sql_append[];
extern const char sql_load[];
extern const char sql_catch_up[];
extern const char sql_head[];
extern const char sql_look_up[];
extern const char sql_fold[];
extern const char sql_fold_row_by_row[];
extern const char sql_clear[];
extern const char sql_rows_by_count[];
extern const char sql_rows_by_path[];
extern const char sql_rows_by_count_back[];
extern const char sql_rows_by_path_back[];
extern const char sql_path[];
extern const char sql_change[];
extern const char sql_audit[];
extern const char sql_forget_changes[];
extern const char sql_history[];
extern const char sql_history_step[];
extern const char sql_history_settings[];
extern const char sql_ranking[];
extern const char sql_schema_001[];
extern const char sql_schema_002[];
extern const char sql_schema_003[];
extern const char sql_schema_004[];
extern const char sql_schema_005[];
extern const char sql_schema_006[];

#endif
