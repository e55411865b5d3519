/* Many entries: rows are passed over in blocks, whose sums stay in the first cache, and of every column the entries that
 * fall into a block are added up. Nothing but these entries comes from memory. */
#include "neighbours_above.h"

#include <math.h>
#include <string.h>

static void begin(const Neighbours *t, Room *room, const int32_t *history, size_t length)
{
    for (size_t i = 0; i < length; i++)
        room->left[i] = (Left){t->starts[history[i]], t->starts[history[i] + 1]};
}

static void add_own(const Neighbours *t, Room *room, const float *weights, size_t length, size_t first)
{
    float *sums = room->block;
    for (size_t i = 0; i < length; i++) {
        const Part *at = t->own + room->left[i].at, *end = t->own + room->left[i].end;
        float by = weights ? weights[i] : 1;
        for (; at < end && at->row < first + BLOCK; at++)
            sums[at->row - first] += at->x * by;
        room->left[i].at = (size_t)(at - t->own);
        __builtin_prefetch((const char *)at + 128), __builtin_prefetch((const char *)at + 192);
    }
}

/* Columns of a dense matrix, of which all that falls into the block is added. */
INLINE void add_dense_body(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                           size_t first)
{
    float *restrict sums = room->block;
    size_t rows = t->rows - first < BLOCK ? t->rows - first : BLOCK;
    for (size_t i = 0; i < length; i++) {
        const float *restrict column = (const float *)t->dense.buf + (size_t)history[i] * t->rows + first;
        float by = weights ? weights[i] : 1;
        for (size_t row = 0; row < rows; row++)
            sums[row] += column[row] * by;
    }
}

typedef void Add(const Neighbours *, Room *, const int32_t *, const float *, size_t, size_t);

static void add_dense_portable(const Neighbours *t, Room *r, const int32_t *h, const float *w, size_t n, size_t first)
{
    add_dense_body(t, r, h, w, n, first);
}
#ifdef HAVE_X86
T256 static void add_dense_avx2(const Neighbours *t, Room *r, const int32_t *h, const float *w, size_t n, size_t first)
{
    add_dense_body(t, r, h, w, n, first);
}
#endif

static Add *add_dense_of(const Neighbours *t)
{
#ifdef HAVE_X86
    return t->level >= AVX2 ? add_dense_avx2 : add_dense_portable;
#else
    return (void)t, add_dense_portable;
#endif
}

/* -1 where counts are others than those that were counted: they are lent. */
static int add_codes(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                     size_t first)
{
    const uint8_t *near = t->near.buf;
    const int8_t *codes = t->codes.buf;
    size_t from = first / GROUP, to = from + BLOCK / GROUP < t->groups ? from + BLOCK / GROUP : t->groups;
    for (size_t i = 0; i < length; i++) {
        const uint8_t *counts = (const uint8_t *)t->counts.buf + (size_t)history[i] * t->groups;
        size_t at = room->left[i].at;
        float by = weights ? weights[i] : 1, *sums = room->block;
        for (size_t group = from; group < to; group++, sums += GROUP) {
            size_t end = at + counts[group];
            if (end > room->left[i].end)
                return -1;
            for (; at < end; at++)
                sums[near[at]] += (float)codes[at] * by; /* at most at BLOCK, behind the last */
        }
        room->left[i].at = at;
    }
    return 0;
}

/* Items that are left out of a block; they ascend. Returns where the next block goes on. */
static size_t leave_out(Room *room, const int32_t *items, size_t at, size_t length, size_t first)
{
    for (; at < length && (size_t)items[at] < first + BLOCK; at++)
        room->block[(size_t)items[at] - first] = -INFINITY; /* scales are above 0 */
    return at;
}

/* Looks at the sums of a block and makes them zero again; returns whether a score is NaN. */
INLINE int look_body(const Neighbours *t, Room *room, Best *best, size_t first,
                     uint32_t (*above)(const float *, const float *, float))
{
    int nan = 0;
    size_t rows = t->rows - first < BLOCK ? t->rows - first : BLOCK, at = 0;
    for (; at < rows; at += LANES) {
        float *sums = room->block + at;
        const float *by = t->scale ? t->scale + first + at : NULL;
        uint32_t lanes = above(sums, by, best->bar);
        for (; __builtin_expect(lanes != 0, 0); lanes &= lanes - 1) {
            size_t lane = (size_t)__builtin_ctz(lanes);
            float x = by ? sums[lane] * by[lane] : sums[lane];
            if (at + lane >= rows)
                break;
            nan |= x != x;
            best_offer(best, x, (int32_t)(first + at + lane));
        }
        memset(sums, 0, LANES * sizeof(float));
    }
    memset(room->block + at, 0, (BLOCK + LANES - at) * sizeof(float));
    return nan;
}

typedef int Look(const Neighbours *, Room *, Best *, size_t first);

static int look_portable(const Neighbours *t, Room *r, Best *b, size_t first)
{
    return look_body(t, r, b, first, above_portable);
}
#ifdef HAVE_X86
T256 static int look_avx2(const Neighbours *t, Room *r, Best *b, size_t first)
{
    return look_body(t, r, b, first, above_avx2);
}
T512 static int look_avx512(const Neighbours *t, Room *r, Best *b, size_t first)
{
    return look_body(t, r, b, first, above_avx512);
}
#endif

static Look *look_of(const Neighbours *t)
{
#ifdef HAVE_X86
    return t->level == AVX512 ? look_avx512 : t->level == AVX2 ? look_avx2 : look_portable;
#else
    return (void)t, look_portable;
#endif
}

/* All blocks, of what scores above a bar. */
static int pass(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                const int32_t *out, size_t outs, Best *best, float bar)
{
    size_t left_out = 0, never = 0;
    Look *look = look_of(t);
    Add *add_dense = add_dense_of(t);
    int nan = 0;
    best_begin(best, bar);
    begin(t, room, history, length);
    for (size_t first = 0; first < t->rows; first += BLOCK) {
        if (t->own)
            add_own(t, room, weights, length, first);
        else if (t->dense.obj)
            add_dense(t, room, history, weights, length, first);
        else if (add_codes(t, room, history, weights, length, first)) {
            memset(room->block, 0, (BLOCK + LANES) * sizeof(float));
            return DAMAGED;
        }
        left_out = leave_out(room, out, left_out, outs, first);
        never = leave_out(room, t->never, never, t->nevers, first);
        nan |= look(t, room, best, first);
    }
    return nan ? NOT_A_NUMBER : FINE;
}

int neighbours_blocks(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                      const int32_t *out, size_t outs, Best *best)
{
    int wrong = pass(t, room, history, weights, length, out, outs, best, 0);
    if (!wrong && best->count < best->k) /* then come those at 0, by their number, and those below */
        wrong = pass(t, room, history, weights, length, out, outs, best, -INFINITY);
    return wrong;
}
