/* render-svc: one lane object of render-svc/count/lane.c, with one hit per batch. */

#define REQUEST(c, r) counter[c].request[r]

/* A renderer waits for the answer to this request. */
#define IS_LIVE(c, r) (REQUEST(c, r).present && renderer[r].at == (c))

inline clear_request(c_, r_) {
    REQUEST(c_, r_).present = 0;
    REQUEST(c_, r_).opens = 0;
    REQUEST(c_, r_).lane = 0;
    REQUEST(c_, r_).sequence = 0;
    REQUEST(c_, r_).hit = 0;
    REQUEST(c_, r_).taken = 0;
#ifdef FAULT_ABSENCE_IS_PROOF
    REQUEST(c_, r_).lost = 0
#endif
}

/* on_batch_answered without an outcome: a 503, a lost answer, a timeout. The batch will be repeated.
 * A renderer that waited for a lane is finished, which bounds the number of lanes. */
inline on_no_answer(r_) {
    if
    :: renderer[r_].lane == NO_LANE -> renderer[r_].hit = HITS
    :: else -> renderer[r_].was_sent = 1
    fi;
    renderer[r_].at = NOBODY
}

/* on_batch_answered: a 200. Changes h, x and total. */
inline on_confirmed(c_, r_) {
    assert(renderer[r_].hit == REQUEST(c_, r_).hit);
    printf("  renderer %d: 200 for hit %d\n", r_, r_ * HITS + renderer[r_].hit);
    acknowledged[r_ * HITS + renderer[r_].hit] = 1;
#if RESTORES
    excused[r_ * HITS + renderer[r_].hit] = 0;
#endif
    renderer[r_].sequence++;
    renderer[r_].hit++;
    renderer[r_].was_sent = 0;
    renderer[r_].at = NOBODY;
    clear_request(c_, r_);
    check_ledger()
}

/* on_batch_answered: a 409. A batch that was never sent before moves to a new lane. A batch that may have
 * been applied is dropped. Changes x, last and e. */
inline on_conflict(c_, r_) {
    printf("  renderer %d: 409 for hit %d on lane %d; was sent before: %d\n", r_,
           r_ * HITS + renderer[r_].hit, renderer[r_].lane, renderer[r_].was_sent);
    check_conflict(REQUEST(c_, r_).lane, REQUEST(c_, r_).sequence);
#ifndef FAULT_MOVES_ALWAYS
    if
    :: renderer[r_].was_sent -> renderer[r_].hit++
    :: else
    fi;
#endif
    renderer[r_].was_sent = 0;
    if
    :: renderer[r_].moved -> renderer[r_].hit = HITS
    :: else -> renderer[r_].moved = 1
    fi;
    renderer[r_].lane = NO_LANE;
    renderer[r_].sequence = 0;
    renderer[r_].at = NOBODY;
    clear_request(c_, r_)
}

/* on_lane_opened */
inline on_opened(c_, r_) {
    renderer[r_].lane = RENDERERS + r_;
    printf("  renderer %d: lane %d\n", r_, renderer[r_].lane);
    renderer[r_].at = NOBODY;
    clear_request(c_, r_)
}

/* --- steps --- */

/* The renderer stops waiting: a timeout, a lost answer or a 503. The counter keeps the request. */
inline step_stop_waiting(r) {
    d_step {
        timeouts < TIMEOUTS && renderer[r].at != NOBODY && renderer[r].lane != NO_LANE ->
        timeouts++;
        printf("renderer %d: stops waiting for counter %d\n", r, renderer[r].at);
        on_no_answer(r);
        tidy()
    }
}
