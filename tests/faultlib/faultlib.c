/* Calls that fail on demand, preloaded into a service (LD_PRELOAD). Any thread.
 *
 * PATHCOUNT_FAILING lists the failures, separated by spaces: FUNCTION:FIRST-LAST:NUMBER[/STEP]. The
 * calls of FUNCTION from number FIRST to number LAST of the process fail. With STEP, only every
 * STEP-th of them fails. NUMBER is the errno; getaddrinfo and pthread_create return it. Other calls
 * go to the C library. `malloc` includes calloc and realloc.
 *
 * PATHCOUNT_HOSTS names a file of numeric addresses, separated by white space. getaddrinfo returns
 * them for the name `counters.test`, in this order. It reads the file at each call, so a test can
 * change it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum function {
    ACCEPT4,
    BIND,
    CONNECT,
    EPOLL_CREATE,
    EVENTFD,
    GETADDRINFO,
    GETRANDOM,
    LISTEN,
    MALLOC,
    PTHREAD_CREATE,
    RAND_STATUS,
    SIGNALFD,
    SOCKET,
    TIMERFD_CREATE,
    N_FUNCTIONS
};

static const char *const NAMES[] = {"accept4", "bind",           "connect",     "epoll_create",
                                    "eventfd", "getaddrinfo",    "getrandom",   "listen",
                                    "malloc",  "pthread_create", "RAND_status", "signalfd",
                                    "socket",  "timerfd_create"};

static struct {
    _Atomic(void *) real;
    atomic_ulong calls;
    unsigned long first, last, step; /* all 0: no call fails */
    int number;
} functions[N_FUNCTIONS];

/* Reads PATHCOUNT_FAILING. */
__attribute__((constructor)) static void prepare(void)
{
    const char *wanted = getenv("PATHCOUNT_FAILING");

    for (size_t i = 0; i < N_FUNCTIONS; ++i) {
        size_t len = strlen(NAMES[i]);
        for (const char *at = wanted; at != NULL; at = strchr(at, ' ')) {
            at += *at == ' ';
            if (strncmp(at, NAMES[i], len) == 0 &&
                sscanf(at + len, ":%lu-%lu:%d/%lu", &functions[i].first, &functions[i].last,
                       &functions[i].number, &functions[i].step) < 3)
                abort();
        }
    }
}

/* Returns the C library's function. Other libraries may need it before prepare has run. */
static void *real(enum function which)
{
    if (atomic_load(&functions[which].real) == NULL)
        atomic_store(&functions[which].real, dlsym(RTLD_NEXT, NAMES[which]));
    return atomic_load(&functions[which].real);
}

static bool fails(enum function which)
{
    unsigned long call = atomic_fetch_add(&functions[which].calls, 1) + 1;

    if (call < functions[which].first || call > functions[which].last)
        return false;
    if (functions[which].step != 0 && (call - functions[which].first) % functions[which].step != 0)
        return false;
    errno = functions[which].number;
    return true;
}

/* The C library's function, with the type of `function`. */
#define REAL(which, function) ((__typeof__(&(function)))real(which))

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return fails(ACCEPT4) ? -1 : REAL(ACCEPT4, accept4)(fd, address, len, flags);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return fails(BIND) ? -1 : REAL(BIND, bind)(fd, address, len);
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return fails(CONNECT) ? -1 : REAL(CONNECT, connect)(fd, address, len);
}

int epoll_create(int size)
{
    return fails(EPOLL_CREATE) ? -1 : REAL(EPOLL_CREATE, epoll_create)(size);
}

int eventfd(unsigned count, int flags)
{
    return fails(EVENTFD) ? -1 : REAL(EVENTFD, eventfd)(count, flags);
}

/* Returns the addresses in a file as one list. Lists can be joined, because glibc frees their items
 * one by one. */
static int find_hosts(const char *file, const char *port, const struct addrinfo *hints,
                      struct addrinfo **found)
{
    FILE *hosts = fopen(file, "re");
    struct addrinfo **end = found;
    int error = hosts == NULL ? EAI_AGAIN : 0;
    char host[64];

    *found = NULL;
    while (error == 0 && fscanf(hosts, "%63s", host) == 1) {
        error = REAL(GETADDRINFO, getaddrinfo)(host, port, hints, end);
        while (error == 0 && *end != NULL)
            end = &(*end)->ai_next;
    }
    if (hosts != NULL)
        fclose(hosts);
    if (error == 0 && *found == NULL)
        error = EAI_NONAME;
    if (error != 0 && end != found) {
        *end = NULL;
        freeaddrinfo(*found);
    }
    return error;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **found)
{
    const char *file = getenv("PATHCOUNT_HOSTS");

    if (fails(GETADDRINFO))
        return functions[GETADDRINFO].number;
    if (file != NULL && strcmp(host, "counters.test") == 0)
        return find_hosts(file, port, hints, found);
    return REAL(GETADDRINFO, getaddrinfo)(host, port, hints, found);
}

ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
    return fails(GETRANDOM) ? -1 : REAL(GETRANDOM, getrandom)(bytes, len, flags);
}

int listen(int fd, int backlog)
{
    return fails(LISTEN) ? -1 : REAL(LISTEN, listen)(fd, backlog);
}

#ifndef PATHCOUNT_SANITIZED /* a sanitizer has its own malloc */
/* glibc's own names. dlsym cannot look these functions up, because it calls them itself. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
    return fails(MALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_realloc(p, size);
}

#endif

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *data)
{
    return fails(PTHREAD_CREATE)
               ? functions[PTHREAD_CREATE].number
               : REAL(PTHREAD_CREATE, pthread_create)(thread, attributes, run, data);
}

int RAND_status(void)
{
    return fails(RAND_STATUS) ? 0 : REAL(RAND_STATUS, RAND_status)();
}

int signalfd(int fd, const sigset_t *set, int flags)
{
    return fails(SIGNALFD) ? -1 : REAL(SIGNALFD, signalfd)(fd, set, flags);
}

int socket(int domain, int type, int protocol)
{
    return fails(SOCKET) ? -1 : REAL(SOCKET, socket)(domain, type, protocol);
}

int timerfd_create(int clock, int flags)
{
    return fails(TIMERFD_CREATE) ? -1 : REAL(TIMERFD_CREATE, timerfd_create)(clock, flags);
}
