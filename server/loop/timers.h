/* Deadlines of one loop, on CLOCK_MONOTONIC.
 *
 * libh2o's own timeouts run on the wall clock and stop when it steps back; whatever must happen in
 * time waits here instead. One timerfd per loop serves them all. Most deadlines have one of a few
 * durations, so they wait in queues of one duration each, in which the next to fall due is always
 * the first: starting and stopping one takes constant time and, nearly always, no system call.
 *
 * A timer fires once, from the loop, never from within timer_start; never after timer_stop. All
 * calls from the loop's thread.
 */
#ifndef SERVER_LOOP_TIMERS_H
#define SERVER_LOOP_TIMERS_H

#include <h2o.h>
#include <stdbool.h>

struct timers {
    h2o_socket_t *_socket;  /* of the timerfd */
    uint64_t _armed_ms;     /* when the timerfd fires, 0: not at all */
    h2o_linklist_t _queues; /* every timer_queue */
    h2o_linklist_t _odd;    /* timers of no queue, the next to fall due first */
};

/* Deadlines of one duration. */
struct timer_queue {
    struct timers *_timers;
    uint64_t _duration_ms;
    h2o_linklist_t _link;
    h2o_linklist_t _waiting;
};

/* One deadline; lives inside what waits for it, zeroed before its first use. */
struct timer {
    h2o_linklist_t _link;
    uint64_t _due_ms;
    void (*_on_due)(struct timer *timer);
};

/* Returns 0, or -1 with errno when the kernel has no timerfd to give. */
int timers_init(struct timers *timers, h2o_loop_t *loop) __attribute__((warn_unused_result));

/* Every timer must have been stopped, every queue finished. */
void timers_fini(struct timers *timers);

void timer_queue_init(struct timer_queue *queue, struct timers *timers, uint64_t duration_ms);
void timer_queue_fini(struct timer_queue *queue);

/* Lets `on_due` be called after the queue's duration. The timer must not be waiting. */
void timer_start(struct timer_queue *queue, struct timer *timer, void (*on_due)(struct timer *));

/* The same after any duration: takes time in proportion to the number of such timers, so it is for
 * what is few (lanes, connections to PostgreSQL), not for hits. */
void timer_start_after(struct timers *timers, struct timer *timer, uint64_t duration_ms,
                       void (*on_due)(struct timer *));

/* Does nothing when the timer is not waiting. */
void timer_stop(struct timer *timer);

bool timer_is_waiting(const struct timer *timer);

/* Milliseconds on CLOCK_MONOTONIC. */
uint64_t monotonic_ms(void);

/* Nanoseconds on the same clock, for measuring. */
uint64_t monotonic_ns(void);

/* A random number from 0 to `limit` - 1, for jitter: not for secrets. Any thread. */
uint64_t jitter(uint64_t limit);

#endif
