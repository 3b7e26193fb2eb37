#include "server/ops/settings.h"

#include "base/invariant.h"

#include <stddef.h>
#include <string.h>

/* Maximum of keys of a program, with those of both services. */
#define MAX_KEYS 96

#define KEY(name_, type_, field_)                                                                  \
    .name = name_, .type = type_, .offset = offsetof(struct service_config, field_)

static const struct config_key KEYS[] = {
    {KEY("listen", CONFIG_ADDRESS, listen), .help = "Address and port of the service."},
    {KEY("admin_listen", CONFIG_ADDRESS, admin_listen),
     .help = "Address and port of /live, /ready and /metrics."},
    {KEY("max_connections", CONFIG_INTEGER, max_connections), .fallback = "15000", .min = 1,
     .max = 1000000,
     .help = "Maximum of open client connections; others wait in the kernel's queue."},
    {KEY("drain_ms", CONFIG_INTEGER, drain_ms), .fallback = "0", .min = 0, .max = 600000,
     .unit = "ms", .help = "Time after SIGTERM during which new connections are still accepted."},
    {KEY("shutdown_ms", CONFIG_INTEGER, shutdown_ms), .fallback = "10000", .min = 0, .max = 600000,
     .unit = "ms", .help = "Time for requests in flight after the listener is closed."},
    {KEY("idle_ms", CONFIG_INTEGER, idle_ms), .fallback = "60000", .min = 100, .max = 600000,
     .unit = "ms", .help = "Maximum idle time of a connection between requests."},
    {KEY("head_ms", CONFIG_INTEGER, head_ms), .fallback = "10000", .min = 100, .max = 600000,
     .unit = "ms", .help = "Time to receive a request head, from its first byte; then 408."},
    {KEY("body_ms", CONFIG_INTEGER, body_ms), .fallback = "30000", .min = 100, .max = 600000,
     .unit = "ms", .help = "Time to receive a request body, after its head; then 408."},
    {KEY("answer_ms", CONFIG_INTEGER, answer_ms), .fallback = "120000", .min = 1000, .max = 3600000,
     .unit = "ms", .help = "Time for the client to read a response; then the connection is reset."},
    {KEY("max_target_bytes", CONFIG_INTEGER, max_target_bytes), .fallback = "16384", .min = 1024,
     .max = 65536, .unit = "bytes",
     .help = "Maximum length of a request target, path and query; longer ones get 414."},
    {KEY("max_head_bytes", CONFIG_INTEGER, max_head_bytes), .fallback = "32768", .min = 2048,
     .max = 262144, .unit = "bytes",
     .help = "Maximum length of a request head; longer ones get 431."},
    {KEY("max_unread_bytes", CONFIG_INTEGER, max_unread_bytes), .fallback = "65536", .min = 4096,
     .max = 16777216, .unit = "bytes", .help = "Kernel receive buffer of a client connection."},
    {KEY("max_unsent_bytes", CONFIG_INTEGER, max_unsent_bytes), .fallback = "67108864",
     .min = 1048576, .max = 1099511627776, .unit = "bytes",
     .help = "Unsent response bytes; above it requests get 503, slow clients are reset."},
    {KEY("log_level", CONFIG_CHOICE, log_level), .fallback = "info",
     .choices = (const char *const[]){"error", "warning", "info", "debug", NULL},
     .help = "Log messages of this level and more severe ones."},
    {KEY("sandbox", CONFIG_BOOLEAN, sandbox), .fallback = "true",
     .help = "Whether seccomp ends the process on an unexpected system call."},
    {KEY("log_format", CONFIG_CHOICE, log_format), .fallback = "text",
     .choices = (const char *const[]){"text", "json", NULL},
     .help = "Format of log lines: key=value or JSON."},
    {KEY("access_log", CONFIG_BOOLEAN, access_log), .fallback = "false",
     .help = "Whether to log requests; SIGUSR1 toggles it."},
    {KEY("access_log_sample", CONFIG_INTEGER, access_log_sample), .fallback = "1", .min = 1,
     .max = 1000000, .help = "Log one request in N, per worker."},
    {.name = NULL}};

const struct config_key *service_keys(const struct config_key *program_keys, const char *listen,
                                      const char *admin_listen)
{
    static struct config_key keys[MAX_KEYS + 1];
    size_t count = 0;

    for (const struct config_key *key = KEYS; key->name != NULL; ++key)
        keys[count++] = *key;
    INVARIANT(strcmp(keys[0].name, "listen") == 0 && strcmp(keys[1].name, "admin_listen") == 0);
    keys[0].fallback = listen;
    keys[1].fallback = admin_listen;
    for (const struct config_key *key = program_keys; key->name != NULL; ++key) {
        INVARIANT(count < MAX_KEYS);
        keys[count++] = *key;
    }
    keys[count] = (struct config_key){.name = NULL};
    return keys;
}
