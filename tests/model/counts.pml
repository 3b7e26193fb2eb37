/* Counts from memory: they stay exact whatever is looked up, evicted, folded, lost by a crash,
 * restored or edited. One path, and a journal that is never cleared. See README.md. */

#ifndef COUNTERS
#define COUNTERS 2 /* counter-svc processes: 1 or 2 */
#endif
#ifndef POSITIONS
#define POSITIONS 5 /* of the journal, including position 0 */
#endif
#ifndef CRASHES
#define CRASHES 0 /* 1: PostgreSQL may crash, any number of times */
#endif
#ifndef CHANGES
#define CHANGES 0 /* 1: there may be one restore or one edit of the table */
#endif

/* An entry is one word. One journal has one entry at each position, so the id only has to tell the
 * entries before a restore from those after it. */
#define NO_ENTRY 0
#define ENTRY(hit) (1 | (hit) << 1 | generation << 2)
#define HITS_OF(entry) ((entry) >> 1 & 1) /* of the path */

/* --- PostgreSQL --- */

typedef Image {
    byte log[POSITIONS]; /* pathcount_journal */
    byte head;           /* its highest position */
    byte checkpoint;     /* pathcount_checkpoint */
    byte table;          /* the path's count in pathcount */
}
#define SERVER 0
#define DURABLE 1             /* what a crash leaves */
#define BACKUP (1 + CRASHES)
Image image[1 + CRASHES + CHANGES];
bit generation; /* in the checkpoint's row; a restore or an edit changes it */
bit backed_up;

/* --- counter-svc --- */

/* The state in memory. */
typedef Counter {
    byte position;
    byte entry;      /* at the position; NO_ENTRY: no state is loaded */
    bit generation;
    byte checkpoint; /* the tables have everything up to here, as far as it knows */

    /* The path's slot. Its count is exact as of the slot's position. */
    bit has_slot;
    byte slot_position;
    byte count;
}
Counter counter[COUNTERS];

/* Scratch variables, as in journal.pml. */
#ifdef BREADTH_FIRST
#define SCRATCH
#define tidy() x = 0; last = 0; truth = 0
#else
#define SCRATCH hidden
#define tidy() skip
#endif
SCRATCH byte x, last, truth, count_wrong;

/* Checks a slot: its count is the table and the entries after the checkpoint, up to the slot's
 * position or the state's, whichever is higher. Between the two there is no hit of the path.
 * Changes x, last and truth. */
inline check_count(c_) {
    last = counter[c_].position;
    if
    :: counter[c_].slot_position > last -> last = counter[c_].slot_position
    :: else
    fi;
    truth = image[SERVER].table;
    for (x : image[SERVER].checkpoint + 1 .. last) {
        truth = truth + HITS_OF(image[SERVER].log[x])
    }
    count_wrong = counter[c_].count != truth;
    assert(!count_wrong)
}

/* --- the state in memory --- */

#define IS_LOADED(c) (counter[c].entry != NO_ENTRY)
#define IS_IN_JOURNAL(c) (image[SERVER].log[counter[c].position] == counter[c].entry)
#ifdef FAULT_GENERATION_IGNORED
#define IS_SAME_GENERATION(c) true
#else
#define IS_SAME_GENERATION(c) (counter[c].generation == generation)
#endif

inline evict(c_) {
    counter[c_].has_slot = 0;
    counter[c_].slot_position = 0;
    counter[c_].count = 0
}

inline discard_state(c_) {
    printf("  counter %d: discards its state\n", c_);
    counter[c_].position = 0;
    counter[c_].entry = NO_ENTRY;
    counter[c_].generation = 0;
    counter[c_].checkpoint = 0;
    evict(c_)
}

/* Adds the slot, with a count that was read from the table. */
inline add_slot(c_) {
    counter[c_].has_slot = 1;
    counter[c_].slot_position = image[SERVER].checkpoint;
    counter[c_].count = image[SERVER].table
}

/* Applies the next entry. A slot whose count includes the entry's hits is left as it is. */
inline apply_entry(c_) {
    counter[c_].position++;
    counter[c_].entry = image[SERVER].log[counter[c_].position];
    if
    :: HITS_OF(counter[c_].entry) == 0
    :: else ->
        if
        :: counter[c_].has_slot
        :: else -> add_slot(c_)
        fi;
        if
#ifdef FAULT_SLOT_POSITION_IGNORED
        :: false
#else
        :: counter[c_].slot_position >= counter[c_].position
#endif
        :: else ->
            counter[c_].count++;
            counter[c_].slot_position = counter[c_].position
        fi
    fi
}

/* Notes the checkpoint that a statement returned. A state that knew a later one is discarded: it
 * may have evicted what the tables do not have any more. */
inline note_checkpoint(c_) {
    if
#ifdef FAULT_CHECKPOINT_GOES_BACK
    :: false
#else
    :: counter[c_].checkpoint > image[SERVER].checkpoint -> discard_state(c_)
#endif
    :: else -> counter[c_].checkpoint = image[SERVER].checkpoint
    fi
}

/* --- steps of a counter --- */

/* Loads the tables' state at the checkpoint. */
inline step_load(c) {
    d_step {
        !IS_LOADED(c) ->
        printf("counter %d: loads the state at checkpoint %d\n", c, image[SERVER].checkpoint);
        counter[c].position = image[SERVER].checkpoint;
        counter[c].entry = image[SERVER].log[image[SERVER].checkpoint];
        counter[c].generation = generation;
        counter[c].checkpoint = image[SERVER].checkpoint;
        tidy()
    }
}

/* Catches up: after a load, after an append without a row, or for a read (rule 5). Each entry comes
 * with the count that the table has. */
inline step_catch_up(c) {
    d_step {
        IS_LOADED(c) ->
        printf("counter %d: catches up to position %d\n", c, image[SERVER].head);
        if
        :: !IS_SAME_GENERATION(c) || !IS_IN_JOURNAL(c) -> discard_state(c)
        :: else -> note_checkpoint(c)
        fi;
        do
        :: IS_LOADED(c) && counter[c].position < image[SERVER].head -> apply_entry(c)
        :: else -> break
        od;
        if
        :: counter[c].has_slot -> check_count(c)
        :: else
        fi;
        tidy()
    }
}

/* Appends an entry, with or without a hit of the path. For a hit the slot has to be there, and the
 * answer contains its count. The append that finds another generation inserts no row. */
inline step_append(c, hit) {
    d_step {
        IS_LOADED(c) && (hit == 0 || counter[c].has_slot) && counter[c].position + 1 < POSITIONS &&
        image[SERVER].head == counter[c].position && IS_IN_JOURNAL(c) && IS_SAME_GENERATION(c) ->
        printf("counter %d: appends position %d; hits of the path: %d\n", c, image[SERVER].head + 1,
               hit);
        image[SERVER].head++;
        image[SERVER].log[image[SERVER].head] = ENTRY(hit);
#if CRASHES
        copy_image(DURABLE, SERVER);
#endif
        apply_entry(c);
        if
        :: hit -> check_count(c)
        :: else
        fi;
        note_checkpoint(c);
        tidy()
    }
}

/* What a look-up compares. */
#ifdef FAULT_LOOK_UP_ELSEWHERE
#define IS_SAME_LEDGER(c) true
#else
#define IS_SAME_LEDGER(c) (IS_SAME_GENERATION(c) && IS_IN_JOURNAL(c))
#endif

/* Looks up the path's count in the table, with the checkpoint of the same snapshot. */
inline step_look_up(c) {
    d_step {
        IS_LOADED(c) && !counter[c].has_slot ->
        printf("counter %d: at position %d, looks up %d as of checkpoint %d\n", c,
               counter[c].position, image[SERVER].table, image[SERVER].checkpoint);
        if
        :: IS_SAME_LEDGER(c) -> note_checkpoint(c)
        :: else -> discard_state(c)
        fi;
        if
        :: IS_LOADED(c) ->
            add_slot(c);
            check_count(c)
        :: else
        fi;
        tidy()
    }
}

/* Evicts the slot. A slot after the checkpoint is pinned: the table does not have its hits yet. */
inline step_evict(c) {
    d_step {
#ifdef FAULT_EVICT_PINNED
        counter[c].has_slot ->
#else
        counter[c].has_slot && counter[c].slot_position <= counter[c].checkpoint ->
#endif
        printf("counter %d: evicts the slot\n", c);
        evict(c);
        tidy()
    }
}

/* --- steps of the server --- */

/* Changes x. */
inline copy_image(to, from_) {
    for (x : 0 .. POSITIONS - 1) {
        image[to].log[x] = image[from_].log[x]
    }
    image[to].head = image[from_].head;
    image[to].checkpoint = image[from_].checkpoint;
    image[to].table = image[from_].table
}

inline step_fold() {
    d_step {
        image[SERVER].checkpoint < image[SERVER].head ->
        image[SERVER].checkpoint++;
        printf("server: folds position %d\n", image[SERVER].checkpoint);
        image[SERVER].table =
            image[SERVER].table + HITS_OF(image[SERVER].log[image[SERVER].checkpoint]);
        tidy()
    }
}

#if CRASHES

inline step_flush() {
    d_step {
        image[DURABLE].checkpoint != image[SERVER].checkpoint ->
        printf("server: flushes its WAL\n");
        copy_image(DURABLE, SERVER);
        tidy()
    }
}

/* A crash loses the folds that were not flushed. The counters keep their states. */
inline step_crash() {
    d_step {
        image[DURABLE].checkpoint != image[SERVER].checkpoint ->
        printf("server: crashes; the checkpoint was %d and is %d\n", image[SERVER].checkpoint,
               image[DURABLE].checkpoint);
        copy_image(SERVER, DURABLE);
        tidy()
    }
}

#endif

#if CHANGES

inline step_back_up() {
    d_step {
        !backed_up && !generation ->
        printf("server: is backed up at position %d\n", image[SERVER].head);
        backed_up = 1;
        copy_image(BACKUP, SERVER);
        tidy()
    }
}

inline step_restore() {
    d_step {
        backed_up && !generation ->
        printf("server: is restored to position %d\n", image[BACKUP].head);
        generation = 1;
        copy_image(SERVER, BACKUP);
#if CRASHES
        copy_image(DURABLE, BACKUP);
#endif
        tidy()
    }
}

/* An operator sets the count in the table and calls pathcount_edited() in the same transaction. */
inline step_edit() {
    d_step {
        !generation ->
        printf("server: the count in the table is set to 0\n");
        generation = 1;
        image[SERVER].table = 0;
#if CRASHES
        copy_image(DURABLE, SERVER);
#endif
        tidy()
    }
}

#endif

proctype Counter_svc(byte c) {
end:
    do
    :: step_load(c)
    :: step_catch_up(c)
    :: step_append(c, 0)
    :: step_append(c, 1)
    :: step_look_up(c)
    :: step_evict(c)
    od
}

proctype PostgreSQL() {
end:
    do
    :: step_fold()
#if CRASHES
    :: step_flush()
    :: step_crash()
#endif
#if CHANGES
    :: step_back_up()
    :: step_restore()
    :: step_edit()
#endif
    od
}

init {
    d_step {
        for (x : 0 .. CRASHES + CHANGES) {
            image[x].log[0] = ENTRY(0)
        }
        tidy()
    }
    atomic {
        run Counter_svc(0);
#if COUNTERS > 1
        run Counter_svc(1);
#endif
        run PostgreSQL()
    }
}
