#include "counter-svc/ledger/postgres_url.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT "5432"

static int refuse(char *error, size_t error_size)
{
    snprintf(
        error, error_size,
        "postgres_url: expected HOST[:PORT], up to %d of them separated by commas, a directory "
        "or a postgresql:// URI",
        POSTGRES_MAX_HOSTS);
    return -1;
}

static bool is_port(const char *text, size_t len)
{
    return len >= 1 && len <= 5 && strspn(text, "0123456789") >= len && atoi(text) >= 1 &&
           atoi(text) <= 65535;
}

/* Returns whether the text may be a name, an address or a directory. libpq and the resolver check
 * the rest. */
static bool is_host(const char *text, size_t len)
{
    return len >= 1 && len < sizeof(((struct postgres_host *)NULL)->name) &&
           strcspn(text, " =\t") >= len;
}

/* Adds one `HOST[:PORT]`, `[IPV6][:PORT]` or directory. */
static int add_host(struct postgres_url *url, const char *text, size_t len, char *error,
                    size_t error_size)
{
    struct postgres_host *host = &url->hosts[url->n_hosts];
    const char *name = text, *end = text + len, *name_end = end, *port = DEFAULT_PORT;
    size_t port_len = strlen(port);

    if (len != 0 && *text == '[') {
        name = text + 1;
        name_end = memchr(text, ']', len);
        if (name_end == NULL || (name_end + 1 != end && name_end[1] != ':'))
            return refuse(error, error_size);
        if (name_end + 1 != end) {
            port = name_end + 2;
            port_len = (size_t)(end - port);
        }
    } else if (len != 0 && *text != '/') {
        const char *colon = memchr(text, ':', len);
        if (colon != NULL) {
            name_end = colon;
            port = colon + 1;
            port_len = (size_t)(end - port);
        }
    }
    if (url->n_hosts == POSTGRES_MAX_HOSTS || !is_host(name, (size_t)(name_end - name)) ||
        !is_port(port, port_len))
        return refuse(error, error_size);
    snprintf(host->name, sizeof(host->name), "%.*s", (int)(name_end - name), name);
    snprintf(host->port, sizeof(host->port), "%.*s", (int)port_len, port);
    ++url->n_hosts;
    return 0;
}

static int add_hosts(struct postgres_url *url, const char *list, char *error, size_t error_size)
{
    for (const char *at = list;; ++at) {
        size_t len = strcspn(at, ",");
        if (add_host(url, at, len, error, error_size) != 0)
            return -1;
        at += len;
        if (*at == '\0')
            return 0;
    }
}

/* Takes the text up to the next comma from the list, or "" at its end. Returns its length. */
static size_t take_item(const char **list, const char **item)
{
    size_t len = strcspn(*list, ",");

    *item = *list;
    *list += len + ((*list)[len] == ',');
    return len;
}

/* Adds the hosts of a URI's `host` or `hostaddr`, a list, with `port`: a list, or one port for
 * all. */
static int add_uri_hosts(struct postgres_url *url, const char *hosts, const char *ports,
                         char *error, size_t error_size)
{
    bool one_port = strchr(ports, ',') == NULL;
    const char *host, *port;
    size_t host_len, port_len;

    do {
        const char *rest = ports;
        char text[512];
        host_len = take_item(&hosts, &host);
        port_len = take_item(one_port ? &rest : &ports, &port);
        if (host_len == 0)
            host_len = strlen(host = "localhost");
        if (port_len == 0)
            port_len = strlen(port = DEFAULT_PORT);
        if (!is_port(port, port_len))
            return refuse(error, error_size);
        snprintf(text, sizeof(text), memchr(host, ':', host_len) ? "[%.*s]:%.*s" : "%.*s:%.*s",
                 (int)host_len, host, (int)port_len, port);
        if (add_host(url, text, *host == '/' ? host_len : strlen(text), error, error_size) != 0)
            return -1;
        if (*host == '/')
            snprintf(url->hosts[url->n_hosts - 1].port, sizeof(url->hosts->port), "%.*s",
                     (int)port_len, port);
    } while (*hosts != '\0');
    return 0;
}

static int add_parameter(struct postgres_url *url, size_t *count, const char *keyword,
                         const char *value)
{
    if (value == NULL || *value == '\0')
        return 0;
    url->keywords[*count] = strdup(keyword);
    url->values[*count] = strdup(value);
    if (url->keywords[*count] == NULL || url->values[*count] == NULL)
        return -1;
    ++*count;
    return 0;
}

/* Returns whether pg_connect.c sets a parameter for each attempt. */
static bool is_set_later(const char *keyword)
{
    static const char *const LATER[] = {
        "host", "hostaddr", "port", "target_session_attrs", "client_encoding", "connect_timeout"};

    for (size_t i = 0; i < sizeof(LATER) / sizeof(LATER[0]); ++i)
        if (strcmp(keyword, LATER[i]) == 0)
            return true;
    return false;
}

static int fill(struct postgres_url *url, const PQconninfoOption *options, const char *user,
                const char *password, const char *database)
{
    const struct {
        const char *keyword, *value;
    } defaults[] = {{"user", user}, {"password", password}, {"dbname", database}};
    size_t count = 0, most = 8;

    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         ++option)
        ++most;
    url->keywords = calloc(most, sizeof(*url->keywords));
    url->values = calloc(most, sizeof(*url->values));
    if (url->keywords == NULL || url->values == NULL)
        return -1;
    /* libpq uses the last value of a keyword */
    for (size_t i = 0; i < 3; ++i)
        if (add_parameter(url, &count, defaults[i].keyword, defaults[i].value) != 0)
            return -1;
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         ++option)
        if (!is_set_later(option->keyword) &&
            add_parameter(url, &count, option->keyword, option->val) != 0)
            return -1;
    return 0;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; ++options)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val != NULL ? options->val : "";
    return "";
}

/* Returns the parameters of a URI. Returns NULL if there are none, or if the text after the
 * question mark may be part of a password. A password that is not percent-encoded may have slashes,
 * question marks and at signs, which end the parts of a URI. The at sign after the password then
 * follows the question mark. */
static const char *parameters_of(const char *uri)
{
    const char *at = strstr(uri, "://") + 3, *rest = at + strcspn(at, "@/"), *parameters;

    parameters = strchr(*rest == '@' ? rest : at, '?');
    return parameters == NULL || strchr(parameters, '@') != NULL ? NULL : parameters + 1;
}

static bool is_parameter(const PQconninfoOption *known, const char *name, size_t len)
{
    /* the only alias that libpq accepts in a URI */
    if (len == strlen("ssl") && memcmp(name, "ssl", len) == 0)
        return true;
    for (; known->keyword != NULL; ++known)
        if (strlen(known->keyword) == len && memcmp(name, known->keyword, len) == 0)
            return true;
    return false;
}

/* Returns the remedy for a parameter that libpq does not know. */
static const char *remedy_for(const char *name, size_t len)
{
    static const struct {
        const char *name, *remedy;
    } REMEDIES[] = {
        {"pgbouncer",
         "remove it; PostgreSQL may be behind PgBouncer if that has pool_mode = session"},
        {"schema", "write options=-csearch_path%3DSCHEMA instead, or set search_path for the role"},
    };

    for (size_t i = 0; i < sizeof(REMEDIES) / sizeof(REMEDIES[0]); ++i)
        if (strlen(REMEDIES[i].name) == len && memcmp(name, REMEDIES[i].name, len) == 0)
            return REMEDIES[i].remedy;
    return "remove it; PostgreSQL's manual, section 34.1.2, lists the parameters";
}

/* Writes why libpq refuses a URI. libpq's message would quote the password. This one quotes at most
 * the name of a parameter. */
static int refuse_uri(const char *uri, char *error, size_t error_size)
{
    PQconninfoOption *known = PQconndefaults();
    const char *name = known != NULL ? parameters_of(uri) : NULL;

    snprintf(error, error_size,
             "postgres_url: expected a postgresql:// URI that libpq understands; percent-encode "
             "special characters in the password");
    for (; name != NULL; name = strchr(name, '&') != NULL ? strchr(name, '&') + 1 : NULL) {
        size_t len = strcspn(name, "=&");
        if (len == 0 || len > 40 || name[len] != '=' || is_parameter(known, name, len) ||
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") < len)
            continue;
        snprintf(error, error_size, "postgres_url: the URI has an unknown parameter \"%.*s\": %s",
                 (int)len, name, remedy_for(name, len));
        break;
    }
    PQconninfoFree(known);
    return -1;
}

int postgres_url_parse(const char *text, const char *user, const char *password,
                       const char *database, struct postgres_url *url, char *error,
                       size_t error_size)
{
    bool is_uri = strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0;
    PQconninfoOption *options = NULL;
    int result;

    *url = (struct postgres_url){0};
    if (is_uri) {
        options = PQconninfoParse(text, NULL);
        if (options == NULL)
            return refuse_uri(text, error, error_size);
        result = add_uri_hosts(url,
                               *value_of(options, "hostaddr") ? value_of(options, "hostaddr")
                                                              : value_of(options, "host"),
                               value_of(options, "port"), error, error_size);
    } else {
        result = add_hosts(url, text, error, error_size);
    }
    if (result == 0 && fill(url, options, user, password, database) != 0) {
        snprintf(error, error_size, "postgres_url: there is not enough memory for it");
        result = -1;
    }
    PQconninfoFree(options);
    if (result != 0)
        postgres_url_free(url);
    return result;
}

const char *postgres_url_password(const struct postgres_url *url)
{
    const char *password = NULL;

    for (size_t i = 0; url->keywords[i] != NULL; ++i)
        if (strcmp(url->keywords[i], "password") == 0)
            password = url->values[i];
    return password;
}

void postgres_url_free(struct postgres_url *url)
{
    for (size_t i = 0; url->keywords != NULL && url->keywords[i] != NULL; ++i)
        free(url->keywords[i]);
    for (size_t i = 0; url->values != NULL && url->values[i] != NULL; ++i) {
        explicit_bzero(url->values[i], strlen(url->values[i]));
        free(url->values[i]);
    }
    free(url->keywords);
    free(url->values);
    *url = (struct postgres_url){0};
}
