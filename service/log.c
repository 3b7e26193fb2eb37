#include "service/log.h"

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

/* With its newline. Less than PIPE_BUF, so that a pipe takes a line whole or not at all. */
#define LINE_BYTES 2048

/* How long a reader may take before lines are lost. */
#define PATIENCE_MS 1000

static const char cut_mark[] = "...";
static const char *const level_names[] = {"error", "warning", "info", "debug"};

static const char *log_service = "pathcount";
static enum log_level log_heard = LOG_LEVEL_INFO;

static size_t put_head(char *line, enum log_level level, const char *event);
static void format_now(char *buffer, size_t buffer_size);
static void civil_from_days(int64_t days, int64_t *year, int *month, int *day);
static size_t cut_before(const char *text, size_t length);
static bool has_room(void);
static void write_once(const char *line, size_t length);
static bool is_plain(const char *text, size_t length);
static size_t quote_character(const char *text, char piece[8], size_t *taken);

void log_init(const char *service, enum log_level level)
{
    log_service = service;
    log_heard = level;
}

int log_is_heard(enum log_level level)
{
    return level <= log_heard;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char line[LINE_BYTES];
    size_t length, limit = sizeof(line) - 1;
    int kept = errno;

    if (!log_is_heard(level))
        return;
    length = put_head(line, level, event);
    if (format[0] != '\0' && length < limit) {
        va_list pairs;
        int wanted;

        line[length++] = ' ';
        va_start(pairs, format);
        errno = kept;
        wanted = vsnprintf(line + length, sizeof(line) - length, format, pairs);
        va_end(pairs);
        length += wanted < 0 ? 0 : (size_t)wanted;
    }
    if (length > limit) {
        length = cut_before(line, limit - (sizeof(cut_mark) - 1));
        memcpy(line + length, cut_mark, sizeof(cut_mark));
        length += sizeof(cut_mark) - 1;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[length] = '\n';
    write_once(line, length + 1);
    errno = kept;
}

/* Returns the length the head wants, which may be more than there is room for. */
static size_t put_head(char *line, enum log_level level, const char *event)
{
    char now[40];
    int wanted;

    format_now(now, sizeof(now));
    wanted = snprintf(line, LINE_BYTES, "ts=%s level=%s service=%s event=%s", now,
                      level_names[level], log_service, event);
    return wanted < 0 ? 0 : (size_t)wanted;
}

/* Not gmtime_r: glibc's takes the time zone's lock, for UTC too. */
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

/* The Gregorian date of a day that is not before 1970-01-01. Years are counted from March, so that
 * the leap day is the last of its year; after Howard Hinnant's "chrono-Compatible Low-Level Date
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

/* The largest length up to `length` that does not end inside a UTF-8 sequence. */
static size_t cut_before(const char *text, size_t length)
{
    size_t cut = length;

    while (cut > 0 && length - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

/* Waits for a slow reader, but not for one that does not read at all: its lines are lost, from the
 * first that had to wait for so long on, until there is room again. A loop must not stand still for
 * them. */
static bool has_room(void)
{
    static atomic_bool stuck;
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool any = poll(&room, 1, atomic_load(&stuck) ? 0 : PATIENCE_MS) != 0;

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

const char *log_quote(const char *text, char *buffer, size_t buffer_size)
{
    static const char cut_end[] = "...\"";
    size_t length, at = 0, fits = 1; /* `fits`: where a cut's end still has room */

    if (text == NULL)
        text = "";
    length = strlen(text);
    if (length < buffer_size && is_plain(text, length)) {
        memcpy(buffer, text, length + 1);
        return buffer;
    }
    buffer[0] = '\0';
    if (buffer_size < 1 + sizeof(cut_end))
        return buffer;
    buffer[at++] = '"';
    while (*text != '\0') {
        char piece[8];
        size_t taken, size = quote_character(text, piece, &taken);

        if (at + size + 2 > buffer_size) {
            memcpy(buffer + fits, cut_end, sizeof(cut_end));
            return buffer;
        }
        memcpy(buffer + at, piece, size);
        at += size;
        text += taken;
        if (at + sizeof(cut_end) <= buffer_size)
            fits = at;
    }
    buffer[at++] = '"';
    buffer[at] = '\0';
    return buffer;
}

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\=", text[i]) != NULL)
            return false;
    }
    return length > 0;
}

/* Writes the first character of `text` as it stands between quotes and returns its size; `taken` is
 * how many bytes of `text` it was. The bytes of a UTF-8 sequence stay together. */
static size_t quote_character(const char *text, char piece[8], size_t *taken)
{
    static const char named[] = "\"\\\n\r\t", names[] = "\"\\nrt";
    unsigned char first = (unsigned char)text[0];
    const char *name = strchr(named, text[0]);

    *taken = 1;
    if (name != NULL) {
        piece[0] = '\\';
        piece[1] = names[name - named];
        return 2;
    }
    if (first < 0x20 || first == 0x7f)
        return (size_t)snprintf(piece, 8, "\\x%02x", first);
    if (first >= 0xc0) {
        while (*taken < 4 && ((unsigned char)text[*taken] & 0xc0) == 0x80)
            (*taken)++;
    }
    memcpy(piece, text, *taken);
    return *taken;
}
