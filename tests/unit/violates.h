/* Tests of invariants: a violation must end the process with SIGABRT, and print the condition.
 * Include it after cmocka.h. */
#ifndef TESTS_UNIT_VIOLATES_H
#define TESTS_UNIT_VIOLATES_H

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The maximum run time of the child, in seconds. */
#define VIOLATES_MAX_S 60

/* Lets signals end the child. cmocka's handlers would continue with the next test. */
static void restore_signals(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_DFL);
}

/* Runs `violate` in a child process. The violation of `condition`, or of one that contains it, must
 * end the child. */
static void assert_violates(void (*violate)(void), const char *condition)
{
    char said[1000] = "";
    int ends[2], status;
    ssize_t len;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        restore_signals();
        alarm(VIOLATES_MAX_S);
        dup2(ends[1], STDERR_FILENO);
        violate();
        _exit(0);
    }
    close(ends[1]);
    len = read(ends[0], said, sizeof(said) - 1);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_true(len > 0);
    assert_non_null(strstr(said, "event=invariant-violated at="));
    assert_non_null(strstr(said, condition));
}

#endif
