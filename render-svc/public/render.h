/* The configuration of render-svc, and the state of each worker. */
#ifndef RENDER_PUBLIC_RENDER_H
#define RENDER_PUBLIC_RENDER_H

#include "proto/path.h"
#include "render-svc/count/lanes.h"
#include "render-svc/count/ranking_reader.h"
#include "render-svc/count/read_request.h"
#include "render-svc/count/render_metrics.h"
#include "render-svc/html/gzip.h"
#include "render-svc/public/bots.h"
#include "render-svc/public/live.h"
#include "server/service.h"

/* Prefetches (visitor.h): counted like visits, or refused with 503. */
enum prefetch { PREFETCH_COUNT, PREFETCH_REFUSE };

/* /robots.txt: counted like any path, or answered with a file that disallows robots. */
enum robots { ROBOTS_COUNT, ROBOTS_DENY };

/* GETs of bots: counted as hits of bots, or answered and not counted. */
enum bots_are { BOTS_COUNTED, BOTS_IGNORED };

struct render_config {
    struct service_config service; /* first: see service.h */
    char *counter_url;
    char *counter_token;
    int64_t request_deadline_ms;
    int64_t call_deadline_ms;
    int64_t connect_timeout_ms;
    struct counter_client_settings client; /* derived from the above */
    struct lanes_settings lanes;
    int64_t max_reads;
    int64_t max_exports;
    bool gzip;
    char *base_path;
    bool base_path_stripped;
    bool base_is_in_targets; /* derived from these two */
    struct path_rules path_rules;
    int64_t prefetch; /* enum prefetch */
    int64_t robots;   /* enum robots */
    int64_t bots_are; /* enum bots_are */
    struct bots *bots;
    struct live_settings live;
};

/* The state of a worker: worker->app. */
struct render {
    struct counter_client *client;
    struct lanes *lanes;
    struct ranking_reader *ranking;
    struct read_queue *reads;
    struct live *live;
    struct gzip *gzip;
    struct bots_matcher *bots_matcher;
    uint64_t agent_seed;          /* of the hash that recognises the User-Agent of a connection */
    struct timer_queue deadlines; /* of requests */
    struct timer_queue stalls;    /* of each piece of an answer that is sent in pieces */
    const struct render_config *config;
    struct render_metrics *metrics;
    int64_t n_exports;
};

#endif
