/* The benchmark's own client. It does what wrk cannot do: it keeps to a rate, counts the requests
 * that it sent and those that were acknowledged for each path, ends with no request in flight, and
 * holds idle connections. It uses one thread and one epoll instance. The result is one line of JSON
 * on stdout. `client --help` lists the options.
 *
 * The latency of a request begins when the request is due, not when it is sent. Otherwise a server
 * that stalls would hide the latency of the requests that it delayed. The time from sending to the
 * answer is reported separately, also for refused requests. The longest gap is the longest time
 * without any answer. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 4096
#define SECOND_NS  INT64_C(1000000000)

/* The deadline of all answers, after the last request is sent. */
#define DRAIN_NS (10 * SECOND_NS)

/* With --idle: the maximum of connections that are being opened, each with its one request in
 * flight, and the number of connections from each of the addresses 127.0.1.x. Each address has its
 * own ports. */
#define OPENING_AT_A_TIME      256
#define CONNECTIONS_AN_ADDRESS 4000

/* A connection is idle until `due_ns`, or waits for an answer. */
struct connection {
    int fd;
    bool waits;
    int64_t due_ns, sent_ns;
    uint32_t path;
    size_t head_len;
    int64_t body_left; /* -1 until the head is complete */
    bool is_ok, has_retry_after;
    char head[HEAD_BYTES];
};

static struct {
    struct sockaddr_in address;
    const char *form; /* the headers of each request */
    uint32_t connections, paths, stride;
    double seconds, rate; /* rate 0: each request follows the last answer */
    uint64_t seed;
    bool idle;
    const char *counts;
} options = {.connections = 1, .paths = 1, .stride = 1, .seconds = 1};

static struct connection *connections;
static int epoll;
static uint32_t n_waiting;
static uint32_t *sent, *acknowledged; /* for each path; in the file of --counts */
static uint64_t n_ok, n_refused, n_without_retry_after;

/* Times in microseconds, one for each answer. */
struct times {
    uint32_t *us;
    size_t len, size;
};

static struct times latencies, answers, refusals; /* the last two begin when the request is sent */

static int64_t last_answer_ns, longest_gap_ns; /* the first gap begins with the start */

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("client: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Returns a random number, by xorshift64*. It chooses paths; it is not for secrets. */
static uint64_t chance(void)
{
    options.seed ^= options.seed >> 12;
    options.seed ^= options.seed << 25;
    options.seed ^= options.seed >> 27;
    return options.seed * UINT64_C(2685821657736338717);
}

/* --- a request --- */

static void connection_open(struct connection *connection, uint32_t number)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int on = 1;

    from.sin_addr.s_addr = htonl(0x7f000101 + number / CONNECTIONS_AN_ADDRESS);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        fail("no socket for connection %u: %s", number, strerror(errno));
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(connection->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(connection->fd, (struct sockaddr *)&options.address, sizeof(options.address)) !=
            0 ||
        fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail("connection %u: %s", number, strerror(errno));
}

static void send_request(struct connection *connection)
{
    char request[512];
    int len;

    connection->path = (uint32_t)(chance() >> 32) % options.paths;
    len = snprintf(request, sizeof(request), "GET /bench/%07" PRIu32 " HTTP/1.1\r\n%s\r\n",
                   connection->path * options.stride, options.form);
    ++sent[connection->path];
    if (send(connection->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        fail("a request could not be sent: %s", strerror(errno));
    connection->waits = true;
    connection->sent_ns = now_ns();
    connection->head_len = 0;
    connection->body_left = -1;
    ++n_waiting;
}

static void times_add(struct times *times, int64_t ns)
{
    if (times->len == times->size) {
        times->size = times->size == 0 ? 65536 : 2 * times->size;
        times->us = reallocarray(times->us, times->size, sizeof(*times->us));
        if (times->us == NULL)
            fail("no memory");
    }
    times->us[times->len++] = (uint32_t)(ns / 1000);
}

static void on_answer(struct connection *connection)
{
    int64_t now = now_ns();

    connection->waits = false;
    --n_waiting;
    if (now - last_answer_ns > longest_gap_ns)
        longest_gap_ns = now - last_answer_ns;
    last_answer_ns = now;
    if (!connection->is_ok) {
        ++n_refused;
        n_without_retry_after += !connection->has_retry_after;
        times_add(&refusals, now - connection->sent_ns);
    } else {
        ++n_ok;
        ++acknowledged[connection->path];
        times_add(&latencies, now - connection->due_ns);
        times_add(&answers, now - connection->sent_ns);
    }
    if (options.rate > 0)
        connection->due_ns += (int64_t)(SECOND_NS * (options.connections / options.rate));
    else
        connection->due_ns = now;
}

/* Appends bytes to the head. Returns how many of them belong to the body. */
static size_t take_head(struct connection *connection, const char *bytes, size_t len)
{
    size_t before = connection->head_len, taken;
    const char *end, *length;

    taken = len < HEAD_BYTES - 1 - before ? len : HEAD_BYTES - 1 - before;
    memcpy(connection->head + before, bytes, taken);
    connection->head[before + taken] = '\0';
    connection->head_len += taken;
    end = strstr(connection->head, "\r\n\r\n");
    if (end == NULL) {
        if (connection->head_len == HEAD_BYTES - 1)
            fail("an answer's head is too long");
        return 0;
    }
    connection->is_ok = strncmp(connection->head, "HTTP/1.1 200 ", 13) == 0;
    connection->has_retry_after = strcasestr(connection->head, "\r\nretry-after:") != NULL;
    length = strcasestr(connection->head, "\r\ncontent-length:");
    if (length == NULL || length > end)
        fail("an answer has no Content-Length");
    connection->body_left = strtoll(length + strlen("\r\ncontent-length:"), NULL, 10);
    return len - ((size_t)(end - connection->head) + 4 - before);
}

static void on_readable(struct connection *connection)
{
    static char bytes[65536];
    ssize_t len = recv(connection->fd, bytes, sizeof(bytes), 0);
    size_t body;

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0)
        fail("a connection was lost: %s", len == 0 ? "closed" : strerror(errno));
    if (!connection->waits)
        fail("an answer without a request");
    body = connection->body_left < 0 ? take_head(connection, bytes, (size_t)len) : (size_t)len;
    if (connection->body_left < 0)
        return;
    if ((int64_t)body > connection->body_left)
        fail("an answer is longer than it says");
    connection->body_left -= (int64_t)body;
    if (connection->body_left == 0)
        on_answer(connection);
}

/* Waits for answers, until `until_ns` at most, and reads those that have arrived. */
static void receive(int64_t until_ns)
{
    struct epoll_event events[256];
    int64_t wait_ns = until_ns - now_ns();
    struct timespec wait = {0};
    int count;

    if (wait_ns > 0)
        wait = (struct timespec){wait_ns / SECOND_NS, wait_ns % SECOND_NS};
    count = epoll_pwait2(epoll, events, sizeof(events) / sizeof(events[0]), &wait, NULL);
    if (count < 0 && errno != EINTR)
        fail("epoll: %s", strerror(errno));
    for (int i = 0; i < count; ++i)
        on_readable(events[i].data.ptr);
}

static void drain(void)
{
    int64_t deadline = now_ns() + DRAIN_NS;

    while (n_waiting > 0) {
        if (now_ns() > deadline)
            fail("%" PRIu32 " requests were not answered", n_waiting);
        receive(deadline);
    }
}

/* --- load, or idle connections --- */

/* Sends the requests that are due. Returns when the next one is due. */
static int64_t send_due(int64_t now, int64_t end_ns)
{
    int64_t next = end_ns;

    for (uint32_t i = 0; i < options.connections; ++i) {
        struct connection *connection = &connections[i];
        if (connection->waits)
            continue;
        if (connection->due_ns <= now)
            send_request(connection);
        else if (connection->due_ns < next)
            next = connection->due_ns;
    }
    return next;
}

static void hit_for_a_while(void)
{
    int64_t start, end_ns, now;

    for (uint32_t i = 0; i < options.connections; ++i)
        connection_open(&connections[i], i);
    start = last_answer_ns = now_ns();
    end_ns = start + (int64_t)(options.seconds * SECOND_NS);
    for (uint32_t i = 0; i < options.connections; ++i) {
        double phase = (double)(chance() >> 11) / (double)(UINT64_C(1) << 53);
        connections[i].due_ns =
            start + (options.rate > 0
                         ? (int64_t)(phase * SECOND_NS * (options.connections / options.rate))
                         : 0);
    }
    while ((now = now_ns()) < end_ns)
        receive(send_due(now, end_ns));
    drain();
}

/* Opens connections, waits for one answer on each, and holds them until stdin ends. */
static void idle(void)
{
    uint32_t closed = 0;
    char byte;

    for (uint32_t i = 0; i < options.connections; ++i) {
        connection_open(&connections[i], i);
        connections[i].due_ns = now_ns();
        send_request(&connections[i]);
        while (n_waiting >= OPENING_AT_A_TIME)
            receive(now_ns() + DRAIN_NS);
    }
    drain();
    printf("{\"ok\": %" PRIu64 ", \"refused\": %" PRIu64 "}\n", n_ok, n_refused);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    for (uint32_t i = 0; i < options.connections; ++i)
        closed += recv(connections[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    printf("{\"closed\": %" PRIu32 "}\n", closed);
}

static int compare(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

/* Returns a percentile of sorted times. */
static uint32_t percentile(const struct times *times, double part)
{
    size_t at = (size_t)(part * (double)times->len);

    if (times->len == 0)
        return 0;
    return times->us[at < times->len ? at : times->len - 1];
}

static void report_times(const char *name, struct times *times)
{
    if (times->len > 0)
        qsort(times->us, times->len, sizeof(*times->us), compare);
    printf(", \"%sp50_us\": %" PRIu32 ", \"%sp90_us\": %" PRIu32 ", \"%sp99_us\": %" PRIu32
           ", \"%smax_us\": %" PRIu32,
           name, percentile(times, 0.5), name, percentile(times, 0.9), name,
           percentile(times, 0.99), name, percentile(times, 1));
}

static void report(double seconds)
{
    printf("{\"ok\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"without_retry_after\": %" PRIu64
           ", \"longest_gap_us\": %" PRId64 ", \"seconds\": %.6f",
           n_ok, n_refused, n_without_retry_after, longest_gap_ns / 1000, seconds);
    report_times("", &latencies);
    report_times("answer_", &answers);
    report_times("refusal_", &refusals);
    puts("}");
}

/* --- starting --- */

static void usage(FILE *out)
{
    fputs("usage: client [OPTION]... PORT\n"
          "GETs /bench/NNNNNNN on 127.0.0.1, paths chosen at random.\n"
          "  --connections=N   number of keep-alive connections (1)\n"
          "  --seconds=S       duration (1)\n"
          "  --rate=N          requests per second in total; without it each follows an answer\n"
          "  --paths=N         number of different paths (1)\n"
          "  --stride=N        the name of path i has the number i * N (1)\n"
          "  --seed=N          seed of the random numbers (1)\n"
          "  --counts=FILE     two arrays of 32 bits: hits sent and acknowledged for each path\n"
          "  --json            request JSON, with the count alone\n"
          "  --idle            one request on each connection, then hold them until stdin ends\n",
          out);
}

static void parse(int argc, char **argv)
{
    enum { CONNECTIONS, SECONDS, RATE, PATHS, STRIDE, SEED, COUNTS, JSON, IDLE, HELP };
    static const struct option LONG[] = {
        {"connections", required_argument, NULL, CONNECTIONS},
        {"seconds", required_argument, NULL, SECONDS},
        {"rate", required_argument, NULL, RATE},
        {"paths", required_argument, NULL, PATHS},
        {"stride", required_argument, NULL, STRIDE},
        {"seed", required_argument, NULL, SEED},
        {"counts", required_argument, NULL, COUNTS},
        {"json", no_argument, NULL, JSON},
        {"idle", no_argument, NULL, IDLE},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    int option;

    options.form = "Host: 127.0.0.1\r\nAccept: text/html\r\n";
    while ((option = getopt_long(argc, argv, "", LONG, NULL)) >= 0) {
        if (option == CONNECTIONS)
            options.connections = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == SECONDS)
            options.seconds = strtod(optarg, NULL);
        else if (option == RATE)
            options.rate = strtod(optarg, NULL);
        else if (option == PATHS)
            options.paths = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == STRIDE)
            options.stride = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == SEED)
            options.seed = strtoull(optarg, NULL, 10);
        else if (option == COUNTS)
            options.counts = optarg;
        else if (option == JSON)
            options.form = "Host: 127.0.0.1\r\nAccept: application/json\r\n"
                           "Prefer: return=minimal\r\n";
        else if (option == IDLE)
            options.idle = true;
        else {
            usage(option == HELP ? stdout : stderr);
            exit(option == HELP ? 0 : 2);
        }
    }
    if (optind != argc - 1 || options.connections == 0 || options.paths == 0) {
        usage(stderr);
        exit(2);
    }
    options.seed = (options.seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    options.address.sin_family = AF_INET;
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    options.address.sin_port = htons((uint16_t)strtoul(argv[optind], NULL, 10));
}

static void prepare(void)
{
    size_t size = 2 * (size_t)options.paths * sizeof(uint32_t);
    int fd = options.counts == NULL ? -1 : open(options.counts, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct rlimit files;

    if (options.counts != NULL && (fd < 0 || ftruncate(fd, (off_t)size) != 0))
        fail("%s: %s", options.counts, strerror(errno));
    sent = mmap(NULL, size, PROT_READ | PROT_WRITE,
                fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    connections = calloc(options.connections, sizeof(*connections));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sent == MAP_FAILED || connections == NULL || epoll < 0)
        fail("no memory");
    acknowledged = sent + options.paths;
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    int64_t start;

    parse(argc, argv);
    prepare();
    start = now_ns();
    if (options.idle) {
        idle();
    } else {
        hit_for_a_while();
        report((double)(now_ns() - start) / SECOND_NS);
    }
    return 0;
}
