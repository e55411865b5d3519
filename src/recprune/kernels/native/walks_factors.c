/* What factors say of a history: the products of its sum with all items, and their softmax. */
#include "walks.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The sum of the rows of a history, of length 1 / temperature. */
static void ask(const Walks *t, Room *room, const int32_t *history, size_t length)
{
    float *query = room->query;
    double square = 0;
    memset(query, 0, wide(t) * sizeof *query);
    for (size_t i = 0; i < length; i++) {
        size_t item = (size_t)history[i];
        if (!t->groups) {
            const float *row = (const float *)t->rows.buf + item * t->width;
            for (size_t d = 0; d < t->width; d++)
                query[d] += row[d];
            continue;
        }
        const uint8_t *codes = (const uint8_t *)t->rows.buf + item * (t->groups + 1);
        const float *words = t->books + t->width * WORDS;
        for (size_t g = 0; g < t->groups; g++)
            for (size_t d = t->edges[g]; d < t->edges[g + 1]; d++)
                query[d] += t->books[d * WORDS + codes[0]] + words[d * WORDS + codes[g + 1]];
    }
    for (size_t d = 0; d < t->width; d++)
        square += (double)query[d] * (double)query[d];
    double norm = sqrt(square), by = 1 / ((norm > 1e-12 ? norm : 1e-12) * (double)t->temperature);
    for (size_t d = 0; d < t->width; d++)
        query[d] = (float)((double)query[d] * by);
}

/* Products of the query with all centres, and with the words of every group. */
INLINE void multiply_body(const Walks *t, Room *room)
{
    const float *words = t->books + t->width * WORDS;
    memset(room->products, 0, (t->groups + 1) * WORDS * sizeof(float));
    for (size_t g = 0; g < t->groups; g++)
        for (size_t d = t->edges[g]; d < t->edges[g + 1]; d++) {
            float *of_centres = room->products, *of_words = room->products + (g + 1) * WORDS, q = room->query[d];
            for (size_t w = 0; w < WORDS; w++)
                of_centres[w] += q * t->books[d * WORDS + w], of_words[w] += q * words[d * WORDS + w];
        }
}

INLINE uint64_t eight_codes(const uint8_t *at)
{
    uint64_t eight;
    memcpy(&eight, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}

/* Rows from the products: an item is read once, eight codes at a time, two items beside each other. Plain loads are as
 * fast here as gathers and faster on many machines. */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("no-tree-vectorize")))
#endif
static void add_products(const Walks *t, Room *room)
{
    size_t codes = t->groups + 1, last = t->items - 1;
    for (size_t item = 0; item < t->items; item += 2) {
        const uint8_t *one = (const uint8_t *)t->rows.buf + item * codes;
        const uint8_t *two = item < last ? one + codes : one;
        const float *of = room->products;
        float a = 0, b = 0;
        size_t g = 0;
        for (; g + 8 <= codes; g += 8, of += 8 * WORDS) {
            uint64_t x = eight_codes(one + g), y = eight_codes(two + g);
            _Pragma("GCC unroll 8") for (size_t i = 0; i < 8; i++, x >>= 8, y >>= 8)
                a += of[i * WORDS + (x & 255)], b += of[i * WORDS + (y & 255)];
        }
        for (; g < codes; g++, of += WORDS)
            a += of[one[g]], b += of[two[g]];
        room->likely[item] = a;
        if (item < last)
            room->likely[item + 1] = b;
    }
}

INLINE void rows_body(const Walks *t, Room *room)
{
    size_t d = t->width, whole = d / LANES * LANES;
    for (size_t item = 0; item < t->items; item++) {
        const float *row = (const float *)t->rows.buf + item * d;
        float sum[LANES] = {0};
        for (size_t i = 0; i < whole; i += LANES)
            for (size_t lane = 0; lane < LANES; lane++)
                sum[lane] += row[i + lane] * room->query[i + lane];
        for (size_t i = whole; i < d; i++)
            sum[i - whole] += row[i] * room->query[i];
        for (size_t half = LANES / 2; half; half /= 2)
            for (size_t lane = 0; lane < half; lane++)
                sum[lane] += sum[lane + half];
        room->likely[item] = sum[0];
    }
}

/* e^x for x <= 0, and the smallest that there is from -87 on: 2^n e^r, r at most log(2) / 2, by eight terms of its series. */
INLINE float exponential(float x)
{
    union {
        float f;
        int32_t i;
    } whole, power;
    x = x < -87.0f ? -87.0f : x;
    whole.f = x * 0x1.715476p+0f + 0x1.8p+23f;
    float n = whole.f - 0x1.8p+23f;
    float r = (x - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f; /* log(2) in two parts, so that n times the first is exact */
    float y = 1.0f / 5040;
    y = y * r + 1.0f / 720, y = y * r + 1.0f / 120, y = y * r + 1.0f / 24, y = y * r + 1.0f / 6;
    y = y * r + 0.5f, y = y * r + 1.0f, y = y * r + 1.0f;
    power.i = (whole.i - 0x4b400000 + 127) * (1 << 23);
    return y * power.f;
}

/* Products -> shares of their softmax, not yet divided by the sum, which is returned. */
INLINE double soften_body(const Walks *t, float *likely)
{
    size_t whole = padded(t);
    float most[LANES];
    double sums[LANES] = {0}, all = 0;
    for (size_t i = 0; i < LANES; i++)
        most[i] = -FLT_MAX;
    for (size_t at = t->items; at < whole; at++)
        likely[at] = -FLT_MAX;
    for (size_t at = 0; at < whole; at += LANES)
        for (size_t i = 0; i < LANES; i++) {
            likely[at + i] *= t->inverse[at + i];
            most[i] = likely[at + i] > most[i] ? likely[at + i] : most[i];
        }
    for (size_t i = 1; i < LANES; i++)
        most[0] = most[i] > most[0] ? most[i] : most[0];
    for (size_t at = 0; at < whole; at += LANES)
        for (size_t i = 0; i < LANES; i++)
            likely[at + i] = exponential(likely[at + i] - most[0]);
    for (size_t at = t->items; at < whole; at++)
        likely[at] = 0;
    for (size_t at = 0; at < whole; at += LANES)
        for (size_t i = 0; i < LANES; i++)
            sums[i] += (double)likely[at + i];
    for (size_t i = 0; i < LANES; i++)
        all += sums[i];
    return all;
}

typedef struct {
    void (*multiply)(const Walks *, Room *), (*rows)(const Walks *, Room *);
    double (*soften)(const Walks *, float *);
} Steps;

#define STEPS(NAME, TARGET)                                                                                            \
    TARGET static void multiply_##NAME(const Walks *t, Room *r) { multiply_body(t, r); }                               \
    TARGET static void rows_##NAME(const Walks *t, Room *r) { rows_body(t, r); }                                       \
    TARGET static double soften_##NAME(const Walks *t, float *x) { return soften_body(t, x); }                         \
    static const Steps steps_##NAME = {multiply_##NAME, rows_##NAME, soften_##NAME};

STEPS(portable, )
#ifdef HAVE_X86
STEPS(avx2, T256)
STEPS(avx512, T512)
#endif

static const Steps *steps_of(const Walks *t)
{
#ifdef HAVE_X86
    if (t->level == AVX512)
        return &steps_avx512;
    if (t->level == AVX2)
        return &steps_avx2;
#endif
    return &steps_portable;
}

double walks_likely(const Walks *t, Room *room, const int32_t *history, size_t length)
{
    const Steps *steps = steps_of(t);
    ask(t, room, history, length);
    if (t->groups) {
        steps->multiply(t, room);
        add_products(t, room);
    } else
        steps->rows(t, room);
    return steps->soften(t, room->likely);
}
