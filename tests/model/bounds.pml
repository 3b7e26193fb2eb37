/* The size of a search and the faults in it. `-D` changes each of them; searches.py lists the
 * configurations that are searched. */

#ifndef COUNTERS
#define COUNTERS 2 /* counter-svc processes: 1 or 2 */
#endif
#ifndef RENDERERS
#define RENDERERS 1 /* lane objects of render-svc: 1 or 2 */
#endif
#ifndef HITS
#define HITS 2 /* of each renderer, one per batch: 1 to 3 */
#endif
#ifndef POSITIONS
#define POSITIONS 5 /* of the journal, including position 0 */
#endif
#ifndef NO_LANES_YET
#define NO_LANES_YET 0 /* 1: the renderers start without a lane */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 2 /* how often a renderer may stop waiting for an answer */
#endif
#ifndef KILLS
#define KILLS 0 /* how often a counter may be killed */
#endif
#ifndef LOSSES
#define LOSSES 0 /* how often a counter may lose its connection to PostgreSQL */
#endif
#ifndef FORGETS
#define FORGETS 0 /* 1: an entry may forget the first renderer's lane */
#endif
#ifndef FOLDS
#define FOLDS 0 /* 1: entries are folded and cleared; 2: a fold may have an old snapshot */
#endif
#ifndef CRASHES
#define CRASHES 0 /* 1: PostgreSQL may crash, any number of times */
#endif
#ifndef FAILOVERS
#define FAILOVERS 0 /* 1: there is a synchronous standby, and it may be promoted */
#endif
#ifndef CANCELS
#define CANCELS 2 /* how often the primary's wait for the standby may be cancelled */
#endif
#ifndef RESTORES
#define RESTORES 0 /* 1: a backup may be taken once and restored once */
#endif

#if RESTORES && FAILOVERS
#error "A configuration has either restores or failovers."
#endif
