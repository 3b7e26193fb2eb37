/* counter-svc: the state in memory, appends and answers. */

/* --- how the state in memory classifies a request --- */

#define IS_BATCH(c, r) \
    (REQUEST(c, r).present && !REQUEST(c, r).opens && counter[c].entry != NO_ENTRY)
#ifdef FAULT_UNKNOWN_LANE_IS_NEW
#define IS_KNOWN(c, r) true
#define LAST(c, r) \
    (counter[c].lane[REQUEST(c, r).lane] == UNKNOWN -> 0 : counter[c].lane[REQUEST(c, r).lane])
#else
#define IS_KNOWN(c, r) (counter[c].lane[REQUEST(c, r).lane] != UNKNOWN)
#define LAST(c, r) counter[c].lane[REQUEST(c, r).lane]
#endif
#define IS_NEW(c, r) (IS_BATCH(c, r) && IS_KNOWN(c, r) && REQUEST(c, r).sequence == LAST(c, r) + 1)
#define IS_REPEAT(c, r) (IS_BATCH(c, r) && IS_KNOWN(c, r) && REQUEST(c, r).sequence == LAST(c, r))
#define IS_CONFLICT(c, r) (IS_BATCH(c, r) && !IS_NEW(c, r) && !IS_REPEAT(c, r))

/* The request needs an append. A new batch does even when no renderer waits for it any more. */
#define NEEDS_APPEND(c, r) (IS_NEW(c, r) || IS_LIVE(c, r) && \
    (REQUEST(c, r).opens || IS_REPEAT(c, r) || IS_CONFLICT(c, r)))

/* The append under way contains this batch. */
#define IS_APPENDING(c, r) (IS_BATCH(c, r) && KIND_OF(counter[c].new_entry) == BATCH && \
    LANE_OF(counter[c].new_entry) == REQUEST(c, r).lane && \
    SEQUENCE_OF(counter[c].new_entry) == REQUEST(c, r).sequence)

/* Only in faults: the counter takes its state for confirmed. */
#ifdef REPEATS_FROM_MEMORY
#define IS_CONFIRMED(c) counter[c].confirmed
#else
#define IS_CONFIRMED(c) true
#endif

/* --- the state in memory --- */

/* Changes l. */
inline discard_state(c_) {
    counter[c_].position = 0;
    counter[c_].entry = NO_ENTRY;
    for (l : 0 .. LANES - 1) {
        counter[c_].lane[l] = 0
    }
#ifdef REPEATS_FROM_MEMORY
    counter[c_].confirmed = 0
#endif
}

/* Loads checkpoint, lanes and the entries after the checkpoint from one snapshot. Changes l, s and
 * x. */
inline load_state(c_) {
    s = counter[c_].server;
    printf("  counter %d: loads the state at position %d of server %d\n", c_, VISIBLE(s), s);
    for (l : 0 .. LANES - 1) {
        counter[c_].lane[l] = image[s].lane[l]
    }
    for (x : image[s].checkpoint + 1 .. VISIBLE(s)) {
        apply_entry(counter[c_], image[s].log[x])
    }
    counter[c_].position = VISIBLE(s);
    counter[c_].entry = image[s].log[VISIBLE(s)];
    journal_empty = counter[c_].entry == NO_ENTRY;
    assert(!journal_empty);
#ifdef FAULT_REPEAT_FROM_MEMORY
    counter[c_].confirmed = 0
#elif defined(FAULT_RELOAD_CONFIRMS)
    counter[c_].confirmed = 1
#endif
}

/* The state's entry is still in the journal. */
#ifdef FAULT_CATCH_UP_BY_POSITION
#define IS_IN_JOURNAL(c) (image[s].log[counter[c].position] != NO_ENTRY)
#else
#define IS_IN_JOURNAL(c) (image[s].log[counter[c].position] == counter[c].entry)
#endif

/* Applies the entries after the state's own; reloads if that one is gone. Changes l, s, x and e. */
inline catch_up(c_) {
    s = counter[c_].server;
    if
    :: counter[c_].entry != NO_ENTRY && counter[c_].position <= VISIBLE(s) && IS_IN_JOURNAL(c_) ->
        printf("  counter %d: catches up to position %d of server %d\n", c_, VISIBLE(s), s);
        for (x : counter[c_].position + 1 .. VISIBLE(s)) {
            e = image[s].log[x];
            apply_entry(counter[c_], e);
#ifdef REPEATS_FROM_MEMORY
            counter[c_].confirmed = 0
#endif
        }
        counter[c_].position = VISIBLE(s);
        counter[c_].entry = image[s].log[VISIBLE(s)]
    :: else -> load_state(c_)
    fi
}

/* Catches up. All waiting requests are judged by the new state. Changes who, l, s, x and e. */
inline read_journal(c_) {
    catch_up(c_);
#if defined(FAULT_READ_CONFIRMS) || defined(REPEATS_FROM_MEMORY)
    for (who : 0 .. RENDERERS - 1) {
        if
        :: IS_LIVE(c_, who) && IS_REPEAT(c_, who) && IS_CONFIRMED(c_) -> on_confirmed(c_, who)
        :: else
        fi
    }
#endif
#ifdef FAULT_ABSENCE_IS_PROOF
    for (who : 0 .. RENDERERS - 1) {
        if
        :: REQUEST(c_, who).lost && IS_LIVE(c_, who) && !IS_REPEAT(c_, who) -> on_conflict(c_, who)
        :: else
        fi;
        REQUEST(c_, who).lost = 0
    }
#endif
#ifdef FAULT_CONFLICT_BY_READ
    for (who : 0 .. RENDERERS - 1) {
        if
        :: IS_LIVE(c_, who) && IS_CONFLICT(c_, who) -> on_conflict(c_, who)
        :: else
        fi
    }
#endif
}

/* --- the outcomes of an append --- */

/* Changes x. */
inline end_append(c_) {
    counter[c_].phase = IDLE;
    counter[c_].new_entry = NO_ENTRY;
    for (x : 0 .. RENDERERS - 1) {
        REQUEST(c_, x).taken = 0
    }
}

inline apply_own_entry(c_) {
    apply_entry(counter[c_], counter[c_].new_entry);
    counter[c_].position++;
    counter[c_].entry = counter[c_].new_entry
}

/* One row, and no warning: the requests that were taken get their answers. Those are a repeat,
 * which the batch of this append has become as well, and a conflict, which is one to the newest
 * state. Changes who, h, x, total, last and e. */
inline on_appended(c_) {
    printf("  counter %d: the append is confirmed\n", c_);
    apply_own_entry(c_);
#ifdef REPEATS_FROM_MEMORY
    counter[c_].confirmed = 1;
#endif
    for (who : 0 .. RENDERERS - 1) {
        if
        :: !REQUEST(c_, who).taken
        :: else ->
            if
            :: !IS_LIVE(c_, who) -> clear_request(c_, who)
            :: IS_LIVE(c_, who) && REQUEST(c_, who).opens -> on_opened(c_, who)
            :: IS_LIVE(c_, who) && IS_REPEAT(c_, who) -> on_confirmed(c_, who)
            :: IS_LIVE(c_, who) && IS_CONFLICT(c_, who) -> on_conflict(c_, who)
            fi
        fi
    }
    end_append(c_)
}

/* The outcome is unknown (rule 1): the requests that were taken get a 503. Changes x. */
inline refuse_taken(c_) {
    for (x : 0 .. RENDERERS - 1) {
        if
#if defined(FAULT_DOUBT_FORGOTTEN) || defined(FAULT_ABSENCE_IS_PROOF)
        :: REQUEST(c_, x).taken && !REQUEST(c_, x).opens ->
#ifdef FAULT_ABSENCE_IS_PROOF
            REQUEST(c_, x).lost = IS_APPENDING(c_, x);
#endif
            skip
#endif
        :: REQUEST(c_, x).taken ->
            if
            :: IS_LIVE(c_, x) -> on_no_answer(x)
            :: else
            fi;
            clear_request(c_, x)
        :: else
        fi
    }
}

/* One row, and a warning: the entry exists, but the standby may lack it. The counter tries the next
 * server. Changes x. */
inline on_warned(c_) {
#ifdef FAULT_WARNING_CONFIRMS
    on_appended(c_)
#else
    printf("  counter %d: the append got a warning\n", c_);
    apply_own_entry(c_);
#ifdef REPEATS_FROM_MEMORY
    counter[c_].confirmed = 0;
#endif
    refuse_taken(c_);
    end_append(c_);
    counter[c_].server = NOWHERE
#endif
}

/* No row: nothing was appended. */
inline on_no_row(c_) {
    printf("  counter %d: the append got no row\n", c_);
    end_append(c_);
    read_journal(c_)
}

/* The connection is lost. An append that was not executed yet becomes a zombie. Changes x. */
inline on_lost(c_) {
    if
    :: counter[c_].phase == SENT ->
        zombie[c_].server = counter[c_].server;
        zombie[c_].position = counter[c_].position;
        zombie[c_].entry = counter[c_].entry;
        zombie[c_].new_entry = counter[c_].new_entry
    :: else
    fi;
    if
    :: counter[c_].phase != IDLE -> refuse_taken(c_); end_append(c_)
    :: else
    fi;
    counter[c_].server = NOWHERE
}

/* --- steps --- */

#define CAN_APPEND(c) (counter[c].server != NOWHERE && counter[c].phase == IDLE && \
    counter[c].position + 1 < POSITIONS)

inline print_append(c_) {
    printf("counter %d: sends id %d for position %d after id %d: ", c_,
           ID_OF(counter[c_].new_entry), counter[c_].position + 1, ID_OF(counter[c_].entry));
    if
    :: KIND_OF(counter[c_].new_entry) == EMPTY -> printf("an empty entry\n")
    :: KIND_OF(counter[c_].new_entry) == OPENING -> printf("a new lane\n")
    :: KIND_OF(counter[c_].new_entry) == FORGETTING -> printf("the end of a lane\n")
    :: else ->
        printf("lane %d, sequence %d, hit %d\n", LANE_OF(counter[c_].new_entry),
               SEQUENCE_OF(counter[c_].new_entry), HIT_OF(counter[c_].new_entry))
    fi
}

/* A request arrives: a batch, sent for the first time or again, or a request for a lane. */
inline step_receive(c, r) {
    d_step {
        renderer[r].at == NOBODY && renderer[r].hit < HITS ->
        clear_request(c, r);
        renderer[r].at = c;
        REQUEST(c, r).present = 1;
        if
        :: renderer[r].lane == NO_LANE ->
            printf("renderer %d: asks counter %d for a lane\n", r, c);
            REQUEST(c, r).opens = 1
        :: else ->
            printf("renderer %d: sends hit %d to counter %d; lane %d, sequence %d\n", r,
                   r * HITS + renderer[r].hit, c, renderer[r].lane, renderer[r].sequence + 1);
            REQUEST(c, r).lane = renderer[r].lane;
            REQUEST(c, r).sequence = renderer[r].sequence + 1;
            REQUEST(c, r).hit = renderer[r].hit
        fi;
#ifdef REPEATS_FROM_MEMORY
        if
        :: IS_REPEAT(c, r) && IS_CONFIRMED(c) -> on_confirmed(c, r)
        :: else
        fi;
#endif
#ifdef FAULT_CONFLICT_FROM_MEMORY
        if
        :: IS_CONFLICT(c, r) -> on_conflict(c, r)
        :: else
        fi;
#endif
        tidy()
    }
}

/* The session connects, and its first statement reads the journal. */
inline step_connect(c, server_) {
    d_step {
        counter[c].server == NOWHERE && IS_UP(server_) ->
        counter[c].server = server_;
        printf("counter %d: connects to server %d\n", c, server_);
        read_journal(c);
        tidy()
    }
}

/* The counter sends an append that is chained to the entry of its state. It takes the request that
 * caused it, and all repeats and conflicts that wait (rules 2 and 5). */
inline step_append(c, r) {
    d_step {
        CAN_APPEND(c) && NEEDS_APPEND(c, r) ->
        draw_id(c);
        if
        :: REQUEST(c, r).opens -> counter[c].new_entry = ENTRY(i, OPENING, RENDERERS + r, 0, 0)
        :: IS_NEW(c, r) ->
            counter[c].new_entry = ENTRY(i, BATCH, REQUEST(c, r).lane, REQUEST(c, r).sequence,
                                         r * HITS + REQUEST(c, r).hit)
        :: else -> counter[c].new_entry = ENTRY(i, EMPTY, 0, 0, 0)
        fi;
        counter[c].phase = SENT;
        for (x : 0 .. RENDERERS - 1) {
            REQUEST(c, x).taken = x == r || IS_LIVE(c, x) && (IS_REPEAT(c, x) || IS_CONFLICT(c, x))
        }
        print_append(c);
        tidy()
    }
}

/* The counter forgets a lane. It does so when the lane was silent for long; here at any time. */
inline step_forget(c, lane_) {
    d_step {
        CAN_APPEND(c) && counter[c].lane[lane_] != UNKNOWN ->
        draw_id(c);
        counter[c].new_entry = ENTRY(i, FORGETTING, lane_, 0, 0);
        counter[c].phase = SENT;
        print_append(c);
        tidy()
    }
}

#ifdef FAULT_CONFLICT_BY_READ
inline step_read(c, r) {
    d_step {
        counter[c].server != NOWHERE && counter[c].phase == IDLE && IS_LIVE(c, r) &&
        IS_CONFLICT(c, r) -> read_journal(c);
        tidy()
    }
}
#endif

inline step_lose_connection(c) {
    d_step {
        losses < LOSSES && counter[c].server != NOWHERE &&
        (counter[c].phase != SENT || zombie[c].server == NOWHERE) ->
        losses++;
        printf("counter %d: loses its connection\n", c);
        on_lost(c);
        tidy()
    }
}

inline step_kill(c) {
    d_step {
        kills < KILLS && (counter[c].phase != SENT || zombie[c].server == NOWHERE) ->
        kills++;
        printf("counter %d: is killed\n", c);
        on_lost(c);
        discard_state(c);
        for (who : 0 .. RENDERERS - 1) {
            if
            :: IS_LIVE(c, who) -> on_no_answer(who)
            :: else
            fi;
            clear_request(c, who)
        }
        tidy()
    }
}
