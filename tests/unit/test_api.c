/* Rules of all messages between the services, new lanes, and messages in one direction. */
#include "tests/unit/api_fixture.h"

/* --- all messages --- */

static const struct {
    decode_function decoder;
    const char *good;
} messages[] = {
    {decode_lane, "{\"lane\": 17, \"sequence\": 0}"},
    {decode_hits, "{\"lane\": 17, \"sequence\": 4, \"paths\": [\"/a\", \"/b\"], \"hits\": [2, 1]}"},
    {decode_counts, "{\"lane\": 17, \"sequence\": 4, \"repeat\": false, \"counts\": [8, 3]}"},
    {decode_rows, "{\"paths\": [\"/b\", \"/a\"], \"counts\": [9, 8], \"next\": \"8:/a\", "
                  "\"previous\": \"10:/c\", "
                  "\"totals\": {\"paths\": 2, \"hits\": 17}}"},
};

static void the_messages_of_the_contract_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++)
        assert_taken(messages[i].decoder, messages[i].good);
}

static void a_body_that_is_not_one_json_object_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"", NO_JSON},
        {" ", NO_JSON},
        {"{", NO_JSON},
        {"{}x", NO_JSON},
        {"{}{}", NO_JSON},
        {"{} 1", NO_JSON},
        {"{'lane': 1}", NO_JSON},
        {"{\"lane\": 1,}", NO_JSON},
        {"{\"lane\": 01}", NO_JSON},
        {"{\"lane\": +1}", NO_JSON},
        {"{\"lane\": NaN}", NO_JSON},
        {"{lane: 1}", NO_JSON},
        {"// {}\n{}", NO_JSON},
        {"\xef\xbb\xbf{}", NO_JSON},
        {"[]", NO_OBJECT},
        {"[{}]", NO_OBJECT},
        {"null", NO_JSON}, /* for jansson, JSON is a list or an object */
        {"17", NO_JSON},
        {"\"{}\"", NO_JSON},
        {"true", NO_JSON},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++)
        assert_refusals(messages[i].decoder, refusals, SIZE(refusals));
}

/* Decodes each valid message with more members at its beginning. */
static void assert_with(const char *members, const char *sentence)
{
    for (size_t i = 0; i < SIZE(messages); i++) {
        struct buffer json = {0};

        buffer_add_literal(&json, "{");
        buffer_add_string(&json, members);
        buffer_add_literal(&json, ", ");
        buffer_add_string(&json, messages[i].good + 1);
        if (sentence == NULL) {
            buffer_add(&json, "", 1);
            assert_taken(messages[i].decoder, json.bytes);
        } else {
            assert_refused_bytes(messages[i].decoder, json.bytes, json.len, sentence);
        }
        buffer_free(&json);
    }
}

static void unknown_members_are_ignored(void **state)
{
    (void)state;
    assert_with("\"later\": 1", NULL);
    assert_with("\"Lane\": \"x\", \"\": null, \"lane \": []", NULL);
    assert_with("\"x\": {\"lane\": 5, \"sequence\": -1, \"paths\": 7}", NULL);
    assert_with("\"x\": [1.5, true, {\"y\": [[[]]]}]", NULL);
    assert_with("\"\\u006Cater\": \"\\ud83d\\ude00\"", NULL);
}

static void repeated_members_nul_and_malformed_text_are_refused_everywhere(void **state)
{
    (void)state;
    assert_with("\"x\": 1, \"x\": 1", NO_JSON);
    assert_with("\"x\": {\"y\": 1, \"y\": 2}", NO_JSON);
    assert_with("\"x\": 1, \"\\u0078\": 1", NO_JSON);
    assert_with("\"x\": \"\\u0000\"", NO_JSON);
    assert_with("\"\\u0000\": 1", NO_JSON);
    assert_with("\"x\": \"\xff\"", NO_JSON);
    assert_with("\"x\": \"\xc0\xaf\"", NO_JSON);
    assert_with("\"x\": \"\xed\xa0\x80\"", NO_JSON);
    assert_with("\"x\": \"\xf4\x90\x80\x80\"", NO_JSON);
    assert_with("\"x\": \"\xc3\"", NO_JSON);
    assert_with("\"x\": \"\\ud83d\"", NO_JSON);
    assert_with("\"x\": \"\\ude00\"", NO_JSON);
    assert_with("\"x\": \"\\ude00\\ud83d\"", NO_JSON);
    assert_with("\"x\": \"\\ud83d\\u0041\"", NO_JSON);
    assert_with("\"x\": \"\\x41\"", NO_JSON);
    assert_with("\"x\": \"a\nb\"", NO_JSON);
    assert_with("\"x\": 99999999999999999999", NO_JSON);
    assert_with("\"x\": -99999999999999999999", NO_JSON);
    assert_with("\"x\": 1e999", NO_JSON);
}

static void a_raw_nul_is_refused_inside_and_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++) {
        char json[256];
        size_t len = strlen(messages[i].good);

        memcpy(json, messages[i].good, len + 1);
        assert_refused_bytes(messages[i].decoder, json, len + 1, NO_JSON);
        json[1] = '\0';
        assert_refused_bytes(messages[i].decoder, json, len, NO_JSON);
    }
}

static void a_message_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE(messages); i++)
        for (size_t len = 0; len < strlen(messages[i].good); len++)
            assert_refused_bytes(messages[i].decoder, messages[i].good, len, NO_JSON);
}

static void nesting_beyond_the_limit_is_refused(void **state)
{
    static const char *const openings[] = {"[", "{\"x\":"};
    static const size_t depths[] = {3000, 1000000};

    (void)state;
    for (size_t i = 0; i < SIZE(openings) * SIZE(depths); i++) {
        struct buffer members = {0};

        buffer_add_literal(&members, "\"x\": ");
        for (size_t depth = depths[i / 2]; depth > 0; depth--)
            buffer_add_string(&members, openings[i % 2]);
        for (size_t depth = depths[i / 2]; depth > 0; depth--)
            buffer_add_string(&members, i % 2 == 0 ? "]" : depth == depths[i / 2] ? "1}" : "}");
        buffer_add(&members, "", 1);
        assert_with(members.bytes, NO_JSON);
        buffer_free(&members);
    }
}

/* --- a new lane --- */

static void a_lane_comes_back(void **state)
{
    static const int64_t lanes[] = {1, 17, LANE_MAX - 1, LANE_MAX};

    (void)state;
    for (size_t i = 0; i < SIZE(lanes); i++) {
        struct buffer json = {0};
        const char *error;
        char expected[64];
        int64_t lane;

        lane_encode(&json, lanes[i]);
        assert_int_equal(lane_decode(json.bytes, json.len, &lane, &error), 0);
        assert_int_equal(lane, lanes[i]);
        snprintf(expected, sizeof(expected), "{\"lane\":%lld,\"sequence\":0}", (long long)lanes[i]);
        assert_text(&json, expected);
    }
}

static void an_answer_without_a_new_lane_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", BAD_ANSWER},
        {"{\"lane\": 17}", BAD_ANSWER},
        {"{\"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 0, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": -1, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 9007199254740993, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 9223372036854775807, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 9223372036854775808, \"sequence\": 0}", NO_JSON},
        {"{\"lane\": 17, \"sequence\": 1}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": -1}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": null}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": false}", BAD_ANSWER},
        {"{\"lane\": 17, \"sequence\": 0.0}", BAD_ANSWER},
        {"{\"lane\": 17.0, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 1e1, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": \"17\", \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": null, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": true, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": [17], \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": {}, \"sequence\": 0}", BAD_ANSWER},
        {"{\"LANE\": 17, \"sequence\": 0}", BAD_ANSWER},
        {"{\"lane\": 17, \"lane\": 17, \"sequence\": 0}", NO_JSON},
        {"{\"lane\": 17, \"sequence\": 0, \"sequence\": 0}", NO_JSON},
    };

    (void)state;
    assert_refusals(decode_lane, refusals, SIZE(refusals));
}

/* --- messages in one direction --- */

static void a_row_totals_and_a_problem_are_written_as_the_contract_says(void **state)
{
    const struct row row = {"/\"\\\x1f\xc3\xa9", 6, INT64_MAX, 2};
    const struct row overflow = {PATH_OVERFLOW, strlen(PATH_OVERFLOW), 8, 0};
    const struct totals totals = {2, 17, 4};
    struct buffer json = {0};

    (void)state;
    row_encode(&json, &row);
    assert_text(&json,
                "{\"path\":\"/\\\"\\\\\\u001F\xc3\xa9\",\"count\":9223372036854775807,\"bots\":2}");
    row_encode(&json, &overflow);
    assert_text(&json, "{\"path\":\"(other paths)\",\"count\":8,\"bots\":0,\"overflow\":true}");
    totals_encode(&json, &totals);
    assert_text(&json, "{\"paths\":2,\"hits\":17,\"bots\":4}");
    problem_encode(&json, 400, "Why.", NULL);
    assert_text(&json, "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                       "\"detail\":\"Why.\"}");
    problem_encode(&json, 409, "Lane \"17\" is\nunknown.", "4bf92f");
    assert_text(&json, "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
                       "\"detail\":\"Lane \\\"17\\\" is\\u000Aunknown.\",\"trace\":\"4bf92f\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_the_contract_are_understood),
        cmocka_unit_test(a_body_that_is_not_one_json_object_is_refused),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(repeated_members_nul_and_malformed_text_are_refused_everywhere),
        cmocka_unit_test(a_raw_nul_is_refused_inside_and_behind),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(nesting_beyond_the_limit_is_refused),
        cmocka_unit_test(a_lane_comes_back),
        cmocka_unit_test(an_answer_without_a_new_lane_is_refused),
        cmocka_unit_test(a_row_totals_and_a_problem_are_written_as_the_contract_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
