/* One line to standard error for each event worth telling, for people and for machines.
 *
 * A line looks like this, and is written by a single write(2), so that lines of several threads
 * never mix:
 *
 *     ts=2026-11-23T22:15:00.123Z level=info service=counter-svc event=listening port=8081
 *
 * or, with LOG_FORMAT_JSON, like this:
 *
 *     {"ts":"2026-11-23T22:15:00.123Z","level":"info","service":"counter-svc",…,"port":8081}
 *
 * A failure is logged once, where it is noticed. Secrets are never passed to these functions.
 *
 * A line that is as one before, but for its numbers, its trace and its request id, is held back for
 * up to LOG_INTERVAL_MS and counted; then the last of them is written, with `repeated`, how many they
 * were, and `for_s`, in how many seconds. So the lines without `repeated` and the sum of `repeated`
 * are how often it happened, and nothing that an outage, or somebody from outside, repeats a thousand
 * times makes a thousand lines: of each thread there are at most 2 × (LOG_KINDS + 1) in an interval.
 * What is of more kinds than LOG_KINDS at a time counts as of one kind.
 * Lines of the level debug are never held back.
 *
 * The module owns nothing but what log_init was told, and each thread's table of what it holds back.
 * It takes no lock and allocates nothing.
 */
#ifndef SERVER_OPS_LOG_H
#define SERVER_OPS_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* An event without further pairs has "" as its format, which is right here and in no way a slip. */
#pragma GCC diagnostic ignored "-Wformat-zero-length"

#define LOG_INTERVAL_MS 10000
#define LOG_KINDS       32

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Sets who speaks, how much of it is heard, and in which form. Before the first call the level is
 * info, the format text and the service "pathcount". Call it before any thread is started;
 * `service` must outlive the process. */
void log_init(const char *service, enum log_level level, enum log_format format);

/* Writes one line if `level` is heard, or holds it back. `event` is a fixed word or
 * words-with-dashes; `format`, which must outlive the thread, gives the further pairs
 * (`"address=%s attempt=%u"`) and may be "". Values that can hold anything but plain characters go
 * through log_quote; a control character that comes without it is written as `?`, so that an event is
 * one line in any case. What is formatted as a whole number, and nothing else, is a number in JSON.
 * A line is at most 2,048 bytes with its newline (4,096 as JSON); a longer one is cut, between
 * characters, with `...` at its end (and `"cut":true` in JSON). Any thread; errno is kept, and `%m`
 * in `format` means the caller's. What cannot be written is lost: there is nobody to tell.
 */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a line that is never held back: of which each is worth having. */
void log_each(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes what this thread holds back if its interval is over, or all of it. Costs next to nothing
 * while there is nothing to do: call it at each turn of a loop, and with `all` at a thread's end. */
void log_sum_up(bool all);

/* Whether a line of this level would be written: for what is costly to put together. */
int log_is_heard(enum log_level level);

/* Writes `text` into `buffer` so that it is one value: as it is when it holds only printable ASCII
 * without space, quote, backslash and `=`, otherwise (and when it is empty) in double quotes with
 * \" \\ \n \r \t and \xHH for other control characters (bytes from 0x80 on are kept: UTF-8). A
 * value that does not fit is cut, between characters, ending in `..."`; a buffer of fewer than 6
 * bytes, too small even for that, gets the empty string. NULL is written as an empty text.
 * `buffer_size` is at least 1. Returns `buffer`. */
const char *log_quote(const char *text, char *buffer, size_t buffer_size);

/* An object on the stack to quote into, for use right inside the arguments of log_event. */
#define LOG_QUOTED(text) log_quote((text), (char[512]){0}, 512)

#endif
