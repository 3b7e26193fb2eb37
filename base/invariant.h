/* Assertions of the rules on which exactly-once counting rests. They stay on in every build: a program
 * that breaks one of its rules must not count another hit. Any thread. */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

/* Ends the program with SIGABRT unless the condition holds; names it on standard error. */
#define INVARIANT(condition)                                                                       \
    ((condition) ? (void)0 : invariant_violated(#condition, __FILE__, __LINE__))

__attribute__((noreturn, cold)) void invariant_violated(const char *condition, const char *file,
                                                        int line);

#endif
