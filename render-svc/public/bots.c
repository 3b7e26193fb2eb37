#include "render-svc/public/bots.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

extern const char bots_file[], bots_file_end[]; /* bots_file.S */

/* Areas of machine code. PCRE2's allocator maps 64 kB at a time. */
#define MAX_AREAS 8

/* Patterns that are matched as one expression. Three expressions take half the time of one, because
 * PCRE2 knows for each where a match can begin: at the beginning; at some letters; anywhere. */
enum group { GROUP_ANCHORED, GROUP_TEXT, GROUP_OTHER, N_GROUPS };

struct bots {
    pcre2_code *codes[N_GROUPS];
    bool are_jit;
    size_t n_areas;
    struct area {
        void *at;
        size_t len;
    } areas[MAX_AREAS];
};

struct bots_matcher {
    const struct bots *bots;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

static enum group group_of(const char *pattern, size_t len)
{
    if (*pattern == '^')
        return GROUP_ANCHORED;
    for (size_t i = 0; i < len; ++i)
        if (strchr("()[]{}|^$?*+.\\", pattern[i]) != NULL)
            return GROUP_OTHER;
    return GROUP_TEXT;
}

/* Appends the patterns of a group as alternatives. Successive patterns with the same first
 * character share it, so they are tried only where it occurs. */
static void join_patterns(struct buffer *to, enum group group)
{
    char first = '\0';

    for (const char *line = bots_file, *end; line != bots_file_end; line = end + 1) {
        end = memchr(line, '\n', (size_t)(bots_file_end - line));
        if (*line == '#' || group_of(line, (size_t)(end - line)) != group)
            continue;
        if (group == GROUP_OTHER) {
            buffer_add_string(to, to->len != 0 ? "|" : "");
        } else if (*line == first) {
            buffer_add_literal(to, "|");
            ++line;
        } else {
            buffer_add_string(to, to->len != 0 ? ")|" : "");
            buffer_add(to, line, 1);
            buffer_add_literal(to, "(?:");
            first = *line++;
        }
        buffer_add(to, line, (size_t)(end - line));
    }
    buffer_add_string(to, group == GROUP_OTHER ? "" : ")");
}

/* Makes machine code read-only. PCRE2 (10.42) maps it writable and executable at once, which helps
 * attackers, and does not say where; so this looks for it in /proc. */
static void seal(struct bots *bots)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long from, to, inode;
    char line[512];

    while (maps != NULL && bots->n_areas < MAX_AREAS && fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx rwxp %*x %*x:%*x %lu", &from, &to, &inode) == 3 && inode == 0 &&
            mprotect((void *)from, to - from, PROT_READ | PROT_EXEC) == 0)
            bots->areas[bots->n_areas++] = (struct area){(void *)from, to - from};
    if (maps != NULL)
        fclose(maps);
}

/* Makes machine code writable again, as PCRE2 needs it to free it. */
static void unseal(const struct bots *bots)
{
    for (size_t i = 0; i < bots->n_areas; ++i)
        if (mprotect(bots->areas[i].at, bots->areas[i].len, PROT_READ | PROT_WRITE) != 0)
            abort();
}

/* Returns NULL with a sentence in `error` when PCRE2 refuses a pattern. */
static pcre2_code *compile(enum group group, char *error, size_t error_size)
{
    struct buffer text = {0};
    PCRE2_UCHAR reason[128];
    PCRE2_SIZE at;
    pcre2_code *code;
    int number;

    join_patterns(&text, group);
    code = pcre2_compile((PCRE2_SPTR)text.bytes, text.len, PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY,
                         &number, &at, NULL);
    if (code == NULL) {
        pcre2_get_error_message(number, reason, sizeof(reason));
        snprintf(error, error_size, "the patterns of bots cannot be compiled: %s, before %.40s",
                 (const char *)reason, text.bytes + at);
    }
    buffer_free(&text);
    return code;
}

struct bots *bots_compile(char *error, size_t error_size)
{
    struct bots *bots = memory_allocate(1, sizeof(*bots));

    bots->are_jit = true;
    for (enum group group = 0; group < N_GROUPS; ++group) {
        bots->codes[group] = compile(group, error, error_size);
        if (bots->codes[group] == NULL) {
            bots_free(bots);
            return NULL;
        }
        bots->are_jit &= pcre2_jit_compile(bots->codes[group], PCRE2_JIT_COMPLETE) == 0;
    }
    seal(bots);
    return bots;
}

void bots_free(struct bots *bots)
{
    if (bots == NULL)
        return;
    unseal(bots);
    for (enum group group = 0; group < N_GROUPS; ++group)
        pcre2_code_free(bots->codes[group]);
    free(bots);
}

bool bots_are_jit(const struct bots *bots)
{
    return bots->are_jit;
}

struct bots_matcher *bots_matcher_create(const struct bots *bots)
{
    struct bots_matcher *matcher = memory_allocate(1, sizeof(*matcher));

    matcher->bots = bots;
    matcher->match = pcre2_match_data_create(1, NULL);
    matcher->limits = pcre2_match_context_create(NULL);
    if (matcher->match == NULL || matcher->limits == NULL)
        abort();
    pcre2_set_match_limit(matcher->limits, BOTS_MATCH_LIMIT);
    return matcher;
}

void bots_matcher_destroy(struct bots_matcher *matcher)
{
    if (matcher == NULL)
        return;
    pcre2_match_context_free(matcher->limits);
    pcre2_match_data_free(matcher->match);
    free(matcher);
}

bool bots_match(struct bots_matcher *matcher, const char *agent, size_t len)
{
    /* a truncated agent has no end to match */
    uint32_t options = len > BOTS_MAX_AGENT_BYTES ? PCRE2_NOTEOL : 0;

    if (len > BOTS_MAX_AGENT_BYTES)
        len = BOTS_MAX_AGENT_BYTES;
    for (enum group group = 0; group < N_GROUPS; ++group)
        if (pcre2_match(matcher->bots->codes[group], (PCRE2_SPTR)agent, len, 0, options,
                        matcher->match, matcher->limits) >= 0)
            return true;
    return false;
}
