/* The SQL files as strings that end with NUL, some made of several; sql.h declares them. */
    .section .rodata
    .macro file name, paths:vararg
    .global \name
\name:
    .irp path, \paths
    .incbin "\path"
    .endr
    .byte 0
    .endm

    file sql_apply_all, "counter-svc/sql/apply_begin.sql", "counter-svc/sql/apply_all.sql", "counter-svc/sql/apply_end.sql"
    file sql_apply_some, "counter-svc/sql/apply_begin.sql", "counter-svc/sql/apply_some.sql", "counter-svc/sql/apply_end.sql"
    file sql_new_lane, "counter-svc/sql/new_lane.sql"
    file sql_end_lane, "counter-svc/sql/end_lane.sql"
    file sql_forget_lanes, "counter-svc/sql/forget_lanes.sql"
    file sql_top, "counter-svc/sql/top.sql"
    file sql_rows_by_count, "counter-svc/sql/rows_by_count.sql"
    file sql_rows_by_path, "counter-svc/sql/rows_by_path.sql"
    file sql_rows_by_count_back, "counter-svc/sql/rows_by_count_back.sql"
    file sql_rows_by_path_back, "counter-svc/sql/rows_by_path_back.sql"
    file sql_path, "counter-svc/sql/path.sql"
    file sql_counts, "counter-svc/sql/counts.sql"
    file sql_totals, "counter-svc/sql/totals.sql"
    file sql_schema_001, "counter-svc/schema/001-ledger.sql"
    file sql_schema_002, "counter-svc/schema/002-times.sql"
    file sql_schema_003, "counter-svc/schema/003-tiers.sql"

    .section .note.GNU-stack, "", %progbits
