/* One line of key=value to standard error for each event worth telling.
 *
 * A line looks like this, and is written by a single write(2), so that lines of several threads
 * never mix:
 *
 *     ts=2026-11-23T22:15:00.123Z level=info service=counter-svc event=listening port=8081
 *
 * A failure is logged once, where it is noticed. Secrets are never passed to these functions.
 *
 * The module owns nothing but what log_init was told. It takes no lock and allocates nothing.
 */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

#include <stddef.h>

/* An event without further pairs has "" as its format, which is right here and in no way a slip. */
#pragma GCC diagnostic ignored "-Wformat-zero-length"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Sets who speaks and how much of it is heard. Before the first call the level is info and the
 * service is "pathcount". Call it before any thread is started; `service` must outlive the process.
 */
void log_init(const char *service, enum log_level level);

/* Writes one line if `level` is heard. `event` is a fixed word or words-with-dashes; `format` gives
 * the further pairs (`"address=%s attempt=%u"`) and may be "". Values that can hold anything but
 * plain characters go through log_quote; a control character that comes without it is written as
 * `?`, so that an event is one line in any case. A line is at most 2,048 bytes with its newline;
 * a longer one is cut, between characters, with `...` at its end. Any thread; errno is kept, and
 * `%m` in `format` means the caller's. What cannot be written is lost: there is nobody to tell.
 */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

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
