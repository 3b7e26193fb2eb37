/* What migrations leave to be done beside hits and folds: the ranking gets an index on counts in place of
 * the one on tiers (004-journal.sql), and one on counts without bots (006-history.sql). Each takes a second
 * or so for a million paths.
 *
 * On a session of its own that is closed afterwards. Each statement is a transaction of its own, and one
 * process does it at a time; an index whose making was interrupted is made anew. All calls from the loop's
 * thread.
 */
#ifndef COUNTER_READ_RANKING_H
#define COUNTER_READ_RANKING_H

#include "counter-svc/ledger/session.h"

struct ranking;

/* Looks whether it is to be done, and does it. To be called once the ledger has this program's schema. */
struct ranking *ranking_open(struct worker *worker, const struct session_settings *settings);

/* Takes NULL. Ends it in the middle if need be. */
void ranking_close(struct ranking *ranking);

#endif
