/* The SQL files as strings that end with NUL; sql.h declares them. */
    .section .rodata
    .macro file name, path
    .global \name
\name:
    .incbin "\path"
    .byte 0
    .endm

    file sql_append, "counter-svc/ledger/sql/append.sql"
    file sql_load, "counter-svc/ledger/sql/load.sql"
    file sql_catch_up, "counter-svc/ledger/sql/catch_up.sql"
    file sql_head, "counter-svc/ledger/sql/head.sql"
    file sql_look_up, "counter-svc/ledger/sql/look_up.sql"
    file sql_fold, "counter-svc/ledger/sql/fold.sql"
    file sql_fold_row_by_row, "counter-svc/ledger/sql/fold_row_by_row.sql"
    file sql_clear, "counter-svc/ledger/sql/clear.sql"
    file sql_rows_by_count, "counter-svc/ledger/sql/rows_by_count.sql"
    file sql_rows_by_path, "counter-svc/ledger/sql/rows_by_path.sql"
    file sql_rows_by_count_back, "counter-svc/ledger/sql/rows_by_count_back.sql"
    file sql_rows_by_path_back, "counter-svc/ledger/sql/rows_by_path_back.sql"
    file sql_path, "counter-svc/ledger/sql/path.sql"
    file sql_change, "counter-svc/ledger/sql/change.sql"
    file sql_audit, "counter-svc/ledger/sql/audit.sql"
    file sql_forget_changes, "counter-svc/ledger/sql/forget_changes.sql"
    file sql_history, "counter-svc/ledger/sql/history.sql"
    file sql_history_step, "counter-svc/ledger/sql/history_step.sql"
    file sql_history_settings, "counter-svc/ledger/sql/history_settings.sql"
    file sql_ranking, "counter-svc/ledger/sql/ranking.sql"
    file sql_schema_001, "counter-svc/ledger/schema/001-ledger.sql"
    file sql_schema_002, "counter-svc/ledger/schema/002-times.sql"
    file sql_schema_003, "counter-svc/ledger/schema/003-tiers.sql"
    file sql_schema_004, "counter-svc/ledger/schema/004-journal.sql"
    file sql_schema_005, "counter-svc/ledger/schema/005-changes.sql"
    file sql_schema_006, "counter-svc/ledger/schema/006-history.sql"

    .section .note.GNU-stack, "", %progbits
