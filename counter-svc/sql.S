/* The SQL files as strings that end with NUL; sql.h declares them. */
    .section .rodata
    .macro file name, path
    .global \name
\name:
    .incbin "\path"
    .byte 0
    .endm

    file sql_append, "counter-svc/sql/append.sql"
    file sql_load, "counter-svc/sql/load.sql"
    file sql_catch_up, "counter-svc/sql/catch_up.sql"
    file sql_head, "counter-svc/sql/head.sql"
    file sql_look_up, "counter-svc/sql/look_up.sql"
    file sql_fold, "counter-svc/sql/fold.sql"
    file sql_fold_row_by_row, "counter-svc/sql/fold_row_by_row.sql"
    file sql_clear, "counter-svc/sql/clear.sql"
    file sql_rows_by_count, "counter-svc/sql/rows_by_count.sql"
    file sql_rows_by_path, "counter-svc/sql/rows_by_path.sql"
    file sql_rows_by_count_back, "counter-svc/sql/rows_by_count_back.sql"
    file sql_rows_by_path_back, "counter-svc/sql/rows_by_path_back.sql"
    file sql_path, "counter-svc/sql/path.sql"
    file sql_change, "counter-svc/sql/change.sql"
    file sql_audit, "counter-svc/sql/audit.sql"
    file sql_forget_changes, "counter-svc/sql/forget_changes.sql"
    file sql_history, "counter-svc/sql/history.sql"
    file sql_history_step, "counter-svc/sql/history_step.sql"
    file sql_history_settings, "counter-svc/sql/history_settings.sql"
    file sql_ranking, "counter-svc/sql/ranking.sql"
    file sql_schema_001, "counter-svc/schema/001-ledger.sql"
    file sql_schema_002, "counter-svc/schema/002-times.sql"
    file sql_schema_003, "counter-svc/schema/003-tiers.sql"
    file sql_schema_004, "counter-svc/schema/004-journal.sql"
    file sql_schema_005, "counter-svc/schema/005-changes.sql"
    file sql_schema_006, "counter-svc/schema/006-history.sql"

    .section .note.GNU-stack, "", %progbits
