/* A wall clock that tests can set, preloaded into a service (LD_PRELOAD). The file that
 * PATHCOUNT_CLOCK names has the offset of CLOCK_REALTIME from the machine's clock, in seconds, as a
 * 64-bit integer. The monotonic clock and its timers do not change. (libfaketime 0.9.10 would not
 * do: it shifts the deadlines of timerfds on the monotonic clock, too.) */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *step_s;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

/* Maps the file. Later reads need no system call, which a sandbox could refuse. */
__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("PATHCOUNT_CLOCK");
    int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    void *found = dlsym(RTLD_NEXT, "clock_gettime"), *map = MAP_FAILED;

    memcpy(&real_clock_gettime, &found, sizeof(found));
    if (fd >= 0) {
        map = mmap(NULL, sizeof(*step_s), PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (map == MAP_FAILED || found == NULL)
        abort();
    step_s = map;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = real_clock_gettime(clock, now);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *step_s;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
        return -1;
    *now = (struct timeval){.tv_sec = exact.tv_sec, .tv_usec = exact.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *to)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (to != NULL)
        *to = now.tv_sec;
    return now.tv_sec;
}
