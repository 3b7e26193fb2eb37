/* Deadlines of one loop, on CLOCK_MONOTONIC.
 *
 * The timeouts of libh2o run on the wall clock, and stop when it steps back. Everything that must
 * happen in time uses these timers instead. One timerfd per loop serves all of them. Most deadlines
 * have one of a few durations, so they wait in one queue for each duration. The first timer of a
 * queue is always the next one due. Starting and stopping a timer takes constant time and almost
 * never a system call.
 *
 * A timer fires once, from the loop, never before timer_start returns, never after timer_stop. All
 * calls from the loop's thread.
 */
#ifndef SERVER_LOOP_TIMERS_H
#define SERVER_LOOP_TIMERS_H

#include <h2o.h>
#include <stdbool.h>

struct timers {
    h2o_socket_t *_socket;  /* of the timerfd */
    uint64_t _armed_ms;     /* when the timerfd fires; 0: never */
    h2o_linklist_t _queues; /* every timer_queue */
    h2o_linklist_t _odd;    /* timers without a queue, the next one due first */
};

/* Deadlines of one duration. */
struct timer_queue {
    struct timers *_timers;
    uint64_t _duration_ms;
    h2o_linklist_t _link;
    h2o_linklist_t _waiting;
};

/* One deadline. Lives inside the caller's struct, zeroed before its first use. */
struct timer {
    h2o_linklist_t _link;
    uint64_t _due_ms;
    void (*_on_due)(struct timer *timer);
};

/* Returns 0, or -1 with errno if the kernel cannot create a timerfd. */
int timers_init(struct timers *timers, h2o_loop_t *loop) __attribute__((warn_unused_result));

/* Stop all timers and finish all queues before. */
void timers_fini(struct timers *timers);

void timer_queue_init(struct timer_queue *queue, struct timers *timers, uint64_t duration_ms);
void timer_queue_fini(struct timer_queue *queue);

/* Runs `on_due` after the queue's duration. The timer must not be waiting. */
void timer_start(struct timer_queue *queue, struct timer *timer, void (*on_due)(struct timer *));

/* The same after any duration. Takes time in proportion to the number of such timers, so use it for
 * few objects (lanes, connections to PostgreSQL), not for hits. */
void timer_start_after(struct timers *timers, struct timer *timer, uint64_t duration_ms,
                       void (*on_due)(struct timer *));

/* Stops the timer. Does nothing if it is not waiting. */
void timer_stop(struct timer *timer);

bool timer_is_waiting(const struct timer *timer);

/* Returns the milliseconds of CLOCK_MONOTONIC. */
uint64_t monotonic_ms(void);

/* Returns the nanoseconds of the same clock, for measurements. */
uint64_t monotonic_ns(void);

/* Returns a random number from 0 to `limit` - 1 for jitter, not for secrets. 0 if there is none.
 * Any thread. */
uint64_t jitter(uint64_t limit);

#endif
