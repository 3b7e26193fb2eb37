/* Captures the bytes that code writes to standard output or standard error.
 *
 * No assertion may fail between begin and end: cmocka's message would be captured, too. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture {
    int fd;    /* that is captured */
    int saved; /* a duplicate of the original file */
    int into;
};

static inline void must(int holds, const char *what)
{
    if (!holds) {
        perror(what);
        abort();
    }
}

/* Redirects `fd` to `into`, which capture_end closes. */
static inline struct capture capture_begin_into(int fd, int into)
{
    struct capture c = {.fd = fd, .into = into};

    fflush(stdout);
    c.saved = dup(fd);
    must(c.saved >= 0 && into >= 0, "capture");
    must(dup2(into, fd) == fd, "dup2");
    return c;
}

/* Redirects `fd` to a file in memory. The file is open for appending: only then the kernel guards
 * the position, so that several threads can write. */
static inline struct capture capture_begin(int fd)
{
    int into = memfd_create("capture", MFD_CLOEXEC);

    must(into >= 0 && fcntl(into, F_SETFL, O_APPEND) == 0, "memfd_create");
    return capture_begin_into(fd, into);
}

/* Restores the descriptor. */
static inline void capture_restore(struct capture *c)
{
    fflush(stdout);
    must(dup2(c->saved, c->fd) == c->fd, "dup2");
    close(c->saved);
}

/* Restores the descriptor. Copies the captured text, with a NUL at its end. Returns its length. */
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
