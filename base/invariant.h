/* Assertions about our own code, never about input. They stay on in every build: a program that
 * breaks one of its rules must not count another hit. Any thread. */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

/* Unless the condition holds, ends the program with SIGABRT, after a line with
 * event=invariant-violated on standard error. */
#define INVARIANT(condition)                                                                       \
    ((condition) ? (void)0 : invariant_violated(#condition, __FILE__, __LINE__))

__attribute__((noreturn, cold)) void invariant_violated(const char *condition, const char *file,
                                                        int line);

#endif
