#include "server/ops/log_private.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a write waits for a slow reader before lines are lost, in milliseconds. */
#define SLOW_READER_MS 1000

static const char cut_mark[] = "...";
static const char *const level_names[] = {"error", "warning", "info", "debug"};

static const char *log_service = "pathcount";
static enum log_level log_heard = LOG_LEVEL_INFO;
static enum log_format log_form = LOG_FORMAT_TEXT;

static size_t length_of(int wanted);
static size_t put_head(char *line, enum log_level level, const char *event);
static void format_now(char *buffer, size_t buffer_size);
static void civil_from_days(int64_t days, int64_t *year, int *month, int *day);
static size_t cut_before(const char *text, size_t length);
static bool has_room(void);
static void write_once(const char *line, size_t length);
void log_init(const char *service, enum log_level level, enum log_format format)
{
    log_service = service;
    log_heard = level;
    log_form = format;
}

int log_is_heard(enum log_level level)
{
    return level <= log_heard;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char pairs[LOG_LINE_BYTES];
    int kept = errno, wanted;
    va_list values;

    if (!log_is_heard(level))
        return;
    va_start(values, format);
    wanted = vsnprintf(pairs, sizeof(pairs), format, values);
    va_end(values);
    if (level == LOG_LEVEL_DEBUG || log_admit(level, event, format, pairs, length_of(wanted)))
        log_write(level, event, format, pairs, length_of(wanted));
    errno = kept;
}

void log_each(enum log_level level, const char *event, const char *format, ...)
{
    char pairs[LOG_LINE_BYTES];
    int kept = errno, wanted;
    va_list values;

    if (!log_is_heard(level))
        return;
    va_start(values, format);
    wanted = vsnprintf(pairs, sizeof(pairs), format, values);
    va_end(values);
    log_write(level, event, format, pairs, length_of(wanted));
    errno = kept;
}

/* Returns the length that snprintf has written. A longer text is cut. */
static size_t length_of(int wanted)
{
    if (wanted < 0)
        return 0;
    return wanted < LOG_LINE_BYTES ? (size_t)wanted : LOG_LINE_BYTES - 1;
}

void log_write(enum log_level level, const char *event, const char *format, const char *pairs,
               size_t pairs_len)
{
    char line[LOG_LINE_BYTES], json[LOG_JSON_BYTES];
    size_t length = put_head(line, level, event), limit = sizeof(line) - 1;
    bool cut = false;

    if (pairs_len != 0 && length < limit) {
        line[length++] = ' ';
        if (pairs_len > limit - length) {
            cut = true;
            pairs_len = limit - length;
        }
        memcpy(line + length, pairs, pairs_len);
        length += pairs_len;
    }
    if (cut) {
        length = cut_before(line, limit - (sizeof(cut_mark) - 1));
        memcpy(line + length, cut_mark, sizeof(cut_mark) - 1);
        length += sizeof(cut_mark) - 1;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    if (log_form == LOG_FORMAT_JSON) {
        length = log_to_json(line, length, format, cut, json, sizeof(json) - 1);
        json[length] = '\n';
        write_once(json, length + 1);
    } else {
        line[length] = '\n';
        write_once(line, length + 1);
    }
}

/* Writes the beginning of a line. It always fits: level and event are short, fixed words. */
static size_t put_head(char *line, enum log_level level, const char *event)
{
    char now[40];
    int wanted;

    format_now(now, sizeof(now));
    wanted = snprintf(line, LOG_LINE_BYTES, "ts=%s level=%s service=%s event=%s", now,
                      level_names[level], log_service, event);
    return wanted < 0 ? 0 : (size_t)wanted;
}

/* Writes the present time. Avoids gmtime_r, which locks the time zone in glibc even for UTC. */
static void format_now(char *buffer, size_t buffer_size)
{
    const int64_t day_s = 86400;
    struct timespec now;
    int64_t year, in_day;
    int month, day;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        now = (struct timespec){0};
    civil_from_days((int64_t)now.tv_sec / day_s, &year, &month, &day);
    in_day = (int64_t)now.tv_sec % day_s;
    snprintf(buffer, buffer_size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, month, day,
             (int)(in_day / 3600), (int)(in_day / 60 % 60), (int)(in_day % 60),
             (int)(now.tv_nsec / 1000000));
}

/* Computes the Gregorian date of a day from 1970-01-01 on. Years begin in March, so that the leap
 * day is the last day of its year. Source: Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms". */
static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = shifted / 146097;  /* of 400 years */
    int64_t in_era = shifted % 146097;
    int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * in_year + 2) / 153;

    *day = (int)(in_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

/* Returns the largest length up to `length` that does not end inside a UTF-8 sequence. */
static size_t cut_before(const char *text, size_t length)
{
    size_t cut = length;

    while (cut > 0 && length - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

/* Returns whether standard error has room. Waits up to SLOW_READER_MS for a slow reader. After one
 * such wait it does not wait again until there is room, because a loop must not block; lines are
 * lost until then. */
static bool has_room(void)
{
    static atomic_bool stuck;
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool any = poll(&room, 1, atomic_load(&stuck) ? 0 : SLOW_READER_MS) != 0;

    atomic_store(&stuck, !any);
    return any;
}

static void write_once(const char *line, size_t length)
{
    ssize_t written;

    if (!has_room())
        return;
    do {
        written = write(STDERR_FILENO, line, length);
    } while (written < 0 && errno == EINTR);
}
