#include "server/ops/sandbox.h"

#include "server/ops/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef PATHCOUNT_SANITIZED
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Calls that are allowed with any arguments. Found with strace during the tests of the pair and,
 * for calls that these do not reach, in the sources of glibc. */
static const int ALLOWED[] = {
    /* connections and the loop */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(epoll_create),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
    SCMP_SYS(listen), SCMP_SYS(pipe2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(select), SCMP_SYS(sendmmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(setsockopt), SCMP_SYS(shutdown), SCMP_SYS(signalfd4), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    /* descriptors, and existing files */
    SCMP_SYS(access), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(lseek),
    SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(pread64), SCMP_SYS(read), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(write),
    SCMP_SYS(writev),
    /* memory and threads */
    SCMP_SYS(brk), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(gettid),
    SCMP_SYS(madvise), SCMP_SYS(membarrier), SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    /* time, random numbers, ids of the process */
    SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(getegid),
    SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpid), SCMP_SYS(getrandom), SCMP_SYS(getrusage),
    SCMP_SYS(gettimeofday), SCMP_SYS(getuid), SCMP_SYS(nanosleep), SCMP_SYS(sysinfo),
    SCMP_SYS(time), SCMP_SYS(uname)};

static const int FAMILIES[] = {AF_INET, AF_INET6, AF_UNIX};

static void drop_capabilities(void);
static int filter_calls(void);
static int allow_with_arguments(scmp_filter_ctx filter);

void sandbox_memory(void)
{
    struct rlimit none = {0};

    if (SANITIZED)
        return;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void sandbox_enter(bool sandbox)
{
    int error;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    drop_capabilities();
    if (!sandbox || SANITIZED)
        return;
    error = filter_calls();
    if (error != 0)
        log_event(LOG_LEVEL_WARNING, "sandbox-missing", "error=%s", LOG_QUOTED(strerror(-error)));
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    /* It fails without CAP_SETPCAP. Then no-new-privileges already prevents new capabilities. */
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;)
        ++capability;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    syscall(SYS_capset, &header, none);
}

/* Returns 0 or a negative errno. */
static int filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int error;

    if (filter == NULL)
        return -ENOMEM;
    error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; error == 0 && i < sizeof(ALLOWED) / sizeof(ALLOWED[0]); ++i)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, ALLOWED[i], 0);
    if (error == 0)
        error = allow_with_arguments(filter);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

/* A condition: the masked bits of an argument have this value. */
#define BITS(argument, mask, value)                                                                \
    SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value))
#define EQUALS(argument, value) SCMP_CMP64(argument, SCMP_CMP_EQ, (scmp_datum_t)(value), 0)

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define NO_NAMESPACE                                                                               \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

/* Rules for the same call are alternatives. */
static int allow_with_arguments(scmp_filter_ctx filter)
{
    const struct {
        int call;
        unsigned count;
        struct scmp_arg_cmp arguments[2];
    } rules[] = {
        /* only for reading; neither creates nor truncates a file */
        {SCMP_SYS(open), 1, {BITS(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
        {SCMP_SYS(openat), 1, {BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}},
        /* executable only from a file: libraries that getaddrinfo and OpenSSL load */
        {SCMP_SYS(mmap), 1, {BITS(2, PROT_EXEC, 0)}},
        {SCMP_SYS(mmap),
         2,
         {BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC), BITS(3, MAP_ANONYMOUS, 0)}},
        {SCMP_SYS(mprotect), 1, {BITS(2, PROT_EXEC, 0)}},
        {SCMP_SYS(clone), 1, {BITS(0, THREAD | NO_NAMESPACE, THREAD)}},
        /* service_give_up, abort */
        {SCMP_SYS(kill), 1, {EQUALS(0, getpid())}},
        {SCMP_SYS(tgkill), 1, {EQUALS(0, getpid())}},
        /* limits can be read, as for the stack of a thread, but not set */
        {SCMP_SYS(prlimit64), 1, {EQUALS(2, 0)}},
        /* for the resolver: the number of readable bytes */
        {SCMP_SYS(ioctl), 1, {EQUALS(1, FIONREAD)}},
        /* for AI_ADDRCONFIG: the addresses of this host */
        {SCMP_SYS(socket), 2, {EQUALS(0, AF_NETLINK), EQUALS(2, 0)}},
    };
    int error = 0;

    for (size_t i = 0; error == 0 && i < sizeof(rules) / sizeof(rules[0]); ++i)
        error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].count,
                                       rules[i].arguments);
    /* Without a capability the kernel refuses SOCK_RAW. */
    for (size_t i = 0; error == 0 && i < sizeof(FAMILIES) / sizeof(FAMILIES[0]); ++i)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, EQUALS(0, FAMILIES[i]));
    /* A filter cannot see the flags of clone3, which are in memory. pthread_create falls back to
     * clone. */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return error;
}
