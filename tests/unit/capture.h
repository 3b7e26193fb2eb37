/* What a piece of code writes to standard output or standard error, as a string.
 *
 * Between begin and end no assertion may fail: cmocka's message would be captured, too. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture {
    int fd;    /* the one that is captured */
    int saved; /* where it led */
    int into;
};

static inline void must(int holds, const char *what)
{
    if (!holds) {
        perror(what);
        abort();
    }
}

/* Lets `fd` lead to `into`, which becomes the capture's to close. */
static inline struct capture capture_begin_into(int fd, int into)
{
    struct capture c = {.fd = fd, .into = into};

    fflush(stdout);
    c.saved = dup(fd);
    must(c.saved >= 0 && into >= 0, "capture");
    must(dup2(into, fd) == fd, "dup2");
    return c;
}

/* What several threads write is appended, each behind the other: the kernel guards the position in a
 * file in memory only then. */
static inline struct capture capture_begin(int fd)
{
    int into = memfd_create("capture", MFD_CLOEXEC);

    must(into >= 0 && fcntl(into, F_SETFL, O_APPEND) == 0, "memfd_create");
    return capture_begin_into(fd, into);
}

/* Lets the descriptor lead to where it did. */
static inline void capture_restore(struct capture *c)
{
    fflush(stdout);
    must(dup2(c->saved, c->fd) == c->fd, "dup2");
    close(c->saved);
}

/* Restores, and gives what was written, with a NUL behind it. Returns its length. */
static inline size_t capture_end(struct capture *c, char *text, size_t text_size)
{
    ssize_t got;

    capture_restore(c);
    got = pread(c->into, text, text_size - 1, 0);
    must(got >= 0, "pread");
    close(c->into);
    text[got] = '\0';
    return (size_t)got;
}

#endif
