/* Builds of indexes after migrations, while hits are counted and folded: an index on counts
 * replaces the one on tiers (004-journal.sql), and an index on counts without bots is new
 * (006-history.sql). Each takes about a second for a million paths.
 *
 * It uses a session of its own, which it closes afterwards. Each statement is its own transaction.
 * One process builds at a time; an interrupted index is built again. All calls from the loop's
 * thread.
 */
#ifndef COUNTER_READ_RANKING_H
#define COUNTER_READ_RANKING_H

#include "counter-svc/ledger/session.h"

struct ranking;

/* Builds the missing indexes. Call it when the ledger has this program's schema. */
struct ranking *ranking_open(struct worker *worker, const struct session_settings *settings);

/* Takes NULL. May interrupt a build. */
void ranking_close(struct ranking *ranking);

#endif
