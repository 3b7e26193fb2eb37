/* Calls that fail when a test wants them to; loaded before the C library (LD_PRELOAD), never linked.
 *
 * PATHCOUNT_FAILING names them: FUNCTION:FIRST-LAST:NUMBER, several with spaces between. The calls of
 * FUNCTION from the FIRST to the LAST that the process makes fail with this errno, or what getaddrinfo
 * and pthread_create return; all others are the C library's. With /STEP behind it, only every so many of
 * them. `malloc` is calloc and realloc, too. Any thread.
 *
 * PATHCOUNT_HOSTS is a file of numeric addresses, with white space between: what getaddrinfo finds for the
 * name `counters.test`, in this order. It is read at every call, so a test can change it.
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
    unsigned long first, last, step; /* 0: none fails */
    int number;
} functions[N_FUNCTIONS];

/* Reads what shall fail. */
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

/* The C library's own, which other libraries may call before prepare has run. */
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

/* Calls the C library's function of the type of `function`. */
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

/* Finds the addresses that a file has. glibc frees a list of them one by one, so lists can be joined. */
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

#ifndef PATHCOUNT_SANITIZED /* a sanitizer brings its own */
/* By these names, as dlsym itself allocates. */
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
