#include "server/loop/timers.h"

#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void on_timer_tick(h2o_socket_t *socket, const char *error);

uint64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t jitter(uint64_t limit)
{
    uint64_t random = 0;

    if (limit == 0 || getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
        return 0;
    return random % limit;
}

int timers_init(struct timers *timers, h2o_loop_t *loop)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0)
        return -1;
    timers->_armed_ms = 0;
    h2o_linklist_init_anchor(&timers->_queues);
    h2o_linklist_init_anchor(&timers->_odd);
    timers->_socket = h2o_evloop_socket_create(loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    timers->_socket->data = timers;
    h2o_socket_read_start(timers->_socket, on_timer_tick);
    return 0;
}

void timers_fini(struct timers *timers)
{
    h2o_socket_close(timers->_socket);
}

void timer_queue_init(struct timer_queue *queue, struct timers *timers, uint64_t duration_ms)
{
    *queue = (struct timer_queue){._timers = timers, ._duration_ms = duration_ms};
    h2o_linklist_init_anchor(&queue->_waiting);
    h2o_linklist_insert(&timers->_queues, &queue->_link);
}

void timer_queue_fini(struct timer_queue *queue)
{
    h2o_linklist_unlink(&queue->_link);
}

/* Makes the timerfd fire at `due_ms`, unless it fires earlier. */
static void arm(struct timers *timers, uint64_t due_ms)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due_ms / 1000),
                                           .tv_nsec = (long)(due_ms % 1000) * 1000000}};

    if (timers->_armed_ms != 0 && timers->_armed_ms <= due_ms)
        return;
    timerfd_settime(h2o_socket_get_fd(timers->_socket), TFD_TIMER_ABSTIME, &when, NULL);
    timers->_armed_ms = due_ms;
}

void timer_start(struct timer_queue *queue, struct timer *timer, void (*on_due)(struct timer *))
{
    timer->_due_ms = monotonic_ms() + queue->_duration_ms;
    timer->_on_due = on_due;
    h2o_linklist_insert(&queue->_waiting, &timer->_link);
    arm(queue->_timers, timer->_due_ms);
}

void timer_start_after(struct timers *timers, struct timer *timer, uint64_t duration_ms,
                       void (*on_due)(struct timer *))
{
    h2o_linklist_t *behind = timers->_odd.next;

    timer->_due_ms = monotonic_ms() + duration_ms;
    timer->_on_due = on_due;
    while (behind != &timers->_odd &&
           H2O_STRUCT_FROM_MEMBER(struct timer, _link, behind)->_due_ms <= timer->_due_ms)
        behind = behind->next;
    h2o_linklist_insert(behind, &timer->_link);
    arm(timers, timer->_due_ms);
}

void timer_stop(struct timer *timer)
{
    if (timer_is_waiting(timer))
        h2o_linklist_unlink(&timer->_link);
}

bool timer_is_waiting(const struct timer *timer)
{
    return timer->_link.next != NULL;
}

/* Returns the first timer of a list, or NULL. */
static struct timer *first(h2o_linklist_t *list)
{
    return h2o_linklist_is_empty(list) ? NULL
                                       : H2O_STRUCT_FROM_MEMBER(struct timer, _link, list->next);
}

/* Fires the timers of a list that are due. */
static void fire_due(h2o_linklist_t *list, uint64_t now)
{
    struct timer *timer;

    while ((timer = first(list)) != NULL && timer->_due_ms <= now) {
        h2o_linklist_unlink(&timer->_link);
        timer->_on_due(timer);
    }
}

/* Arms the timerfd for the first timer of a list. */
static void arm_for(struct timers *timers, h2o_linklist_t *list)
{
    struct timer *timer = first(list);

    if (timer != NULL)
        arm(timers, timer->_due_ms);
}

static struct timer_queue *queue_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct timer_queue, _link, link);
}

/* The timerfd has fired: fires the timers that are due, then arms it for the next one. */
static void on_timer_tick(h2o_socket_t *socket, const char *error)
{
    struct timers *timers = socket->data;
    uint64_t now = monotonic_ms(), ticks;
    h2o_linklist_t *link;

    (void)error;
    if (read(h2o_socket_get_fd(socket), &ticks, sizeof(ticks)) != sizeof(ticks))
        return; /* the timerfd was set again meanwhile */
    timers->_armed_ms = 0;
    fire_due(&timers->_odd, now);
    for (link = timers->_queues.next; link != &timers->_queues; link = link->next)
        fire_due(&queue_of(link)->_waiting, now);

    arm_for(timers, &timers->_odd);
    for (link = timers->_queues.next; link != &timers->_queues; link = link->next)
        arm_for(timers, &queue_of(link)->_waiting);
}
