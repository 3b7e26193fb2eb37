/* What a process in the sandbox can still do, and what ends it. A child makes each attempt. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "server/ops/sandbox.h"

/* Returns the wait status of a child that enters the sandbox and exits with the result of
 * `attempt`. */
static int status_of(bool sandbox, int (*attempt)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        sandbox_memory();
        sandbox_enter(sandbox);
        _exit(attempt());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_done(bool sandbox, int (*attempt)(void))
{
    int status = status_of(sandbox, attempt);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- in every build --- */

static int has_given_up_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {0};

    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || syscall(SYS_capget, &header, has) != 0)
        return 1;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i)
        if (has[i].effective != 0 || has[i].permitted != 0 || has[i].inheritable != 0)
            return 2;
    return 0;
}

static void there_are_no_privileges_and_no_way_to_get_any(void **state)
{
    (void)state;
    assert_done(false, has_given_up_privileges);
}

static int bounding_set_is_empty(void)
{
    for (unsigned long capability = 0; capability <= CAP_LAST_CAP; ++capability)
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
            return 1;
    return 0;
}

static void root_leaves_an_empty_bounding_set(void **state)
{
    (void)state;
    if (prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) != 1 || geteuid() != 0)
        return; /* only root may empty it */
    assert_done(false, bounding_set_is_empty);
}

static int look_up(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found;

    if (getaddrinfo("localhost", "1", &hints, &found) != 0)
        return 1;
    freeaddrinfo(found);
    return 0;
}

static void names_are_looked_up(void **state)
{
    (void)state;
    assert_done(true, look_up);
}

/* Grows a buffer to 64 MiB, so that its memory moves. */
static int memory_is_had_and_given_back(void)
{
    static const char KIBIBYTE[1024];
    struct buffer buffer = {0};

    while (buffer.len < sizeof(KIBIBYTE) << 16)
        buffer_add(&buffer, KIBIBYTE, sizeof(KIBIBYTE));
    buffer_free(&buffer);
    return 0;
}

static void memory_can_be_allocated(void **state)
{
    (void)state;
    assert_done(true, memory_is_had_and_given_back);
}

static void *in_thread(void *data)
{
    *(int *)data = look_up();
    return NULL;
}

static int work_in_a_thread(void)
{
    pthread_t thread;
    int result = 1;

    if (pthread_create(&thread, NULL, in_thread, &result) != 0)
        return 1;
    pthread_join(thread, NULL);
    return result;
}

static void threads_are_started_and_can_do_the_same(void **state)
{
    (void)state;
    assert_done(true, work_in_a_thread);
}

static int read_a_file(void)
{
    char byte;
    int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);

    return fd < 0 || read(fd, &byte, 1) != 1;
}

static void files_are_read(void **state)
{
    (void)state;
    assert_done(true, read_a_file);
}

#ifndef PATHCOUNT_SANITIZED

/* --- what ends the process --- */

static void assert_killed(int (*attempt)(void))
{
    int status = status_of(true, attempt);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int run_a_program(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static void no_program_is_run(void **state)
{
    (void)state;
    assert_done(false, run_a_program); /* the program runs without the filter */
    assert_killed(run_a_program);
}

static int fork_a_process(void)
{
    return fork() == -1;
}

static int make_a_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}

static void no_process_and_no_namespace_is_made(void **state)
{
    (void)state;
    assert_killed(fork_a_process);
    assert_killed(make_a_namespace);
}

static int trace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int look_into_another(void)
{
    char here, *there = &here;
    struct iovec into = {&here, 1}, from = {there, 1};

    return (int)process_vm_readv(getppid(), &into, 1, &from, 1, 0);
}

static int signal_another(void)
{
    return kill(getppid(), 0);
}

static void no_other_process_is_touched(void **state)
{
    (void)state;
    assert_killed(trace);
    assert_killed(look_into_another);
    assert_killed(signal_another);
}

static int write_a_file(void)
{
    return open("/dev/null", O_WRONLY | O_CLOEXEC) < 0;
}

static int make_a_file(void)
{
    return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0;
}

static int cut_a_file(void)
{
    return open("/dev/null", O_RDONLY | O_TRUNC | O_CLOEXEC) < 0;
}

static int remove_a_file(void)
{
    return unlink("/nonexistent/file");
}

static int make_a_file_in_memory(void)
{
    return memfd_create("x", MFD_CLOEXEC) < 0;
}

static void no_file_is_written_made_or_removed(void **state)
{
    (void)state;
    assert_killed(write_a_file);
    assert_killed(make_a_file);
    assert_killed(cut_a_file);
    assert_killed(remove_a_file);
    assert_killed(make_a_file_in_memory);
}

static int open_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_DGRAM, 0) < 0;
}

static int open_other_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 15 /* NETLINK_KOBJECT_UEVENT */) < 0;
}

static void no_other_kind_of_socket_is_opened(void **state)
{
    (void)state;
    assert_killed(open_packet_socket);
    assert_killed(open_other_netlink);
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
}

static int turn_data_into_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void no_memory_becomes_code(void **state)
{
    (void)state;
    assert_killed(map_code);
    assert_killed(turn_data_into_code);
}

static int raise_a_limit(void)
{
    struct rlimit none = {0};

    return setrlimit(RLIMIT_CORE, &none);
}

static int become_dumpable_again(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void limits_and_dumpability_cannot_be_restored(void **state)
{
    (void)state;
    assert_killed(raise_a_limit);
    assert_killed(become_dumpable_again);
}

static void *run_in_thread(void *data)
{
    (void)data;
    run_a_program();
    return NULL;
}

static int run_a_program_in_a_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    return 0;
}

static void a_thread_takes_the_whole_process_with_it(void **state)
{
    (void)state;
    assert_killed(run_a_program_in_a_thread);
}

/* --- what stays inside --- */

static int crash(void)
{
    signal(SIGSEGV, SIG_DFL); /* instead of cmocka's handler */
    raise(SIGSEGV);
    return 0;
}

static void a_crash_leaves_no_core(void **state)
{
    struct rlimit before, all;
    int status;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    all = (struct rlimit){before.rlim_max, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_CORE, &all), 0);
    status = status_of(true, crash);
    assert_int_equal(setrlimit(RLIMIT_CORE, &before), 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_false(WCOREDUMP(status));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_no_privileges_and_no_way_to_get_any),
        cmocka_unit_test(root_leaves_an_empty_bounding_set),
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(memory_can_be_allocated),
        cmocka_unit_test(threads_are_started_and_can_do_the_same),
        cmocka_unit_test(files_are_read),
#ifndef PATHCOUNT_SANITIZED
        cmocka_unit_test(no_program_is_run),
        cmocka_unit_test(no_process_and_no_namespace_is_made),
        cmocka_unit_test(no_other_process_is_touched),
        cmocka_unit_test(no_file_is_written_made_or_removed),
        cmocka_unit_test(no_other_kind_of_socket_is_opened),
        cmocka_unit_test(no_memory_becomes_code),
        cmocka_unit_test(limits_and_dumpability_cannot_be_restored),
        cmocka_unit_test(a_thread_takes_the_whole_process_with_it),
        cmocka_unit_test(a_crash_leaves_no_core),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
