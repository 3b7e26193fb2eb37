/* The processes. A process is a choice between steps, each of which is atomic; nothing but the
 * global variables is remembered between two steps. */

proctype Render_svc(byte r) {
end:
    do
    :: step_receive(0, r)
#if COUNTERS > 1
    :: step_receive(1, r)
#endif
    :: step_stop_waiting(r)
    od
}

proctype Counter_svc(byte c) {
end:
    do
    :: step_connect(c, PRIMARY)
    :: step_append(c, 0)
#if FAILOVERS
    :: step_connect(c, STANDBY)
#endif
#if RENDERERS > 1
    :: step_append(c, 1)
#endif
#if FORGETS
    :: step_forget(c, 0)
#endif
#if LOSSES
    :: step_lose_connection(c)
#endif
#if KILLS
    :: step_kill(c)
#endif
#ifdef FAULT_CONFLICT_BY_READ
    :: step_read(c, 0)
#endif
    od
}

proctype PostgreSQL() {
end:
    do
    :: step_execute(0)
    :: step_execute_zombie(0)
#if COUNTERS > 1
    :: step_execute(1)
    :: step_execute_zombie(1)
#endif
#if FOLDS
    :: step_fold(PRIMARY, image[PRIMARY].checkpoint + 1)
    :: step_fold(PRIMARY, VISIBLE(PRIMARY))
    :: step_clear(PRIMARY)
#if FAILOVERS
    :: step_fold(STANDBY, VISIBLE(STANDBY))
    :: step_clear(STANDBY)
#endif
#if FOLDS == 2
    :: step_begin_fold()
    :: step_end_fold()
#endif
#endif
#if CRASHES
    :: step_flush()
    :: step_crash()
    :: step_commit_and_crash(0)
#if COUNTERS > 1
    :: step_commit_and_crash(1)
#endif
#endif
#if FAILOVERS
    :: step_replicate()
    :: step_acknowledge()
    :: step_cancel_wait()
    :: step_promote()
    :: step_stop_old_primary()
#endif
#if RESTORES
    :: step_back_up()
    :: step_restore()
#endif
    od
}

init {
    d_step {
        for (i : 0 .. IMAGES - 1) {
            image[i].log[0] = ENTRY(1, EMPTY, 0, 0, 0);
            for (l : (NO_LANES_YET -> 0 : RENDERERS) .. LANES - 1) {
                image[i].lane[l] = UNKNOWN
            }
        }
        for (i : 0 .. COUNTERS - 1) {
            counter[i].server = NOWHERE;
            zombie[i].server = NOWHERE
        }
        for (i : 0 .. RENDERERS - 1) {
            renderer[i].lane = (NO_LANES_YET -> NO_LANE : i);
            renderer[i].moved = NO_LANES_YET;
            renderer[i].at = NOBODY
        }
        tidy()
    }
    atomic {
        run Render_svc(0);
#if RENDERERS > 1
        run Render_svc(1);
#endif
        run Counter_svc(0);
#if COUNTERS > 1
        run Counter_svc(1);
#endif
        run PostgreSQL()
    }
}
