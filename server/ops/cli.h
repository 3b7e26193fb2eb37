/* The command line that every service has: --config FILE, --check-config, --probe, --help,
 * --version.
 */
#ifndef SERVER_OPS_CLI_H
#define SERVER_OPS_CLI_H

#include "server/ops/config.h"

enum cli_action {
    CLI_RUN,          /* start the service */
    CLI_CHECK_CONFIG, /* say whether the configuration is right */
    CLI_PROBE,        /* ask the running service's own /live */
    CLI_EXIT          /* everything is said (--help, --version, or an error): exit with `status` */
};

struct cli {
    enum cli_action action;
    int status;              /* for CLI_EXIT: 0, 2 for a wrong command line, 1 when what was asked
                                for could not be written */
    const char *config_path; /* --config (the last one, if there are several), or NULL */
};

/* Reads the command line. --help (with the table of keys and the environment's rule) and --version
 * (`NAME VERSION`) go to standard output, errors to standard error as one line. Options are read in
 * order and the first that leaves nothing more to do ends it; --check-config and --probe exclude
 * each other; anything that is not an option is an error. */
struct cli cli_parse(int argc, char **argv, const char *name, const char *summary,
                     const struct config_key *keys);

/* Asks http://ADDRESS/live and returns 0 when the answer's status is 200, 1 otherwise, after one
 * line on standard error (`event=probe-failed`) that says what happened instead. Blocks for at most
 * `timeout_ms` in all, however slowly the other side drips. An address that is "any" (0.0.0.0 or
 * ::) is asked on loopback. Port 0 cannot be asked: nobody knows which one the kernel picked. */
int cli_probe(const struct config_address *address, int timeout_ms);

#endif
