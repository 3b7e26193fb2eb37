#include "render-svc/html/api_page.h"

#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"

#define HOST_MAX_BYTES 255
#define ANY_HOST       "pathcount.example"

/* A section of the page. */
struct topic {
    const char *id, *title;
    const char *text; /* HTML, in which $ stands for the base (link.h) */
    struct {
        const char *what;    /* HTML; NULL: no more examples */
        const char *example; /* text, in which $ stands for the origin and the base */
    } examples[4];
};

static const struct topic TOPICS[] = {
    {"count",
     "Count a hit",
     "A <code>GET</code> of any path counts it and returns its count: as a page, or as JSON if "
     "the client accepts that. The response is sent once the hit is on disk. Paths below "
     "<code>$/-/</code> are not counted.",
     {{"From a shell", "curl '$/any/path'"},
      {"As JSON, with the highest counts", "curl -H 'Accept: application/json' '$/any/path'"},
      {"As JSON, with its own count alone",
       "curl -H 'Accept: application/json' -H 'Prefer: return=minimal' '$/any/path'"}}},
    {"embed",
     "Count visits to pages on other sites",
     "Any page on any site can count itself under any path. Nothing about its visitors is stored, "
     "and no cookie is set.",
     {{"An invisible image", "<img src=\"$/-/hit/my/page.gif\" alt=\"\" width=\"1\" height=\"1\">"},
      {"A badge that counts and shows the count", "<img src=\"$/-/hit/my/page.svg\" alt=\"hits\">"},
      {"A beacon, which is sent even when the reader leaves the page",
       "<script>navigator.sendBeacon(\"$/-/hit/my/page\")</script>"},
      {"A script that counts and reads the count",
       "fetch(\"$/-/hit/my/page\", {method: \"POST\", headers: {Accept: \"application/json\"}})\n"
       "  .then(response => response.json()).then(hit => console.log(hit.count));"}}},
    {"badge",
     "Show a count without counting",
     "A badge for a README. <code>label</code>, <code>color</code>, <code>labelColor</code>, "
     "<code>style</code> (<code>flat</code>, <code>flat-square</code>, <code>plastic</code>, "
     "<code>for-the-badge</code>) and <code>cacheSeconds</code> (60 or more) have their usual "
     "meaning. <code>period=</code> (<code>today</code>, <code>24h</code>, "
     "<code>7d</code>, "
     "<code>30d</code>) and <code>bots=exclude</code> select a part of the hits. "
     "<code>numbers=short</code> shows 12.3k instead of 12,345, and "
     "<code>format=shields</code> returns JSON for an endpoint badge of shields.io. Other "
     "parameters are ignored.",
     {{"In Markdown", "![hits]($/-/badge/my/page.svg)"},
      {"In HTML",
       "<img src=\"$/-/badge/my/page.svg?label=visits&amp;color=green\" alt=\"visits\">"}}},
    {"me",
     "Exclude your own visits",
     "On <a href=\"$" LINK_ME "\"><code>$" LINK_ME
     "</code></a> you can exclude this browser. Its visits are then not counted, neither here "
     "nor on your pages that embed images or scripts of this site.",
     {{NULL, NULL}}},
    {"look",
     "Read the counts",
     "<a href=\"$" LINK_PATHS "\"><code>$" LINK_PATHS "</code></a> is the table: "
     "<code>order=count</code> or <code>path</code>, <code>prefix=</code>, <code>limit=</code> (1 "
     "to 1,000), <code>after=</code> and <code>before=</code> with the cursors of its links. "
     "<code>period=</code> (<code>today</code>, <code>24h</code>, <code>7d</code>, "
     "<code>30d</code>) "
     "ranks by the hits in a period, <code>bots=exclude</code> by the hits of people. "
     "<code>$" LINK_PATHS "/any/path</code> is one path: count, rank, first and last hit. Both are "
     "available as HTML, JSON or CSV, by <code>Accept</code> or <code>format=</code>. Reading "
     "counts nothing.",
     {{"Paths with a prefix, highest counts first", "curl '$/-/paths?prefix=/blog/&format=json'"},
      {"All paths, for a spreadsheet", "curl -o pathcount.csv '$/-/paths?format=csv'"},
      {"One path", "curl '$/-/paths/any/path?format=json'"}}},
    {"history",
     "Read the history",
     "<a href=\"$" LINK_HISTORY "\"><code>$" LINK_HISTORY
     "</code></a> has the hits of each day, and <code>$" LINK_PATHS "/any/path" LINK_HISTORY_SUFFIX
     "</code> the hits of one path: <code>unit=hour</code> or "
     "<code>day</code>, <code>from=</code> and <code>to=</code> with dates, "
     "<code>bots=exclude</code>; as "
     "HTML, JSON or CSV.",
     {{"The last 30 days of a path", "curl '$/-/paths/any/path/history?format=csv'"},
      {"The hours of yesterday and today", "curl '$/-/history?unit=hour&format=json'"}}},
    {"live",
     "Follow the counts",
     "<code>$" LINK_LIVE
     "</code> sends rows when they change, at most twice a second (Server-Sent Events).",
     {{"In a shell", "curl -N '$/-/live'"},
      {"In a page",
       "new EventSource(\"$/-/live\").onmessage = event => console.log(event.data);"}}},
};

/* What each status means. */
static const struct {
    const char *status, *meaning; /* HTML */
} ANSWERS[] = {
    {"200", "counted once, and on disk"},
    {"204", "the same, for a beacon"},
    {"400, 404, 405, 414", "not counted; the response has the reason"},
    {"503", "not confirmed: counted at most once; another request is another hit"},
};

static bool is_host(const char *host, size_t len)
{
    static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789.-_:[]";

    for (size_t i = 0; i < len; ++i)
        if (host[i] == '\0' || strchr(ALLOWED, host[i]) == NULL)
            return false;
    return len != 0 && len <= HOST_MAX_BYTES;
}

static void add_example(struct buffer *to, const char *example, const char *host, size_t len)
{
    const char *origin;

    buffer_add_literal(to, "<div class=\"example\"><pre><code>");
    while ((origin = strchr(example, '$')) != NULL) {
        html_add_text(to, example, (size_t)(origin - example));
        buffer_add_literal(to, "http://");
        html_add_text(to, host, len);
        link_add_address(to, "");
        example = origin + 1;
    }
    html_add_text(to, example, strlen(example));
    buffer_add_literal(to, "</code></pre></div>\n");
}

static void add_html(struct buffer *to, const char *html)
{
    const char *base;

    for (; (base = strchr(html, '$')) != NULL; html = base + 1) {
        buffer_add(to, html, (size_t)(base - html));
        link_add_address(to, "");
    }
    buffer_add_string(to, html);
}

static void add_topic(struct buffer *to, const struct topic *topic, const char *host, size_t len)
{
    html_add(to, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n<p>", topic->id,
             topic->id, topic->title);
    add_html(to, topic->text);
    buffer_add_literal(to, "</p>\n");
    for (size_t i = 0; i < 4 && topic->examples[i].what != NULL; ++i) {
        html_add(to, "<h3>%s</h3>\n", topic->examples[i].what);
        add_example(to, topic->examples[i].example, host, len);
    }
    buffer_add_literal(to, "</section>\n");
}

void api_page_add(struct buffer *to, const char *host, size_t len)
{
    if (!is_host(host, len)) {
        host = ANY_HOST;
        len = sizeof(ANY_HOST) - 1;
    }
    frame_begin(to, "API – Path Count", LINK_ABOUT);
    html_add(to,
             "<div class=\"api\">\n<div><h1>Count paths, read the counts</h1>\n"
             "<p>The whole API for programs: <a href=\"%s/-/openapi.yml\">openapi.yml</a> "
             "(OpenAPI 3.1).</p></div>\n",
             link_base.at);
    for (size_t i = 0; i < sizeof(TOPICS) / sizeof(TOPICS[0]); ++i)
        add_topic(to, &TOPICS[i], host, len);
    buffer_add_literal(to, "<section aria-labelledby=\"answers\">\n"
                           "<h2 id=\"answers\">What a status means</h2>\n<dl>\n");
    for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); ++i)
        html_add(to, "<div><dt>%s</dt><dd>%s</dd></div>\n", ANSWERS[i].status, ANSWERS[i].meaning);
    buffer_add_literal(to, "</dl>\n</section>\n</div>\n");
    frame_end(to);
}
