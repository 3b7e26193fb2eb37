/* If memory cannot be allocated, the process ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"

static volatile size_t too_much = PTRDIFF_MAX - 4096;

static void assert_ends_the_process(void *(*take)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        signal(SIGABRT, SIG_DFL);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        _exit(take() == NULL ? 2 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void *allocate(void)
{
    return memory_allocate(too_much, 1);
}

static void *resize(void)
{
    return memory_resize(memory_allocate(1, 1), too_much);
}

static void *take_for_json(void)
{
    json_malloc_t allocate_json;
    json_free_t free_json;

    json_get_alloc_funcs(&allocate_json, &free_json);
    return allocate_json(too_much);
}

static void a_failed_allocation_ends_the_process(void **state)
{
    (void)state;
    assert_ends_the_process(allocate);
    assert_ends_the_process(resize);
}

static void a_failed_allocation_for_json_ends_the_process(void **state)
{
    const char *error;

    (void)state;
    assert_null(json_load_object("[]", 2, &error));
    assert_ends_the_process(take_for_json);
}

static void memory_is_zeroed_and_a_size_of_zero_is_allowed(void **state)
{
    unsigned char *room = memory_allocate(3, 40), *none = memory_allocate(0, 40);

    (void)state;
    for (size_t i = 0; i < (size_t)3 * 40; ++i)
        assert_int_equal(room[i], 0);
    assert_non_null(none);
    free(room);
    free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_ends_the_process),
        cmocka_unit_test(a_failed_allocation_for_json_ends_the_process),
        cmocka_unit_test(memory_is_zeroed_and_a_size_of_zero_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
