/* The list of bots: PCRE2 compiles it, and it distinguishes bots that name themselves from
 * browsers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render-svc/public/bots.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static struct bots *bots;
static struct bots_matcher *matcher;

static int compile(void **state)
{
    char error[256];

    (void)state;
    bots = bots_compile(error, sizeof(error));
    if (bots == NULL)
        fail_msg("%s", error);
    matcher = bots_matcher_create(bots);
    return 0;
}

static int release(void **state)
{
    (void)state;
    bots_matcher_destroy(matcher);
    bots_free(bots);
    bots_matcher_destroy(NULL);
    bots_free(NULL);
    return 0;
}

static bool is_bot(const char *agent)
{
    return bots_match(matcher, agent, strlen(agent));
}

static void agents_that_name_themselves_bots_are_bots(void **state)
{
    static const char *const agents[] = {
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; "
        "+http://www.bing.com/bingbot.htm) Chrome/103.0.5060.134 Safari/537.36",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
        "+https://openai.com/gptbot)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "HeadlessChrome/131.0.0.0 Safari/537.36",
        "curl/8.5.0",
        "Wget/1.21.3",
        "python-requests/2.31.0",
        "Go-http-client/1.1",
        "Java/17.0.9",
        "SomethingNew/0.1 (+https://new.example/crawler)",
        "GOOGLEBOT",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(agents); i++)
        if (!is_bot(agents[i]))
            fail_msg("%s", agents[i]);
}

static void a_browser_is_no_bot(void **state)
{
    static const char *const agents[] = {
        "",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.1 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Version/4.0 Chrome/142.0.7444.142 Mobile Safari/537.36 Instagram "
        "406.0.0.58.159 Android (35/15; 480dpi; 1080x2400; OPPO; CPH2557; OP573DL1; mt6833; en_MY)",
        "Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG 9) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/120.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
        "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(agents); i++)
        if (is_bot(agents[i]))
            fail_msg("%s", agents[i]);
}

static void only_the_beginning_of_an_agent_is_searched(void **state)
{
    static const char browser[] = "Mozilla/5.0 (X11; Linux x86_64) ";
    char agent[BOTS_MAX_AGENT_BYTES + 16] = "";

    (void)state;
    while (strlen(agent) + strlen(browser) < BOTS_MAX_AGENT_BYTES - 10)
        strcat(agent, browser);
    memset(agent + strlen(agent), '.', BOTS_MAX_AGENT_BYTES - strlen(agent));
    memcpy(agent + BOTS_MAX_AGENT_BYTES - 6, " robot", 6);
    assert_true(is_bot(agent));
    memcpy(agent + BOTS_MAX_AGENT_BYTES - 6, "  robo", 6);
    strcpy(agent + BOTS_MAX_AGENT_BYTES, "t");
    assert_false(is_bot(agent));
    /* `$` matches only the end of the agent, not the last byte that is searched: ;\s\w+;$ */
    memset(agent, ' ', BOTS_MAX_AGENT_BYTES);
    memcpy(agent + BOTS_MAX_AGENT_BYTES - 5, "; ab;", 5);
    agent[BOTS_MAX_AGENT_BYTES] = '\0';
    assert_true(is_bot(agent));
    strcpy(agent + BOTS_MAX_AGENT_BYTES, ")");
    assert_false(is_bot(agent));
}

static void a_match_ends_for_any_bytes(void **state)
{
    static const char *const pieces[] = {"1.",   "a/1", "; a", "@a-",  "x1/1.0 ", "(:% ",
                                         "\xff", "\n",  "^[",  "a.1 ", "abc_",    "mozilla/5.0 ("};
    char agent[BOTS_MAX_AGENT_BYTES + 64];

    (void)state;
    for (size_t i = 0; i < SIZE(pieces) * SIZE(pieces); i++) {
        const char *first = pieces[i / SIZE(pieces)], *second = pieces[i % SIZE(pieces)];
        size_t len = (size_t)snprintf(agent, sizeof(agent), "%s", first);
        while (len < BOTS_MAX_AGENT_BYTES)
            len += (size_t)snprintf(agent + len, sizeof(agent) - len, "%s", second);
        (void)bots_match(matcher, agent, len);
        agent[3] = '\0';
        (void)bots_match(matcher, agent, len);
    }
}

/* PCRE2's machine code is not writable. */
static void no_memory_is_writable_and_executable(void **state)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    (void)state;
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, " rwxp ") != NULL)
            fail_msg("%s", line);
    fclose(maps);
    assert_true(bots_are_jit(bots));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agents_that_name_themselves_bots_are_bots),
        cmocka_unit_test(a_browser_is_no_bot),
        cmocka_unit_test(only_the_beginning_of_an_agent_is_searched),
        cmocka_unit_test(a_match_ends_for_any_bytes),
        cmocka_unit_test(no_memory_is_writable_and_executable),
    };

    return cmocka_run_group_tests_name("bots", tests, compile, release);
}
