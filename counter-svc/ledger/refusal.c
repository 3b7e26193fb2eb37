#include "counter-svc/ledger/refusal.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *sqlstate, *remedy;
} REMEDIES[] = {
    {"3F000", " Create a schema, and name it in the search_path of the role."},
    {"42501",
     " Grant this to the role of counter-svc, or make the role the owner of the database and "
     "of its tables."},
};

bool refusal_is_of_class(const char *sqlstate, const char *classes)
{
    for (const char *at = classes;; at += 3) {
        if (strncmp(sqlstate, at, 2) == 0)
            return true;
        if (at[2] == '\0')
            return false;
    }
}

bool refusal_is_pooled(const char *sqlstate)
{
    return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0;
}

bool refusal_is_read_only(const char *sqlstate)
{
    return strcmp(sqlstate, "25006") == 0;
}

const char *refusal_reason(const char *what, const char *sqlstate, const char *message,
                           char reason[REASON_BYTES])
{
    const char *remedy = "";

    for (size_t i = 0; i < sizeof(REMEDIES) / sizeof(REMEDIES[0]); ++i)
        if (strcmp(sqlstate, REMEDIES[i].sqlstate) == 0)
            remedy = REMEDIES[i].remedy;
    if (refusal_is_pooled(sqlstate))
        snprintf(reason, REASON_BYTES, "%s", REASON_POOLED);
    else if (refusal_is_read_only(sqlstate))
        snprintf(reason, REASON_BYTES, "%s", REASON_READ_ONLY);
    else /* a long message is cut, not the remedy */
        snprintf(reason, REASON_BYTES, "%s: %.256s.%s", what, message, remedy);
    return reason;
}
