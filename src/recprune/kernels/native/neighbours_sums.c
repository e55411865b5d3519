/* Entries that are many, but few beside the rows there are: a row of all sums, of which the blocks that were touched are
 * looked at. */
#include "neighbours_above.h"

#include <math.h>
#include <string.h>

/* --- adding up --- */

static void add_own(const Neighbours *t, Room *room, size_t column, float by)
{
    for (const Part *at = t->own + t->starts[column], *end = t->own + t->starts[column + 1]; at < end; at++) {
        room->sums[at->row] += at->x * by;
        room->touched[at->row / LANES] = 1;
    }
}

static int add_codes(const Neighbours *t, Room *room, size_t column, float by)
{
    const uint8_t *counts = (const uint8_t *)t->counts.buf + column * t->groups, *near = t->near.buf;
    const int8_t *codes = t->codes.buf;
    size_t at = t->starts[column];
    for (size_t group = 0; group < t->groups; group++) {
        size_t end = at + counts[group], first = group * GROUP;
        if (end > t->entries)
            return -1;
        for (; at < end; at++) {
            size_t row = first + near[at]; /* at most 255 behind the last row: sums are that much longer */
            room->sums[row] += (float)codes[at] * by;
            room->touched[row / LANES] = 1;
        }
    }
    return 0;
}

static int add_all(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        float by = weights ? weights[i] : 1;
        if (t->own)
            add_own(t, room, (size_t)history[i], by);
        else if (add_codes(t, room, (size_t)history[i], by))
            return -1;
    }
    return 0;
}

/* --- the best of it --- */

/* Looks at blocks of 16 rows, those that were touched or all; returns whether a score is NaN. What lies behind the last
 * row is never listed. */
INLINE int look_body(const Neighbours *t, const Room *room, Best *best, int everywhere,
                     uint32_t (*above)(const float *, const float *, float))
{
    int nan = 0;
    size_t blocks = (t->rows + LANES - 1) / LANES;
    for (size_t block = 0; block < blocks; block++) {
        if (!everywhere) {
            uint64_t eight;
            memcpy(&eight, room->touched + block / 8 * 8, 8);
            if (!eight) {
                block |= 7;
                continue;
            }
            if (!room->touched[block])
                continue;
        }
        size_t at = block * LANES;
        const float *sums = room->sums + at, *by = t->scale ? t->scale + at : NULL;
        uint32_t lanes = above(sums, by, best->bar);
        for (; __builtin_expect(lanes != 0, 0); lanes &= lanes - 1) {
            size_t lane = (size_t)__builtin_ctz(lanes);
            float x = by ? sums[lane] * by[lane] : sums[lane];
            if (at + lane >= t->rows)
                break;
            nan |= x != x;
            best_offer(best, x, (int32_t)(at + lane));
        }
    }
    return nan;
}

static int look_portable(const Neighbours *t, const Room *r, Best *b, int all)
{
    return look_body(t, r, b, all, above_portable);
}
#ifdef HAVE_X86
T256 static int look_avx2(const Neighbours *t, const Room *r, Best *b, int all)
{
    return look_body(t, r, b, all, above_avx2);
}
T512 static int look_avx512(const Neighbours *t, const Room *r, Best *b, int all)
{
    return look_body(t, r, b, all, above_avx512);
}
#endif

static int look(const Neighbours *t, const Room *r, Best *b, int all)
{
#ifdef HAVE_X86
    if (t->level == AVX512)
        return look_avx512(t, r, b, all);
    if (t->level == AVX2)
        return look_avx2(t, r, b, all);
#endif
    return look_portable(t, r, b, all);
}

static void clean(const Neighbours *t, Room *room)
{
    size_t blocks = padded(t) / LANES;
    for (size_t block = 0; block < blocks; block++) {
        uint64_t eight;
        memcpy(&eight, room->touched + block / 8 * 8, 8);
        if (!eight)
            block |= 7;
        else if (room->touched[block])
            memset(room->sums + block * LANES, 0, LANES * sizeof(float));
    }
    memset(room->touched, 0, touched_bytes(t));
}

static void leave_out(Room *room, int32_t item)
{
    room->sums[item] = -INFINITY; /* scales are above 0 */
    room->touched[item / LANES] = 1;
}

int neighbours_sums(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                    const int32_t *out, size_t outs, Best *best)
{
    int wrong = add_all(t, room, history, weights, length) ? DAMAGED : FINE;
    for (size_t i = 0; i < outs; i++)
        leave_out(room, out[i]);
    for (size_t i = 0; i < t->nevers; i++)
        leave_out(room, t->never[i]);
    if (!wrong) {
        best_begin(best, 0); /* what is above 0 was touched */
        wrong = look(t, room, best, 0) ? NOT_A_NUMBER : FINE;
    }
    if (!wrong && best->count < best->k) { /* then come those at 0, by their number, and those below */
        best_begin(best, -INFINITY);
        wrong = look(t, room, best, 1) ? NOT_A_NUMBER : FINE;
    }
    clean(t, room);
    return wrong;
}
