/* What a worker keeps of answers until its clients have taken them, and a limit to that: by itself a
 * client that does not read costs an answer of megabytes, for as long as answer_ms.
 *
 * There is room for an answer while it takes at most half of what is left, so that long ones are
 * refused before short ones are. Room is short once half of it all is taken, or an answer was refused:
 * then the connections on which an answer has waited for more than a second are reset. Clients that
 * read are not touched.
 *
 * All calls from the loop's thread.
 */
#ifndef SERVER_HTTP_OUTPUT_BUDGET_H
#define SERVER_HTTP_OUTPUT_BUDGET_H

#include <h2o.h>
#include <stdbool.h>

/* Answers up to so many bytes are not looked at: that much a connection costs in any case. */
#define OUTPUT_SMALL_BYTES 4096

/* How long an answer may take when room is short. */
#define OUTPUT_PATIENCE_MS 1000

/* Of one worker. */
struct output_budget {
    size_t max_bytes;
    size_t bytes;           /* what is kept now */
    bool refused;           /* somebody, since it was looked over */
    h2o_linklist_t answers; /* the oldest first */
};

void output_budget_init(struct output_budget *budget, size_t max_bytes);

/* Takes room for the answer to a request until its memory goes: that is when the client has taken it or
 * the connection has ended. It has `bytes` bytes of its own, and `shared` of what others are sent, too,
 * for which room is taken only once (output_budget_share). Returns false when there is none. */
bool output_budget_admit(h2o_req_t *req, size_t bytes, size_t shared)
    __attribute__((warn_unused_result));

/* What several clients are sent begins with this. */
struct output_share {
    struct output_budget *budget;
    size_t bytes;
};

/* Allocates `bytes` bytes, shared by reference (h2o_mem_addref_shared), which begin with a struct
 * output_share. They take room as long as they are there, however much there is. */
void *output_budget_share(struct output_budget *budget, size_t bytes);

/* Whether room is short. */
bool output_budget_is_short(const struct output_budget *budget);

/* Cuts off those that take too long, when room is short. To be called a few times a second. */
void output_budget_look_over(struct output_budget *budget, uint64_t now_ms);

#endif
