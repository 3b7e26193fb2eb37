/* The time to write and to read a message between the services, in each encoding and with each
 * candidate library. `make bench-encoding` prints a table.
 *
 * The messages are those of a busy service: a batch of 32 paths, and its answer with their counts
 * and 100 rows. Every reader checks each text for UTF-8 and NUL, as the services do. The readers of
 * the two libraries that are not used check nothing else. Each figure is the median of all rounds,
 * in microseconds of this thread's CPU time; the minimum and the maximum are beside it. The
 * subjects take turns in each round.
 */
#include "proto/encoding.h"
#include "proto/api.h"

#include <mpack.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define N_PATHS   32
#define N_ROWS    100
#define N_ROUNDS  15
#define ROUND_US  20000.0
#define PATH_SIZE 48

static struct {
    char paths[N_ROWS][PATH_SIZE];
    struct batch_entry entries[N_PATHS];
    struct hit_count numbers[N_PATHS];
    struct row row[N_ROWS];
    struct batch batch;
    struct rows rows;
} data;

static struct buffer out, scratch;
static size_t seen; /* the result of readers, so that the compiler cannot remove them */

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void make_data(void)
{
    for (size_t i = 0; i < N_ROWS; ++i) {
        int len = snprintf(data.paths[i], PATH_SIZE, "/articles/2026/%zu/%zu-of-them", i % 12, i);
        data.row[i] = (struct row){data.paths[i], (size_t)len, (int64_t)(100000 - i * 907), 0};
    }
    for (size_t i = 0; i < N_PATHS; ++i) {
        data.entries[i] = (struct batch_entry){data.row[i].path, data.row[i].path_len, 1, 0};
        data.numbers[i] = (struct hit_count){data.row[i].count, false};
    }
    data.batch = (struct batch){.lane = 3141592653589793,
                                .sequence = 2718,
                                .size = batch_sort(data.entries, N_PATHS),
                                .entries = data.entries};
    data.rows = (struct rows){.size = N_ROWS,
                              .rows = data.row,
                              .next = "10207:/articles/2026/3/99-of-them",
                              .next_len = 33,
                              .totals = {123456, 1234567890, 0}};
}

/* --- the code of the services --- */

static void write_batch(enum encoding encoding)
{
    hits_encode(&out, encoding, &data.batch);
}

static void read_batch(enum encoding encoding)
{
    const char *error;
    struct hits hits;

    must(hits_decode(out.bytes, out.len, encoding, &hits, &error) == 0);
    seen += hits.batch.size;
    hits_free(&hits);
}

static void write_answer(enum encoding encoding)
{
    scratch.len = 0;
    rows_encode(&scratch, encoding, &data.rows);
    counts_encode(&out, encoding, &data.batch, false, data.numbers);
    counts_add_rows(&out, encoding, &scratch);
}

static void read_answer(enum encoding encoding)
{
    static struct counts counts;
    const char *error;

    must(counts_decode(out.bytes, out.len, encoding, &data.batch, &counts, &error) == 0);
    seen += counts.rows.size;
    rows_free(&counts.rows);
}

static void write_batch_json(void)
{
    write_batch(ENCODING_JSON);
}

static void read_batch_json(void)
{
    read_batch(ENCODING_JSON);
}

static void write_answer_json(void)
{
    write_answer(ENCODING_JSON);
}

static void read_answer_json(void)
{
    read_answer(ENCODING_JSON);
}

static void write_batch_msgpack(void)
{
    write_batch(ENCODING_MSGPACK);
}

static void read_batch_msgpack(void)
{
    read_batch(ENCODING_MSGPACK);
}

static void write_answer_msgpack(void)
{
    write_answer(ENCODING_MSGPACK);
}

static void read_answer_msgpack(void)
{
    read_answer(ENCODING_MSGPACK);
}

/* --- lists instead of maps: values without names, and a reader that checks no structure --- */

static void write_answer_lists(void)
{
    struct encoder encoder = {.to = &out, .encoding = ENCODING_MSGPACK};

    encode_list(&encoder, 5);
    encode_int(&encoder, data.batch.lane);
    encode_int(&encoder, data.batch.sequence);
    encode_bool(&encoder, false);
    encode_list(&encoder, data.batch.size);
    for (size_t i = 0; i < data.batch.size; ++i)
        encode_int(&encoder, data.numbers[i].count);
    encode_list(&encoder, 6);
    encode_list(&encoder, data.rows.size);
    for (size_t i = 0; i < data.rows.size; ++i)
        encode_text(&encoder, data.row[i].path, data.row[i].path_len);
    encode_list(&encoder, data.rows.size);
    for (size_t i = 0; i < data.rows.size; ++i)
        encode_int(&encoder, data.row[i].count);
    encode_text(&encoder, data.rows.next, data.rows.next_len);
    encode_text(&encoder, NULL, 0);
    encode_int(&encoder, data.rows.totals.paths);
    encode_int(&encoder, data.rows.totals.hits);
}

static void read_values(void)
{
    struct msgpack_values values;
    struct value root;

    must(msgpack_read(out.bytes, out.len, &values, &root));
    seen += values.used;
    free(values.values);
}

/* --- msgpack-c's usual interface: a tree of objects --- */

static bool is_text(const char *text, size_t len)
{
    return utf8_is_valid(text, len) && memchr(text, '\0', len) == NULL;
}

static void look_at(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        must(is_text(object->via.str.ptr, object->via.str.size));
        break;
    case MSGPACK_OBJECT_ARRAY:
        for (uint32_t i = 0; i < object->via.array.size; ++i)
            look_at(&object->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        for (uint32_t i = 0; i < object->via.map.size; ++i) {
            look_at(&object->via.map.ptr[i].key);
            look_at(&object->via.map.ptr[i].val);
        }
        break;
    default:
        seen += (size_t)object->via.u64;
    }
}

static void read_objects(void)
{
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    must(msgpack_unpack_next(&unpacked, out.bytes, out.len, &at) == MSGPACK_UNPACK_SUCCESS);
    look_at(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
}

/* --- libmpack: tokens --- */

static void write_token(mpack_token_t token)
{
    mpack_tokbuf_t state = MPACK_TOKBUF_INITIAL_VALUE;
    char *at = buffer_reserve(&out, MPACK_MAX_TOKEN_LEN);
    size_t left = MPACK_MAX_TOKEN_LEN;

    must(mpack_write(&state, &at, &left, &token) == MPACK_OK);
    out.len += MPACK_MAX_TOKEN_LEN - left;
}

static void write_token_text(const char *text, size_t len)
{
    write_token(mpack_pack_str((mpack_uint32_t)len));
    buffer_add(&out, text, len);
}

static void write_token_name(const char *name)
{
    write_token_text(name, strlen(name));
}

static void write_token_int(int64_t number)
{
    write_token(mpack_pack_uint((mpack_uintmax_t)number));
}

static void write_token_list(size_t items)
{
    write_token(mpack_pack_array((mpack_uint32_t)items));
}

static void write_batch_tokens(void)
{
    write_token(mpack_pack_map(4));
    write_token_name("lane");
    write_token_int(data.batch.lane);
    write_token_name("sequence");
    write_token_int(data.batch.sequence);
    write_token_name("paths");
    write_token_list(data.batch.size);
    for (size_t i = 0; i < data.batch.size; ++i)
        write_token_text(data.entries[i].path, data.entries[i].path_len);
    write_token_name("hits");
    write_token_list(data.batch.size);
    for (size_t i = 0; i < data.batch.size; ++i)
        write_token_int(data.entries[i].hits);
}

static void write_answer_tokens(void)
{
    write_token(mpack_pack_map(5));
    write_token_name("lane");
    write_token_int(data.batch.lane);
    write_token_name("sequence");
    write_token_int(data.batch.sequence);
    write_token_name("repeat");
    write_token(mpack_pack_boolean(0));
    write_token_name("counts");
    write_token_list(data.batch.size);
    for (size_t i = 0; i < data.batch.size; ++i)
        write_token_int(data.numbers[i].count);
    write_token_name("rows");
    write_token(mpack_pack_map(5));
    write_token_name("paths");
    write_token_list(data.rows.size);
    for (size_t i = 0; i < data.rows.size; ++i)
        write_token_text(data.row[i].path, data.row[i].path_len);
    write_token_name("counts");
    write_token_list(data.rows.size);
    for (size_t i = 0; i < data.rows.size; ++i)
        write_token_int(data.row[i].count);
    write_token_name("next");
    write_token_text(data.rows.next, data.rows.next_len);
    write_token_name("previous");
    write_token(mpack_pack_nil());
    write_token_name("totals");
    write_token(mpack_pack_map(2));
    write_token_name("paths");
    write_token_int(data.rows.totals.paths);
    write_token_name("hits");
    write_token_int(data.rows.totals.hits);
}

static void read_tokens(void)
{
    const char *at = out.bytes;
    size_t left = out.len;

    while (left != 0) {
        mpack_tokbuf_t state = MPACK_TOKBUF_INITIAL_VALUE;
        mpack_token_t token;
        must(mpack_read(&state, &at, &left, &token) == MPACK_OK);
        if (token.type == MPACK_TOKEN_STR) { /* read its bytes here */
            must(token.length <= left && is_text(at, token.length));
            at += token.length;
            left -= token.length;
        } else if (token.type == MPACK_TOKEN_UINT) {
            seen += (size_t)mpack_unpack_uint(token);
        }
    }
}

/* --- measuring --- */

static const struct subject {
    const char *name;
    void (*write)(void);
    void (*read)(void);
} SUBJECTS[] = {
    {"batch: JSON, jansson", write_batch_json, read_batch_json},
    {"batch: MessagePack, as used", write_batch_msgpack, read_batch_msgpack},
    {"batch: msgpack-c's objects", write_batch_msgpack, read_objects},
    {"batch: libmpack's tokens", write_batch_tokens, read_tokens},
    {"answer: JSON, jansson", write_answer_json, read_answer_json},
    {"answer: MessagePack, as used", write_answer_msgpack, read_answer_msgpack},
    {"answer: msgpack-c's objects", write_answer_msgpack, read_objects},
    {"answer: libmpack's tokens", write_answer_tokens, read_tokens},
    {"answer: as used, the values alone", write_answer_msgpack, read_values},
    {"answer: the same in lists without names", write_answer_lists, read_values},
};

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void write_afresh(const struct subject *subject)
{
    out.len = 0;
    subject->write();
}

/* Repeats one operation for a round of ROUND_US. Returns its mean time in microseconds. */
static double measure(const struct subject *subject, bool reading)
{
    double since_us = now_us(), passed_us;
    unsigned times = 0;

    do {
        for (unsigned i = 0; i < 16; ++i, ++times) {
            if (reading)
                subject->read();
            else
                write_afresh(subject);
        }
        passed_us = now_us() - since_us;
    } while (passed_us < ROUND_US);
    return passed_us / times;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_times(double *times)
{
    qsort(times, N_ROUNDS, sizeof(*times), compare);
    printf(" %.2f (%.2f–%.2f) |", times[N_ROUNDS / 2], times[0], times[N_ROUNDS - 1]);
}

int main(void)
{
    static double times[SIZE(SUBJECTS)][2][N_ROUNDS];

    make_data();
    for (size_t round = 0; round < N_ROUNDS; ++round) {
        for (size_t i = 0; i < SIZE(SUBJECTS); ++i) {
            times[i][0][round] = measure(&SUBJECTS[i], false);
            times[i][1][round] = measure(&SUBJECTS[i], true);
        }
    }
    printf("| | bytes | to write, µs | to read, µs |\n|---|---|---|---|\n");
    for (size_t i = 0; i < SIZE(SUBJECTS); ++i) {
        write_afresh(&SUBJECTS[i]);
        printf("| %s | %zu |", SUBJECTS[i].name, out.len);
        print_times(times[i][0]);
        print_times(times[i][1]);
        printf("\n");
    }
    buffer_free(&out);
    buffer_free(&scratch);
    return seen != 0 ? 0 : 1;
}
