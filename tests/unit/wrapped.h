/* Functions that tests replace (the linker's --wrap, WRAPPED in the Makefile): calls to
 * counter-svc, timers, and functions at the end of a turn of the loop. Each has the type of the
 * original. */
#ifndef TESTS_UNIT_WRAPPED_H
#define TESTS_UNIT_WRAPPED_H

#include "render-svc/count/counter_client.h"
#include "server/loop/worker.h"

__typeof__(counter_call) __wrap_counter_call;
__typeof__(counter_call_cancel) __wrap_counter_call_cancel;
__typeof__(timer_start_after) __wrap_timer_start_after;
__typeof__(timer_stop) __wrap_timer_stop;
__typeof__(timer_is_waiting) __wrap_timer_is_waiting;
__typeof__(jitter) __wrap_jitter;
__typeof__(worker_defer) __wrap_worker_defer;
__typeof__(deferred_cancel) __wrap_deferred_cancel;

#endif
