#include "server/limits.h"

#include "server/ops/log.h"

#include <h2o.h>
#include <sched.h>
#include <sys/resource.h>

/* File descriptors that are reserved for listeners, loops, PostgreSQL and counter-svc. Clients get
 * the rest. */
#define RESERVED_FILES            32
#define RESERVED_FILES_PER_WORKER 32

/* Maximum of concurrent name look-ups: a dead name server must not delay the look-ups of other
 * names. */
#define MAX_LOOK_UPS 8

void limits_set(struct service_config *settings)
{
    int64_t reserve = RESERVED_FILES + RESERVED_FILES_PER_WORKER * settings->workers;
    struct rlimit files;

    h2o_hostinfo_max_threads = MAX_LOOK_UPS;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
        settings->max_connections > (int64_t)files.rlim_cur - reserve) {
        settings->max_connections =
            (int64_t)files.rlim_cur > 2 * reserve ? (int64_t)files.rlim_cur - reserve : reserve;
        log_event(LOG_LEVEL_WARNING, "fewer-connections", "max_connections=%lld descriptors=%llu",
                  (long long)settings->max_connections, (unsigned long long)files.rlim_cur);
    }
}

int64_t limits_cores(void)
{
    cpu_set_t cores;

    if (sched_getaffinity(0, sizeof(cores), &cores) != 0 || CPU_COUNT(&cores) < 1)
        return 1;
    return CPU_COUNT(&cores);
}
