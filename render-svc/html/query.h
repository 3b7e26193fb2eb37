/* The query of a public request, as HTML forms and programs write it
 * (application/x-www-form-urlencoded): parameters by name, a plus for a space. Any thread.
 */
#ifndef RENDER_HTML_QUERY_H
#define RENDER_HTML_QUERY_H

#include <h2o.h>

/* Takes the parameters called `names` out of a query: `values` has room for one for each, decoded, in
 * the pool; its base is NULL where there is none. What is left, a query again in which a space is
 * %20, goes to `rest`. Returns NULL, or a sentence about what is wrong: a parameter that stands
 * twice, or has no proper value. */
const char *query_take(h2o_mem_pool_t *pool, const char *query, size_t len,
                       const char *const *names, size_t count, h2o_iovec_t *values,
                       h2o_iovec_t *rest) __attribute__((warn_unused_result));

#endif
