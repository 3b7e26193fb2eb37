/* The SQL that is compiled in, a string for each statement (sql/) and each migration (schema/).
 */
#ifndef COUNTER_SQL_H
#define COUNTER_SQL_H

extern const char sql_apply_all[];
extern const char sql_apply_some[];
extern const char sql_new_lane[];
extern const char sql_end_lane[];
extern const char sql_forget_lanes[];
extern const char sql_top[];
extern const char sql_rows_by_count[];
extern const char sql_rows_by_path[];
extern const char sql_rows_by_count_back[];
extern const char sql_rows_by_path_back[];
extern const char sql_path[];
extern const char sql_counts[];
extern const char sql_totals[];
extern const char sql_schema_001[];
extern const char sql_schema_002[];
extern const char sql_schema_003[];

#endif
