/* PostgreSQL: executes appends, folds and clears, crashes, replicates, fails over, is restored. */

/* --- appends --- */

/* The condition that chains an append to the entry of its state. Here and below, `a` is a counter
 * or a zombie. */
#ifdef FAULT_CHAIN_TO_NOTHING
#define IS_CHAINED(a) true
#elif defined(FAULT_CHAIN_BY_POSITION)
#define IS_CHAINED(a) (image[a.server].log[a.position] != NO_ENTRY)
#else
#define IS_CHAINED(a) (image[a.server].log[a.position] == a.entry)
#endif
#define CAN_INSERT(a) (image[a.server].log[a.position + 1] == NO_ENTRY && IS_CHAINED(a))

/* An INSERT waits while a transaction that is not finished has inserted the same position. */
#if FAILOVERS
#define IS_BLOCKED(a) (a.server == PRIMARY && waits && a.position + 1 == image[PRIMARY].head)
#else
#define IS_BLOCKED(a) false
#endif

/* Inserts the row and flushes the WAL. Changes h, x and total. */
inline insert(a) {
    printf("server %d: inserts id %d at position %d\n", a.server, ID_OF(a.new_entry),
           a.position + 1);
    image[a.server].log[a.position + 1] = a.new_entry;
    if
    :: image[a.server].head < a.position + 1 -> image[a.server].head = a.position + 1
    :: else
    fi;
#if CRASHES
    if
    :: a.server == PRIMARY -> copy_image(DURABLE, PRIMARY)
    :: else
    fi;
#endif
#if FAILOVERS
    waits = waits || a.server == PRIMARY;
#endif
    check_ledger()
}

/* An append is executed, and its outcome reaches the counter. */
inline step_execute(c) {
    d_step {
        counter[c].phase == SENT && !IS_BLOCKED(counter[c]) ->
        if
        :: CAN_INSERT(counter[c]) ->
            insert(counter[c]);
#if FAILOVERS
            if
            :: counter[c].server == PRIMARY ->
                counter[c].phase = WAITING;
#ifdef FAULT_ANSWER_BEFORE_SYNC
                on_appended(c)
#endif
            :: else -> on_appended(c)
            fi
#else
            on_appended(c)
#endif
        :: else -> on_no_row(c)
        fi;
        tidy()
    }
}

inline end_zombie(c_) {
    zombie[c_].server = NOWHERE;
    zombie[c_].position = 0;
    zombie[c_].entry = NO_ENTRY;
    zombie[c_].new_entry = NO_ENTRY
}

/* The backend of a lost connection executes its append. */
inline step_execute_zombie(c) {
    d_step {
        zombie[c].server != NOWHERE && !IS_BLOCKED(zombie[c]) ->
        if
        :: CAN_INSERT(zombie[c]) -> insert(zombie[c])
        :: else
        fi;
        end_zombie(c);
        tidy()
    }
}

/* --- folds and clearing --- */

/* Adds an entry to the table and its lanes. */
inline add_to_table(server_, entry_) {
    if
    :: KIND_OF(entry_) == BATCH -> image[server_].table[HIT_OF(entry_)]++
    :: else
    fi;
    apply_entry(image[server_], entry_)
}

/* A fold as a single step: it adds entries and moves the checkpoint. The commit is asynchronous.
 * Changes h, i, x and total. */
inline step_fold(server_, upto_) {
    d_step {
        IS_UP(server_) && image[server_].checkpoint < upto_ && upto_ <= VISIBLE(server_) ->
        i = upto_;
        printf("server %d: folds positions %d to %d\n", server_, image[server_].checkpoint + 1, i);
        for (x : image[server_].checkpoint + 1 .. i) {
            add_to_table(server_, image[server_].log[x])
        }
        image[server_].checkpoint = i;
#ifdef FAULT_CLEAR_FROM_MEMORY
        folded = i;
#endif
        check_ledger();
        tidy()
    }
}

#if FOLDS == 2

/* A fold's statement begins: it has its snapshot, but not the checkpoint's lock. */
inline step_begin_fold() {
    d_step {
        !fold.runs && image[PRIMARY].checkpoint < VISIBLE(PRIMARY) ->
        fold.runs = 1;
        fold.from = image[PRIMARY].checkpoint;
        fold.upto = VISIBLE(PRIMARY);
#if RESTORES
        fold.generation = generation;
#endif
        for (x : fold.from + 1 .. fold.upto) {
            fold.log[x] = image[PRIMARY].log[x]
        }
        printf("server %d: a fold of positions %d to %d begins\n", PRIMARY, fold.from + 1,
               fold.upto);
        tidy()
    }
}

/* The condition of the UPDATE to which everything else in the fold is joined. It is evaluated when
 * the fold has got the lock. */
#ifdef FAULT_FOLD_NOT_JOINED
#define MAY_MOVE true
#elif defined(FAULT_FOLD_IGNORES_GENERATION) || !RESTORES
#define MAY_MOVE (image[PRIMARY].checkpoint == fold.from)
#else
#define MAY_MOVE (image[PRIMARY].checkpoint == fold.from && fold.generation == generation)
#endif

/* Changes x. */
inline clear_fold() {
    fold.runs = 0;
    fold.from = 0;
    fold.upto = 0;
    fold.generation = 0;
    for (x : 0 .. POSITIONS - 1) {
        fold.log[x] = NO_ENTRY
    }
}

/* The fold gets the lock. It adds the entries of its snapshot, or nothing. */
inline step_end_fold() {
    d_step {
        fold.runs ->
        if
        :: MAY_MOVE ->
            printf("server %d: the fold adds positions %d to %d\n", PRIMARY, fold.from + 1,
                   fold.upto);
            for (x : fold.from + 1 .. fold.upto) {
                add_to_table(PRIMARY, fold.log[x])
            }
            image[PRIMARY].checkpoint = fold.upto
        :: else
        fi;
        clear_fold();
        check_ledger();
        tidy()
    }
}

#endif

/* The DELETE reads its bounds itself: folded entries only, and never the last one. */
#ifdef FAULT_CLEAR_LAST
#define CAN_CLEAR(server_) (image[server_].first <= image[server_].checkpoint)
#elif defined(FAULT_CLEAR_FROM_MEMORY)
byte folded; /* the position up to which a counter remembers to have folded */
#define CAN_CLEAR(server_) \
    (image[server_].first <= folded && image[server_].first < VISIBLE(server_))
#else
#define CAN_CLEAR(server_) \
    (image[server_].first <= image[server_].checkpoint && image[server_].first < VISIBLE(server_))
#endif

/* Deletes the lowest position. The commit is asynchronous. */
inline step_clear(server_) {
    d_step {
        IS_UP(server_) && CAN_CLEAR(server_) ->
        printf("server %d: clears position %d\n", server_, image[server_].first);
        image[server_].log[image[server_].first] = NO_ENTRY;
        image[server_].first++;
        journal_empty = image[server_].first > image[server_].head;
        assert(!journal_empty);
        check_ledger();
        tidy()
    }
}

/* --- crashes --- */

/* All backends of a server end. Changes who and x. */
inline end_backends(server_) {
    for (who : 0 .. COUNTERS - 1) {
        if
        :: counter[who].server == server_ -> on_lost(who)
        :: else
        fi;
        if
        :: zombie[who].server == server_ -> end_zombie(who)
        :: else
        fi
    }
#if FOLDS == 2
    clear_fold();
#endif
    skip
}

/* The WAL writer flushes folds and clearing. */
inline step_flush() {
    d_step {
        image[DURABLE].checkpoint != image[PRIMARY].checkpoint ||
        image[DURABLE].first != image[PRIMARY].first ->
        printf("server %d: flushes its WAL\n", PRIMARY);
        copy_image(DURABLE, PRIMARY);
        tidy()
    }
}

/* The primary crashes and starts again, without the folds and clearing that were not flushed. An
 * entry that waited for the standby is visible afterwards. Changes h, who, x and total. */
inline crash() {
    printf("server %d: crashes; the checkpoint was %d and is %d\n", PRIMARY,
           image[PRIMARY].checkpoint, image[DURABLE].checkpoint);
#if FAILOVERS
    waits = 0;
#endif
    copy_image(PRIMARY, DURABLE);
    end_backends(PRIMARY);
    check_ledger()
}

inline step_crash() {
    d_step {
        IS_UP(PRIMARY) -> crash();
        tidy()
    }
}

/* The crash comes between an append's commit and its answer. */
inline step_commit_and_crash(c) {
    d_step {
        counter[c].server == PRIMARY && counter[c].phase == SENT && !IS_BLOCKED(counter[c]) &&
        CAN_INSERT(counter[c]) -> insert(counter[c]);
        crash();
        tidy()
    }
}

/* --- the standby --- */

#if FAILOVERS

/* The standby receives the primary's WAL up to now. */
inline step_replicate() {
    d_step {
        !promoted ->
        printf("server %d: receives the WAL up to position %d\n", STANDBY, image[PRIMARY].head);
#if CRASHES
        copy_image(STANDBY, DURABLE);
#else
        copy_image(STANDBY, PRIMARY);
#endif
        tidy()
    }
}

#define STANDBY_HAS_HEAD \
    (image[STANDBY].log[image[PRIMARY].head] == image[PRIMARY].log[image[PRIMARY].head])

/* The standby's acknowledgement ends the primary's wait. Changes i and what on_appended changes. */
inline step_acknowledge() {
    d_step {
        waits && STANDBY_HAS_HEAD ->
        printf("server %d: acknowledges\n", STANDBY);
        waits = 0;
        for (i : 0 .. COUNTERS - 1) {
            if
            :: counter[i].phase == WAITING -> on_appended(i)
            :: else
            fi
        }
        tidy()
    }
}

/* A timeout, an operator or the backend's end cancels the wait: the entry is visible, with a
 * warning if its counter is still connected. Changes s and what on_warned changes. */
inline step_cancel_wait() {
    d_step {
        waits && cancels < CANCELS ->
        cancels++;
        printf("server %d: stops waiting for the standby\n", PRIMARY);
        waits = 0;
        for (s : 0 .. COUNTERS - 1) {
            if
            :: counter[s].phase == WAITING -> on_warned(s)
            :: else
            fi
        }
        tidy()
    }
}

/* Failover: from now on the standby is the authority. The old primary still runs; its commits wait
 * for a standby that it has lost. */
inline step_promote() {
    d_step {
        !promoted ->
        promoted = 1;
        printf("server %d: is promoted\n", STANDBY);
        check_ledger();
        tidy()
    }
}

/* The old primary ends. Its image is not used any more, and cleared. */
inline step_stop_old_primary() {
    d_step {
        promoted && !stopped ->
        stopped = 1;
        printf("server %d: ends\n", PRIMARY);
        waits = 0;
        end_backends(PRIMARY);
        for (x : 0 .. POSITIONS - 1) {
            image[PRIMARY].log[x] = NO_ENTRY
        }
        for (x : 0 .. ALL_HITS - 1) {
            image[PRIMARY].table[x] = 0
        }
        for (x : 0 .. LANES - 1) {
            image[PRIMARY].lane[x] = 0
        }
        image[PRIMARY].first = 0;
        image[PRIMARY].head = 0;
        image[PRIMARY].checkpoint = 0;
#if CRASHES
        copy_image(DURABLE, PRIMARY);
#endif
        tidy()
    }
}

#endif

/* --- restores --- */

#if RESTORES

inline step_back_up() {
    d_step {
        !backed_up ->
        backed_up = 1;
        printf("server %d: is backed up at position %d\n", PRIMARY, image[PRIMARY].head);
        copy_image(BACKUP, PRIMARY);
        tidy()
    }
}

/* One transaction over journal, checkpoint, lanes and table, while the counters run. */
inline step_restore() {
    d_step {
        backed_up && !generation ->
        generation = 1;
        printf("server %d: is restored to position %d\n", PRIMARY, image[BACKUP].head);
        for (i : 0 .. ALL_HITS - 1) {
            count_hit(PRIMARY, i);
            h = total;
            count_hit(BACKUP, i);
            excused[i] = h > total
        }
        copy_image(PRIMARY, BACKUP);
#if CRASHES
        copy_image(DURABLE, BACKUP);
#endif
        check_ledger();
        tidy()
    }
}

#endif
