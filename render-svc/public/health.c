/* /-/health: whether hits can be counted now, for load balancers that reach only the public port.
 * It answers like /ready of the admin listener, but without the reason, which is for operators. It
 * is also 503 while the service stops. It counts nothing, sends no request, and ignores the
 * query. */

#include "render-svc/public/routes.h"
#include "server/http/answer.h"
#include "server/service.h"

void health_answer(const struct api_request *request)
{
    if (service_why_not_ready() == NULL) {
        answer_copy(request->req, 200, "text/plain; charset=utf-8", H2O_STRLIT("ready\n"));
        return;
    }
    answer_header_named(request->req, "retry-after", "1");
    answer_problem(request->req, 503, "Hits cannot be counted at the moment.");
}
