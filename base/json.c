#include "base/json.h"

#include "base/memory.h"

#include <stdlib.h>

static void *allocate(size_t size)
{
    return memory_resize(NULL, size);
}

/* Makes jansson use allocations that end the process if memory runs out. Otherwise it might drop a
 * character from a text and continue, and a hit would be counted on another path. */
static void __attribute__((constructor)) set_memory(void)
{
    json_set_alloc_funcs(allocate, free);
}

json_t *json_load_object(const char *json, size_t len, const char **error)
{
    json_t *object = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object)) {
        *error = object == NULL ? "The body is not JSON." : "The body is not a JSON object.";
        json_decref(object);
        return NULL;
    }
    return object;
}
