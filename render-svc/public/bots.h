/* Recognises the user agents of bots.
 *
 * The patterns are those of isbot, a public list (render-svc/bots/, tools/update-bots). PCRE2
 * matches them with JIT, in 5 µs for a browser's agent. The cost of an agent is limited: only its
 * first BOTS_MAX_AGENT_BYTES are matched, PCRE2 gives up after BOTS_MATCH_LIMIT steps, and the
 * machine code uses only the stack.
 */
#ifndef RENDER_PUBLIC_BOTS_H
#define RENDER_PUBLIC_BOTS_H

#include <stdbool.h>
#include <stddef.h>

#define BOTS_MAX_AGENT_BYTES 512
#define BOTS_MATCH_LIMIT     5000

/* The compiled patterns. Read only, so that all workers share them. */
struct bots;

/* Compiles the patterns. Call it before any thread starts and before sandbox_enter, because
 * afterwards no memory can become executable. No executable memory stays writable. Returns NULL,
 * with a sentence in `error`, if PCRE2 refuses the patterns. */
struct bots *bots_compile(char *error, size_t error_size);

/* Call it after all matchers are destroyed. Takes NULL. */
void bots_free(struct bots *bots);

/* Returns whether the patterns are compiled to machine code. If the kernel refuses executable
 * memory, they are interpreted. That takes forty times as long, with the same results. */
bool bots_are_jit(const struct bots *bots);

/* The matcher of a worker: memory for one match at a time. */
struct bots_matcher;
struct bots_matcher *bots_matcher_create(const struct bots *bots);

/* Takes NULL. */
void bots_matcher_destroy(struct bots_matcher *matcher);

/* Returns whether this value of User-Agent is a bot's. A value that exceeds the limits above counts
 * as a person's. From the worker's thread. */
bool bots_match(struct bots_matcher *matcher, const char *agent, size_t len);

#endif
