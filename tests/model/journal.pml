/* The journal protocol: how each hit gets into the ledger exactly once. See README.md. */

#include "bounds.pml"

/* Two faults belong to a counter that remembers whether its state is confirmed. */
#if defined(FAULT_RELOAD_CONFIRMS) || defined(FAULT_REPEAT_FROM_MEMORY)
#define REPEATS_FROM_MEMORY
#endif

/* --- entries --- */

/* An entry is one word: its id, its kind, and the fields of that kind. */
#define NO_ENTRY 0
#define ENTRY(id, kind, lane, sequence, hit) \
    ((id) | (kind) << 5 | (lane) << 7 | (sequence) << 9 | (hit) << 11)
#define IDS 32
#define ID_OF(entry) ((entry) & 31)
#define KIND_OF(entry) ((entry) >> 5 & 3)
#define LANE_OF(entry) ((entry) >> 7 & 3)
#define SEQUENCE_OF(entry) ((entry) >> 9 & 3)
#define HIT_OF(entry) ((entry) >> 11 & 7)

/* The kinds. */
#define EMPTY 0
#define BATCH 1
#define OPENING 2    /* of a lane */
#define FORGETTING 3 /* of a lane */

/* Renderer r begins on lane r. Lane RENDERERS + r is the one that it may open. */
#define LANES (2 * RENDERERS)
#define ALL_HITS (RENDERERS * HITS)

#define UNKNOWN 7 /* in place of a lane's last sequence */
#define NO_LANE 7
#define NOBODY 7  /* in place of a counter */
#define NOWHERE 7 /* in place of a server */

/* --- PostgreSQL --- */

/* Everything that a server stores. */
typedef Image {
    short log[POSITIONS]; /* pathcount_journal: the entry at each position */
    byte first;           /* the lowest position that has not been cleared */
    byte head;            /* the highest position */
    byte checkpoint;      /* pathcount_checkpoint: the table has the entries up to here */
    byte table[ALL_HITS]; /* pathcount: how often it counts each hit */
    byte lane[LANES];     /* pathcount_lanes: the last sequences as of the checkpoint */
}

/* A standby, a crashed server and a backup have a prefix of the primary's WAL. Such a prefix is the
 * primary's image at an earlier moment, so it is modelled as a copy made at that moment. */
#define PRIMARY 0
#define STANDBY 1                        /* after its promotion a primary as well */
#define DURABLE (1 + FAILOVERS)          /* what a crash of the primary leaves */
#define BACKUP (1 + FAILOVERS + CRASHES)
#define IMAGES (1 + FAILOVERS + CRASHES + RESTORES)
Image image[IMAGES];

#if FAILOVERS
bit waits;    /* the primary's head is committed, but invisible: it waits for the standby */
bit promoted; /* the standby is the new primary; the old one still accepts connections */
bit stopped;  /* the old primary has ended */
byte cancels; /* how often a wait was cancelled */
#define VISIBLE(server_) (image[server_].head - ((server_) == PRIMARY && waits))
#define AUTHORITY (promoted -> STANDBY : PRIMARY)
#define IS_UP(server_) ((server_) == PRIMARY && !stopped || (server_) == STANDBY && promoted)
#else
#define VISIBLE(server_) (image[server_].head)
#define AUTHORITY PRIMARY
#define IS_UP(server_) true
#endif

/* An append whose connection was lost before it was executed. Its backend may still execute it. */
typedef Zombie {
    byte server; /* NOWHERE: there is no zombie */
    byte position;
    short entry;
    short new_entry;
}
Zombie zombie[COUNTERS];

#if FOLDS == 2
/* A fold whose statement has begun. Others may commit before it gets the checkpoint's lock. */
typedef Fold {
    bit runs;
    byte from;
    byte upto;
    bit generation;
    short log[POSITIONS]; /* its snapshot of the journal */
}
Fold fold;
#endif

/* --- counter-svc --- */

/* A request that a counter has received. It remains after its renderer stopped waiting; it goes
 * when it is answered, or when the next request of the same renderer arrives. */
typedef Request {
    bit present;
    bit opens; /* it asks for a lane; otherwise it is a batch */
    byte lane;
    byte sequence;
    byte hit;
    bit taken; /* the outcome of the append under way answers it */
#ifdef FAULT_ABSENCE_IS_PROOF
    bit lost; /* its append's connection was lost, and the counter has not reconnected yet */
#endif
}

/* The phases of an append. */
#define IDLE 0
#define SENT 1    /* not executed yet */
#define WAITING 2 /* committed on the primary, which waits for the standby */

typedef Counter {
    byte server; /* the one that its session is connected to */

    /* The state in memory. */
    byte position;
    short entry; /* at the position; NO_ENTRY: no state is loaded */
    byte lane[LANES];
#ifdef REPEATS_FROM_MEMORY
    bit confirmed; /* nothing but confirmed entries is in the state */
#endif

    /* The append under way. */
    byte phase;
    short new_entry;

    Request request[RENDERERS];
}
Counter counter[COUNTERS];

/* --- render-svc --- */

typedef Renderer {
    byte lane;
    byte sequence; /* of the last confirmed batch */
    byte hit;      /* the next one to count; HITS: it is finished */
    bit was_sent;  /* an earlier try may have been applied */
    bit moved;     /* it has opened its second lane */
    byte at;       /* the counter whose answer it waits for */
}
Renderer renderer[RENDERERS];

/* --- properties and bounds --- */

bit acknowledged[ALL_HITS]; /* answered 200 */
#if RESTORES
bit excused[ALL_HITS]; /* lost by the restore, and not acknowledged since */
bit backed_up;
bit generation; /* in the checkpoint's row; the restore changes it */
#endif

/* How often each of these has happened. */
byte timeouts;
#if KILLS
byte kills;
#endif
#if LOSSES
byte losses;
#endif

/* Scratch variables are not part of the state; each inline names those that it changes. A breadth-
 * first search needs every variable in the state, so each step sets them back to 0. */
#ifdef BREADTH_FIRST
#define SCRATCH
#define tidy() who = 0; h = 0; i = 0; l = 0; s = 0; x = 0; total = 0; last = 0; e = 0; used = 0
#else
#define SCRATCH hidden
#define tidy() skip
#endif
SCRATCH byte who, h, i, l, s, x, total, last;
SCRATCH short e;
SCRATCH int used;

/* The names of the violated properties; pan prints them. */
SCRATCH byte hit_counted_twice, acknowledged_hit_missing, journal_empty, conflict_false;

#include "ledger.pml"
#include "renderer.pml"
#include "counter.pml"
#include "database.pml"
#include "processes.pml"
