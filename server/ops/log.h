/* The log: one line to standard error for each event, for people and for programs.
 *
 * A single write(2) writes a line, so lines of several threads never mix:
 *
 *     ts=2026-11-23T22:15:00.123Z level=info service=counter-svc event=listening port=8081
 *
 * or, with LOG_FORMAT_JSON:
 *
 *     {"ts":"2026-11-23T22:15:00.123Z","level":"info","service":"counter-svc",…,"port":8081}
 *
 * The code that notices a failure logs it, once. Callers never pass secrets to these functions.
 *
 * Rate limit: lines are of the same kind if they differ only in numbers, trace and request id. The
 * first line of a kind is written at once. Further ones are held back for up to LOG_INTERVAL_MS.
 * Then the last of them is written, with `repeated`, their number, and `for_s`, the seconds in
 * which they came. The number of events is the number of lines without `repeated`, plus the sum of
 * `repeated`. So an outage, or a client, cannot flood the log: each thread writes at most 2 ×
 * (LOG_KINDS + 1) lines in an interval. If there are more than LOG_KINDS kinds at a time, the
 * others count as one kind. Lines of the level debug are never held back.
 *
 * The module stores the arguments of log_init, and for each thread a table of the lines held back.
 * It takes no lock and allocates nothing.
 */
#ifndef SERVER_OPS_LOG_H
#define SERVER_OPS_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* An event without further pairs has "" as its format on purpose. */
#pragma GCC diagnostic ignored "-Wformat-zero-length"

#define LOG_INTERVAL_MS 10000
#define LOG_KINDS       32

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Sets the name of the service, the level and the format. Before the first call they are
 * "pathcount", info and text. Call it before any thread starts. `service` must be static. */
void log_init(const char *service, enum log_level level, enum log_format format);

/* Writes one line, or holds it back, if `level` is enabled. `event` is a fixed word, or several
 * with dashes. `format` must be static. It gives the further pairs (`"address=%s attempt=%u"`) and
 * may be "". Pass values with special characters through log_quote. Without it a control character
 * is written as `?`, so that an event is always one line. In JSON exactly the values that are
 * formatted as integers are numbers. A line has at most 2,048 bytes with its newline (4,096 as
 * JSON). A longer one is cut between characters and ends with `...` (with `"cut":true` in JSON).
 * Keeps errno, and `%m` in `format` is the caller's. Lines that cannot be written are lost. Any
 * thread.
 */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a line that is never held back. */
void log_each(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes the lines that this thread holds back if their interval is over, or all of them. Call it
 * at each turn of a loop, and with `all` at the end of a thread. Cheap while no line is due. */
void log_sum_up(bool all);

/* Returns whether lines of this level are written: to skip expensive preparations. */
int log_is_heard(enum log_level level);

/* Writes `text` into `buffer` as one value. Printable ASCII without space, quote, backslash and `=`
 * stays as it is. Any other text, also an empty one, is written in double quotes, with \" \\ \n \r
 * \t, and \xHH for other control characters. Bytes from 0x80 on stay (UTF-8). A value that does not
 * fit is cut between characters and ends with `..."`. A buffer of fewer than 6 bytes gets the empty
 * string. NULL is written as an empty text. `buffer_size` is at least 1. Returns `buffer`. */
const char *log_quote(const char *text, char *buffer, size_t buffer_size);

/* Quotes into an object on the stack, for the arguments of log_event. */
#define LOG_QUOTED(text) log_quote((text), (char[512]){0}, 512)

#endif
