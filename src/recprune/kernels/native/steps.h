/* The steps of a program, written once. Whoever includes this has included avx512.h, avx2.h or portable.h before, and says
 * TALL and BROAD (rows, 2 or 6, and blocks of 16, 1 or 4, of a tile whose sums stay in registers) and STEP (the name of what
 * comes out). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "exponential.h"

enum { PER_BLOCK = LANES / WIDE };

TARGET INLINE V load(const float *at)
{
    V out;
    memcpy(&out, at, sizeof out);
    return out;
}

TARGET INLINE void store(float *at, V x) { memcpy(at, &x, sizeof x); }

/* Ones for the first `some` lanes. */
TARGET INLINE VI lanes(size_t some)
{
    VI out;
    for (size_t i = 0; i < WIDE; i++)
        out[i] = i < some ? -1 : 0;
    return out;
}

TARGET INLINE float total(V x)
{
    float out = 0;
    UNROLL for (int i = 0; i < WIDE; i++) out += x[i];
    return out;
}

/* --- rows of a table --- */

TARGET INLINE void decode(const Step *s, size_t row, float *out, const size_t d, const Kind kind)
{
    if (kind == FLOATS) {
        memcpy(out, (const float *)s->rows.buf + row * d, d * sizeof *out);
        return;
    }
    if (kind == CODEBOOK) {
        const uint8_t *codes = (const uint8_t *)s->rows.buf + row * (s->count + 1);
        const float *books = s->scale.buf, *centre = books + codes[0] * d;
        for (size_t g = 0; g < s->count; g++) {
            const float *word = books + (BOOK + codes[g + 1]) * d;
            for (size_t c = s->columns[g]; c < s->columns[g + 1]; c++)
                out[c] = centre[c] + word[c];
        }
        return;
    }
    const float scale = ((const float *)s->scale.buf)[row];
    if (kind == BYTES) {
        const int8_t *codes = (const int8_t *)s->rows.buf + row * d;
        for (size_t c = 0; c < d; c++)
            out[c] = (float)codes[c] * scale;
        return;
    }
    const size_t width = (d + 1) / 2;
    const uint8_t *codes = (const uint8_t *)s->rows.buf + row * width;
    for (size_t c = 0; c < width; c++)
        out[c] = (float)((codes[c] & 15) - 8) * scale;
    for (size_t c = 0; c < d - width; c++)
        out[width + c] = (float)((codes[c] >> 4) - 8) * scale;
}

/* out = row times the matrix of the step. */
TARGET static void turn(const Step *s, const float *row, float *out)
{
    const size_t d = s->d;
    memset(out, 0, d * sizeof *out);
    for (size_t i = 0; i < d; i++) {
        const float x = row[i], *by = s->numbers + i * d;
        for (size_t c = 0; c < d; c++)
            out[c] += x * by[c];
    }
}

TARGET static int look_up_turned(const Step *s, const Block *b)
{
    const Column *column = &b->columns[s->column];
    for (size_t r = 0; r < b->rows; r++) {
        const uint64_t row = (uint64_t)id_at(column, b->begin + r) + (uint64_t)s->offset;
        if (row >= s->n)
            return -1;
        decode(s, row, b->room, s->d, s->kind);
        turn(s, b->room, b->slots[s->into] + r * b->strides[s->into] + s->at);
    }
    return 0;
}

TARGET INLINE int look_up_all(const Step *s, const Block *b, const size_t d, const Kind kind)
{
    const Column *column = &b->columns[s->column];
    float one[1];
    for (size_t r = 0; r < b->rows; r++) {
        const uint64_t row = (uint64_t)id_at(column, b->begin + r) + (uint64_t)s->offset;
        if (row >= s->n)
            return -1;
        if (s->into != NOWHERE)
            decode(s, row, b->slots[s->into] + r * b->strides[s->into] + s->at, d, kind);
        else {
            decode(s, row, one, 1, kind);
            b->logits[r] += one[0];
        }
    }
    return 0;
}

TARGET INLINE int look_up_kind(const Step *s, const Block *b, const Kind kind)
{
    switch (s->d) {
    case 1: return look_up_all(s, b, 1, kind);
    case 8: return look_up_all(s, b, 8, kind);
    case 16: return look_up_all(s, b, 16, kind);
    default: return look_up_all(s, b, s->d, kind);
    }
}

TARGET static int look_up(const Step *s, const Block *b)
{
    if (s->numbers)
        return look_up_turned(s, b);
    switch (s->kind) {
    case BYTES: return look_up_kind(s, b, BYTES);
    case NIBBLES: return look_up_kind(s, b, NIBBLES);
    case CODEBOOK: return look_up_all(s, b, s->d, CODEBOOK);
    default: return look_up_kind(s, b, FLOATS);
    }
}

/* The mean of the rows of all ids of a row but 0; zeros where there is none. */
TARGET static int mean(const Step *s, const Block *b)
{
    const Column *column = &b->columns[s->column];
    for (size_t r = 0; r < b->rows; r++) {
        float one = 0, *out = s->into == NOWHERE ? &one : b->slots[s->into] + r * b->strides[s->into] + s->at;
        size_t there = 0;
        memset(out, 0, s->d * sizeof *out);
        for (size_t j = 0; j < column->width; j++) {
            const uint64_t row = (uint64_t)id_at(column, (b->begin + r) * column->width + j);
            if (row >= s->n)
                return -1;
            if (!row)
                continue;
            decode(s, row, b->room, s->d, s->kind);
            for (size_t c = 0; c < s->d; c++)
                out[c] += b->room[c];
            there++;
        }
        for (size_t c = 0; c < s->d && there; c++)
            out[c] /= (float)there;
        if (s->numbers) {
            memcpy(b->room, out, s->d * sizeof *out);
            turn(s, b->room, out);
        }
        if (s->into == NOWHERE)
            b->logits[r] += one;
    }
    return 0;
}

/* --- numbers --- */

TARGET static void standard(const Step *s, const Block *b)
{
    const float *centre = s->numbers, *scale = s->numbers + s->count;
    for (size_t i = 0; i < s->count; i++) {
        const float *from = (const float *)b->columns[s->columns[i]].data + b->begin;
        for (size_t r = 0; r < b->rows; r++) {
            const float apart = from[r] - centre[i], z = apart * scale[i];
            const float most = z > FLT_MAX ? FLT_MAX : z < -FLT_MAX ? -FLT_MAX : z;
            b->slots[s->into][r * b->strides[s->into] + i] = isnan(z) ? 0 : most;
            if (s->first != NOWHERE)
                b->slots[s->first][r * b->strides[s->first] + i] = isnan(apart) ? 1 : 0;
        }
    }
}

TARGET static void spread(const Step *s, const Block *b)
{
    const size_t all_of = s->count * s->d;
    const float *weight = s->numbers, *bias = weight + all_of, *missing = bias + all_of;
    for (size_t r = 0; r < b->rows; r++) {
        const float *z = b->slots[s->slot] + r * b->strides[s->slot];
        const float *gone = s->first == NOWHERE ? NULL : b->slots[s->first] + r * b->strides[s->first];
        float *out = b->slots[s->into] + r * b->strides[s->into] + s->at;
        for (size_t i = 0; i < s->count; i++)
            for (size_t c = 0; c < s->d; c++) {
                const size_t at = i * s->d + c;
                out[at] = z[i] * weight[at] + bias[at];
                if (gone)
                    out[at] += gone[i] * missing[at];
            }
    }
}

/* --- layers --- */

typedef struct {
    const float *x, *weight, *bias, *first, *plus;
    float *out;
    size_t xs, outs, firsts, pluses, in;
    int relu;
} Tile;

/* `rows` x 16 `blocks` of a layer; both are constants, so that all sums stay in registers. */
TARGET INLINE void tile(const Tile *t, const int rows, const int blocks)
{
    const size_t block = t->in * LANES;
    V sum[TALL * BROAD * PER_BLOCK];
    UNROLL for (int i = 0; i < rows * blocks * PER_BLOCK; i++) sum[i] = (V){0};
    for (size_t k = 0; k < t->in; k++) {
        V w[BROAD * PER_BLOCK];
        UNROLL for (int j = 0; j < blocks * PER_BLOCK; j++) w[j] =
            load(t->weight + (size_t)(j / PER_BLOCK) * block + k * LANES + (size_t)(j % PER_BLOCK) * WIDE);
        UNROLL for (int r = 0; r < rows; r++)
        {
            const V x = all(t->x[(size_t)r * t->xs + k]);
            UNROLL for (int j = 0; j < blocks * PER_BLOCK; j++) sum[r * blocks * PER_BLOCK + j] =
                FMA(w[j], x, sum[r * blocks * PER_BLOCK + j]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int j = 0; j < blocks * PER_BLOCK; j++)
        {
            const size_t at = (size_t)j * WIDE, row = (size_t)r;
            V y = sum[r * blocks * PER_BLOCK + j] + load(t->bias + at);
            if (t->first)
                y = y * load(t->first + row * t->firsts + at);
            if (t->plus)
                y = y + load(t->plus + row * t->pluses + at);
            if (t->relu)
                y = (V)((VI)y & ~(VI)(y < (V){0})); /* NaN stays NaN */
            store(t->out + row * t->outs + at, y);
        }
    }
}

typedef void (*Tiles)(const Tile *);

#define ONE_TILE(ROWS, BLOCKS)                                                                                         \
    TARGET static void tile_##ROWS##_##BLOCKS(const Tile *t) { tile(t, ROWS, BLOCKS); }
#if TALL == 6
#define FOR_ROWS(BLOCKS)                                                                                               \
    ONE_TILE(1, BLOCKS) ONE_TILE(2, BLOCKS) ONE_TILE(3, BLOCKS) ONE_TILE(4, BLOCKS) ONE_TILE(5, BLOCKS)                \
    ONE_TILE(6, BLOCKS)
#define NAMED(BLOCKS)                                                                                                  \
    {tile_1_##BLOCKS, tile_2_##BLOCKS, tile_3_##BLOCKS, tile_4_##BLOCKS, tile_5_##BLOCKS, tile_6_##BLOCKS}
#else
#define FOR_ROWS(BLOCKS) ONE_TILE(1, BLOCKS) ONE_TILE(2, BLOCKS)
#define NAMED(BLOCKS) {tile_1_##BLOCKS, tile_2_##BLOCKS}
#endif
FOR_ROWS(1)
#if BROAD == 4
FOR_ROWS(2)
FOR_ROWS(3)
FOR_ROWS(4)
static const Tiles tiles[BROAD][TALL] = {NAMED(1), NAMED(2), NAMED(3), NAMED(4)};
#else
static const Tiles tiles[BROAD][TALL] = {NAMED(1)};
#endif

/* The layer on one of the vectors that stand side by side. What it writes beyond one is 0, and the next one's place. */
TARGET static void layer(const Step *s, const Block *b, const size_t vector)
{
    const size_t blocks = (s->d + LANES - 1) / LANES, from = vector * s->n, to = vector * s->d;
    for (size_t block = 0; block < blocks; block += BROAD) {
        const size_t some = blocks - block < BROAD ? blocks - block : BROAD;
        for (size_t r = 0; r < b->rows; r += TALL) {
            const size_t rows = b->rows - r < TALL ? b->rows - r : TALL, at = block * LANES;
            const Tile t = {
                .x = b->slots[s->slot] + r * b->strides[s->slot] + from,
                .xs = b->strides[s->slot],
                .weight = s->numbers + block * s->n * LANES,
                .bias = s->bias + at,
                .first = s->first == NOWHERE ? NULL : b->slots[s->first] + r * b->strides[s->first] + at,
                .firsts = s->first == NOWHERE ? 0 : b->strides[s->first],
                .plus = s->plus == NOWHERE ? NULL : b->slots[s->plus] + r * b->strides[s->plus] + at,
                .pluses = s->plus == NOWHERE ? 0 : b->strides[s->plus],
                .out = b->slots[s->into] + r * b->strides[s->into] + to + at,
                .outs = b->strides[s->into],
                .in = s->n,
                .relu = s->relu,
            };
            tiles[some - 1][rows - 1](&t);
        }
    }
}

/* --- what adds to the logit --- */

/* Half of the squared sum less the sum of squares, of vectors that stand side by side. What is read beyond one is
 * masked. */
TARGET static void pairs(const Step *s, const Block *b)
{
    const VI last = lanes(s->d % WIDE);
    for (size_t r = 0; r < b->rows; r++) {
        const float *x = b->slots[s->slot] + r * b->strides[s->slot];
        V found = {0};
        for (size_t c = 0; c < s->d; c += WIDE) {
            V sum = {0}, squares = {0};
            for (size_t f = 0; f < s->count; f++) {
                V y = load(x + f * s->d + c);
                if (c + WIDE > s->d)
                    y = (V)((VI)y & last);
                sum += y;
                squares = FMA(y, y, squares);
            }
            found += sum * sum - squares;
        }
        b->logits[r] += total(found) / 2;
    }
}

TARGET static void dot(const Step *s, const Block *b)
{
    const size_t stride = b->strides[s->slot];
    for (size_t r = 0; r < b->rows; r++) {
        const float *x = b->slots[s->slot] + r * stride;
        V sum = {0};
        for (size_t k = 0; k < stride; k += WIDE)
            sum = FMA(load(x + k), load(s->numbers + k), sum);
        b->logits[r] += total(sum);
    }
}

TARGET static void product(const Step *s, const Block *b)
{
    const size_t stride = b->strides[s->into];
    for (size_t r = 0; r < b->rows; r++)
        for (size_t k = 0; k < stride; k += WIDE)
            store(b->slots[s->into] + r * stride + k,
                  load(b->slots[s->slot] + r * stride + k) * load(b->slots[s->first] + r * stride + k));
}

/* --- attention between vectors --- */

/* Shares of so many vectors for one query, into `shares`; keys are (width, wide). Returns what they are to be divided
 * by. */
TARGET INLINE float shares_of(const size_t d, const size_t count, const size_t wide, const float *query,
                              const float *keys, float *shares)
{
    float most = -INFINITY;
    V sum = {0};
    for (size_t c = 0; c < count; c += WIDE) {
        V score = {0};
        for (size_t i = 0; i < d; i++)
            score = FMA(load(keys + i * wide + c), all(query[i]), score);
        store(shares + c, score);
    }
    for (size_t g = 0; g < count; g++)
        most = shares[g] > most ? shares[g] : most;
    for (size_t c = 0; c < count; c += WIDE) {
        const V one = exponential(load(shares + c) - all(most));
        const V here = (V)((VI)one & lanes(count - c));
        store(shares + c, here);
        sum += here;
    }
    return total(sum);
}

/* Every head compares each vector with all, takes shares by a softmax and adds up; then the rest, and ReLU. */
TARGET static void attend(const Step *s, const Block *b)
{
    const size_t all_heads = s->n * s->d, wide = padded(s->count);
    float *keys = b->room, *shares = keys + s->d * wide;
    for (size_t place = 0; place < b->rows * s->n; place++) {
        const size_t r = place / s->n, at = place % s->n * s->d;
        const float *query = b->slots[s->slot] + r * b->strides[s->slot] + at;
        const float *key = b->slots[s->first] + r * b->strides[s->first] + at;
        const float *value = b->slots[s->plus] + r * b->strides[s->plus] + at;
        const float *rest = b->slots[s->rest] + r * b->strides[s->rest] + at;
        float *out = b->slots[s->into] + r * b->strides[s->into] + at;
        for (size_t f = 0; f < s->count; f++)
            for (size_t i = 0; i < s->d; i++)
                keys[i * wide + f] = key[f * all_heads + i];
        for (size_t f = 0; f < s->count; f++) {
            const float part = 1 / shares_of(s->d, s->count, wide, query + f * all_heads, keys, shares);
            for (size_t c = 0; c < s->d; c += WIDE) {
                V mixed = {0};
                for (size_t g = 0; g < s->count; g++)
                    mixed = FMA(load(value + g * all_heads + c), all(shares[g]), mixed);
                V y = mixed * all(part) + load(rest + f * all_heads + c);
                y = (V)((VI)y & ~(VI)(y < (V){0}));
                const size_t some = s->d - c < WIDE ? s->d - c : WIDE;
                memcpy(out + f * all_heads + c, &y, some * sizeof *out);
            }
        }
    }
}

/* --- rows that are a sequence --- */

TARGET static void sum(const Step *s, const Block *b)
{
    const size_t stride = b->strides[s->into];
    for (size_t at = 0; at < b->rows * stride; at += WIDE)
        store(b->slots[s->into] + at, load(b->slots[s->slot] + at) + load(b->slots[s->first] + at));
}

/* (x - mean) / deviation * weight + bias of every row. */
TARGET static void norm(const Step *s, const Block *b)
{
    const size_t stride = b->strides[s->into];
    for (size_t r = 0; r < b->rows; r++) {
        const float *x = b->slots[s->slot] + r * stride;
        V sums = {0}, squares = {0};
        for (size_t c = 0; c < stride; c += WIDE) /* zeros behind the last */
            sums += load(x + c);
        const float mean = total(sums) / (float)s->d;
        for (size_t c = 0; c < s->d; c += WIDE) {
            V apart = load(x + c) - all(mean);
            if (c + WIDE > s->d)
                apart = (V)((VI)apart & lanes(s->d - c));
            squares = FMA(apart, apart, squares);
        }
        const float by = 1 / sqrtf(total(squares) / (float)s->d + s->least);
        for (size_t c = 0; c < stride; c += WIDE) { /* weight and bias are zero behind the last */
            V y = FMA((load(x + c) - all(mean)) * all(by), load(s->numbers + c), load(s->bias + c));
            if (s->relu)
                y = (V)((VI)y & ~(VI)(y < (V){0})); /* NaN stays NaN */
            store(b->slots[s->into] + r * stride + c, y);
        }
    }
}

/* Every head compares each row with those before it and itself, takes shares by a softmax and adds up. */
TARGET static void look_back(const Step *s, const Block *b)
{
    const size_t wide = padded(b->rows), from = s->tail ? b->rows - 1 : 0;
    float *keys = b->room, *shares = keys + s->d * wide;
    for (size_t head = 0; head < s->n; head++) {
        const size_t at = head * s->d;
        const size_t queries = b->strides[s->slot], of_keys = b->strides[s->first], values = b->strides[s->plus];
        for (size_t g = 0; g < b->rows; g++)
            for (size_t i = 0; i < s->d; i++)
                keys[i * wide + g] = b->slots[s->first][g * of_keys + at + i];
        for (size_t r = from; r < b->rows; r++) {
            const float part =
                1 / shares_of(s->d, r + 1, wide, b->slots[s->slot] + r * queries + at, keys, shares);
            float *out = b->slots[s->into] + r * b->strides[s->into] + at;
            for (size_t c = 0; c < s->d; c += WIDE) {
                V mixed = {0};
                for (size_t g = 0; g <= r; g++)
                    mixed = FMA(load(b->slots[s->plus] + g * values + at + c), all(shares[g]), mixed);
                mixed *= all(part);
                memcpy(out + c, &mixed, (s->d - c < WIDE ? s->d - c : WIDE) * sizeof *out);
            }
        }
    }
}

TARGET INLINE V magnitude(V x) { return (V)((VI)x & 0x7fffffff); }

/* a where x is below 0, else b. */
TARGET INLINE V where_below(V x, V a, V b)
{
    const VI below = x < (V){0};
    return (V)(((VI)a & below) | ((VI)b & ~below));
}

TARGET INLINE V sigmoid(V x)
{
    const V e = exponential(-magnitude(x)), y = all(1) / (all(1) + e);
    return where_below(x, e * y, y);
}

TARGET INLINE V hyperbolic(V x)
{
    const V e = exponential(all(-2) * magnitude(x)), y = (all(1) - e) / (all(1) + e);
    return where_below(x, -y, y);
}

/* Gated units row by row, the state of the last row in hand. */
TARGET static void recur(const Step *s, const Block *b)
{
    const size_t h = s->d, blocks = padded(3 * h) / LANES;
    float *from_state = b->room;
    memset(from_state, 0, padded(3 * h) * sizeof *from_state);
    for (size_t r = 0; r < b->rows; r++) {
        const float *gates = b->slots[s->slot] + r * b->strides[s->slot];
        float *state = b->slots[s->into] + r * b->strides[s->into];
        const float *before = state - b->strides[s->into];
        for (size_t block = 0; r && block < blocks; block += BROAD) {
            const size_t some = blocks - block < BROAD ? blocks - block : BROAD;
            const Tile t = {.x = before, .weight = s->numbers + block * h * LANES, .bias = s->bias + block * LANES,
                            .out = from_state + block * LANES, .in = h};
            tiles[some - 1][0](&t);
        }
        for (size_t c = 0; c < h; c += WIDE) {
            const V reset = sigmoid(load(gates + c) + load(from_state + c));
            const V keep = sigmoid(load(gates + h + c) + load(from_state + h + c));
            const V new = hyperbolic(FMA(reset, load(from_state + 2 * h + c), load(gates + 2 * h + c)));
            const V old = r ? load(before + c) : (V){0};
            const V y = FMA(keep, old - new, new);
            memcpy(state + c, &y, (h - c < WIDE ? h - c : WIDE) * sizeof *state);
        }
    }
}

/* --- convolutions over a sequence --- */

/* Rows that a convolution sees, side by side, the one at the place itself last; zeros before the first. */
TARGET static void window(const Step *s, const Block *b)
{
    const size_t apart = (size_t)s->offset;
    for (size_t r = s->tail ? b->rows - 1 : 0; r < b->rows; r++) {
        float *out = b->slots[s->into] + r * b->strides[s->into];
        for (size_t j = 0; j < s->count; j++, out += s->d) {
            const size_t back = (s->count - 1 - j) * apart;
            if (r < back || (s->masked && !id_at(&b->columns[0], r - back)))
                memset(out, 0, s->d * sizeof *out);
            else
                memcpy(out, b->slots[s->slot] + (r - back) * b->strides[s->slot], s->d * sizeof *out);
        }
    }
}

/* The largest of every column, into the last row. NaN stays NaN. */
TARGET static void largest(const Step *s, const Block *b)
{
    float *out = b->slots[s->into] + (b->rows - 1) * b->strides[s->into] + s->at;
    memcpy(out, b->slots[s->slot] + s->count * b->strides[s->slot], s->d * sizeof *out);
    for (size_t r = s->count + 1; r < b->rows; r++) {
        const float *x = b->slots[s->slot] + r * b->strides[s->slot];
        for (size_t c = 0; c < s->d; c++)
            out[c] = out[c] > x[c] || out[c] != out[c] ? out[c] : x[c];
    }
}

/* Sums of all rows, by as many weights, into the last row: one after the other for every set of weights. */
TARGET static void weigh(const Step *s, const Block *b)
{
    float *out = b->slots[s->into] + (b->rows - 1) * b->strides[s->into] + s->at;
    for (size_t f = 0; f < s->count; f++, out += s->d) {
        for (size_t c = 0; c < s->d; c++)
            out[c] = s->bias[f];
        for (size_t r = 0; r < b->rows; r++) {
            const float *x = b->slots[s->slot] + r * b->strides[s->slot], by = s->numbers[f * s->n + r];
            for (size_t c = 0; c < s->d; c++)
                out[c] += by * x[c];
        }
    }
}

TARGET int STEP(const Step *s, const Block *b)
{
    switch (s->op) {
    case LOOK_UP: return look_up(s, b);
    case MEAN: return mean(s, b);
    case STANDARD: standard(s, b); break;
    case SPREAD: spread(s, b); break;
    case LAYER:
        for (size_t vector = 0; vector < s->count; vector++)
            layer(s, b, vector);
        break;
    case PAIRS: pairs(s, b); break;
    case DOT: dot(s, b); break;
    case PRODUCT: product(s, b); break;
    case SUM: sum(s, b); break;
    case NORM: norm(s, b); break;
    case LOOK_BACK: look_back(s, b); break;
    case RECUR: recur(s, b); break;
    case WINDOW: window(s, b); break;
    case LARGEST: largest(s, b); break;
    case WEIGH: weigh(s, b); break;
    default: attend(s, b);
    }
    return 0;
}
