/* A configuration in YAML: accepted, or refused with one line, and without a leak. */
#include "server/ops/config.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct settings {
    int64_t number, choice;
    bool yes;
    char *text, *secret;
    struct config_address address;
};

static const char *const CHOICES[] = {"one", "two", NULL};

#define AT(field) .offset = offsetof(struct settings, field)
static const struct config_key KEYS[] = {
    {.name = "number", .type = CONFIG_INTEGER, AT(number), .fallback = "5", .min = -7, .max = 100},
    {.name = "choice", .type = CONFIG_CHOICE, AT(choice), .fallback = "two", .choices = CHOICES},
    {.name = "yes", .type = CONFIG_BOOLEAN, AT(yes), .fallback = "false"},
    {.name = "text", .type = CONFIG_STRING, AT(text)},
    {.name = "secret", .type = CONFIG_SECRET, AT(secret)},
    {.name = "address", .type = CONFIG_ADDRESS, AT(address), .fallback = "127.0.0.1:80"},
    {.name = NULL}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings = {0};
    char path[64], error[512] = "";
    int fd = memfd_create("config", MFD_CLOEXEC);

    MUST(fd >= 0);
    MUST(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (config_load(KEYS, &settings, path, error, sizeof(error)) == 0) {
        MUST(settings.number >= -7 && settings.number <= 100);
        MUST(settings.choice == 0 || settings.choice == 1);
        config_free(KEYS, &settings);
    } else {
        MUST(error[0] != '\0' && strchr(error, '\n') == NULL);
    }
    MUST(settings.text == NULL && settings.secret == NULL);
    close(fd);
    return 0;
}
