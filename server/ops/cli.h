/* The command line of both services: --config FILE, --check-config, --probe, --help, --version. */
#ifndef SERVER_OPS_CLI_H
#define SERVER_OPS_CLI_H

#include "server/ops/config.h"

enum cli_action {
    CLI_RUN,          /* start the service */
    CLI_CHECK_CONFIG, /* check the configuration */
    CLI_PROBE,        /* request /live of the running service */
    CLI_EXIT          /* the output is written (--help, --version, an error): exit with `status` */
};

struct cli {
    enum cli_action action;
    int status;              /* of CLI_EXIT: 0; 1 if the output could not be written; 2 if the
                                command line is invalid */
    const char *config_path; /* --config (the last one, if there are several), or NULL */
};

/* Parses the command line. --help (the table of keys, and the rule for the environment) and
 * --version (`NAME VERSION`) write to standard output, errors write one line to standard error.
 * Options are parsed in order; --help, --version and an error end the parsing. --check-config and
 * --probe exclude each other. An argument that is not an option is an error. */
struct cli cli_parse(int argc, char **argv, const char *name, const char *summary,
                     const struct config_key *keys);

/* Requests http://ADDRESS/live. Returns 0 if the status is 200. Otherwise logs the reason
 * (`event=probe-failed`) and returns 1. Blocks for at most `timeout_ms` in total. The address "any"
 * (0.0.0.0 or ::) is requested on loopback. Port 0 is an error, because the port that the kernel
 * chose is not known. */
int cli_probe(const struct config_address *address, int timeout_ms);

#endif
