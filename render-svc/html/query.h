/* The query of a public request, application/x-www-form-urlencoded: as proto/parameter.h, and a
 * plus is a space. Any thread.
 */
#ifndef RENDER_HTML_QUERY_H
#define RENDER_HTML_QUERY_H

#include <h2o.h>

/* Takes parameters out of a query, in the pool. Each of the `count` names has a decoded value in
 * `values`; its base is NULL if the query does not have it. `rest` becomes a query of the other
 * parameters, in which a space is %20, for another reader. Returns NULL, or a sentence that says
 * what is wrong: a parameter occurs twice or has no valid value. */
const char *query_take(h2o_mem_pool_t *pool, const char *query, size_t len,
                       const char *const *names, size_t count, h2o_iovec_t *values,
                       h2o_iovec_t *rest) __attribute__((warn_unused_result));

#endif
