/* Memory that held a secret is wiped before it is freed. The test searches each block that this
 * program or libyaml frees. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <malloc.h>

#include "tests/unit/config_fixture.h"

/* Short enough for libyaml's first buffer. A buffer that grows leaves a copy of the secret. */
#define SECRET "correct-horse-battery"

static int frees, frees_with_secret;

static void observe(const void *block, size_t size)
{
    frees++;
    if (memmem(block, size, SECRET, strlen(SECRET)) != NULL)
        frees_with_secret++;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

/* Hooks of the sanitizers' own free. Debian's gcc does not have their header,
 * allocator_interface.h. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
int __sanitizer_get_ownership(const volatile void *block);
size_t __sanitizer_get_allocated_size(const volatile void *block);

static void ignore_malloc(const volatile void *block, size_t size)
{
    (void)block;
    (void)size;
}

static void before_free(const volatile void *block)
{
    const void *plain = (const void *)(uintptr_t)block;

    if (__sanitizer_get_ownership(block))
        observe(plain, __sanitizer_get_allocated_size(block));
}

static int watch_frees(void)
{
    return __sanitizer_install_malloc_and_free_hooks(ignore_malloc, before_free) > 0 ? 0 : -1;
}

#else

static void (*real_free)(void *block);

/* Takes the place of libc's free, also for libraries. */
void free(void *block)
{
    if (block == NULL || real_free == NULL)
        return;
    observe(block, malloc_usable_size(block));
    real_free(block);
}

static int watch_frees(void)
{
    *(void **)&real_free = dlsym(RTLD_NEXT, "free");
    return real_free != NULL ? 0 : -1;
}

#endif

static int begin_watching(void **state)
{
    begin(state);
    frees = 0;
    frees_with_secret = 0;
    return 0;
}

static void the_watch_sees_a_secret_that_is_not_wiped(void **state)
{
    static char *volatile copy; /* volatile, so that the compiler does not remove the copy */

    (void)state;
    /* cppcheck-suppress unusedAllocatedMemory */
    copy = strdup(SECRET);
    free(copy);
    assert_int_equal(frees_with_secret, 1);
}

static void no_memory_is_given_back_with_a_secret_from_its_file_in_it(void **state)
{
    (void)state;
    write_bytes(SECRET_NAME, SECRET, strlen(SECRET));
    frees_with_secret = 0; /* the test's own buffer */
    setenv("TOKEN_FILE", SECRET_NAME, 1);
    assert_loads(NULL);
    assert_string_equal(settings.token, SECRET);
    config_free(keys, &settings);
    assert_true(frees > 0);
    assert_int_equal(frees_with_secret, 0);
}

static void no_memory_is_given_back_with_an_overridden_secret_in_it(void **state)
{
    (void)state;
    write_bytes(FILE_NAME, "token: " SECRET "\n", strlen("token: " SECRET "\n"));
    setenv("TOKEN", "other", 1);
    frees_with_secret = 0;
    assert_int_equal(config_load(keys, &settings, FILE_NAME, error, sizeof(error)), 0);
    assert_string_equal(settings.token, "other");
    assert_int_equal(frees_with_secret, 0);
}

static void no_memory_is_given_back_with_a_secret_from_yaml_in_it(void **state)
{
    static const char *const files[] = {
        "token: " SECRET "\n", /* accepted */
        "wide: 1\ntoken: \"" SECRET "\"\n",
        "token: " SECRET "\nwide: x\n", /* refused after the secret */
        "token: " SECRET "\nspeed: 1\n",
        "token: " SECRET "\n- a\n",
        "token: \"" SECRET "\"\n}\n",
        "token: \"" SECRET "\" @\n",
        "--- &a\n" SECRET ": 5\n",
        "token: \"" SECRET "\\n\"\n", /* refused because of the secret */
        "token: [" SECRET "]\n",
        "speed: " SECRET "\n",
        SECRET ": 5\n",
        SECRET "\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        int result;

        write_bytes(FILE_NAME, files[i], strlen(files[i]));
        frees_with_secret = 0; /* the test's own buffer */
        result = config_load(keys, &settings, FILE_NAME, error, sizeof(error));
        config_free(keys, &settings);
        assert_int_equal(result, i < 2 ? 0 : -1);
        assert_int_equal(frees_with_secret, 0);
    }
}

static int enter_and_watch(void **state)
{
    return enter_scratch(state) == 0 ? watch_frees() : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_watching, end)
        TEST(the_watch_sees_a_secret_that_is_not_wiped),
        TEST(no_memory_is_given_back_with_a_secret_from_its_file_in_it),
        TEST(no_memory_is_given_back_with_an_overridden_secret_in_it),
        TEST(no_memory_is_given_back_with_a_secret_from_yaml_in_it),
    };

    return cmocka_run_group_tests(tests, enter_and_watch, leave_scratch);
}
