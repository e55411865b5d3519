/* Few entries: a sum for each row that they lead to, found by its hash, instead of a row of all sums, which would
 * come from memory. */
#include "neighbours.h"

#include <math.h>
#include <string.h>

/* How many entries a history reads. What is next to be read is asked for on the way, without a look at how much it is: a
 * wrong guess of a branch would wait for memory. */
size_t neighbours_entries(const Neighbours *t, const int32_t *history, size_t length)
{
    size_t entries = 0;
    for (size_t i = 0; i < length; i++)
        __builtin_prefetch(t->starts + history[i]);
    for (size_t i = 0; i < length; i++) {
        size_t begin = t->starts[history[i]], end = t->starts[history[i] + 1];
        const char *first = t->own         ? (const char *)(t->own + begin)
                            : t->dense.obj ? (const char *)t->dense.buf + begin * sizeof(float)
                                           : (const char *)t->codes.buf + begin;
        const char *second = t->codes.obj ? (const char *)t->near.buf + begin : first + 128;
        __builtin_prefetch(first), __builtin_prefetch(first + 64);
        __builtin_prefetch(second), __builtin_prefetch(second + 64);
        entries += end - begin;
    }
    return entries;
}

/* Sums by the hash of their rows: which part each is, or where it belongs. */
typedef struct {
    Part *parts;
    uint16_t *slots;
    uint32_t mask;
    int shift;
    size_t count;
} Sums;

INLINE uint16_t *slot_of(const Sums *s, uint32_t row)
{
    uint32_t at = row * 0x9e3779b1u >> s->shift;
    while (s->slots[at] && s->parts[s->slots[at] - 1].row != row)
        at = (at + 1) & s->mask;
    return &s->slots[at];
}

INLINE void sum_up(Sums *s, uint32_t row, float x)
{
    uint16_t *slot = slot_of(s, row);
    if (*slot)
        s->parts[*slot - 1].x += x;
    else
        s->parts[s->count] = (Part){row, x}, *slot = (uint16_t)++s->count;
}

/* Sums of all entries, item by item; -1 where codes are damaged. */
static int gather(const Neighbours *t, const int32_t *history, const float *weights, size_t length, Sums *into)
{
    for (size_t i = 0; i < length; i++) {
        size_t column = (size_t)history[i], at = t->starts[column], last = t->starts[column + 1];
        float by = weights ? weights[i] : 1;
        if (t->own) {
            for (; at < last; at++)
                sum_up(into, t->own[at].row, t->own[at].x * by);
            continue;
        }
        const uint8_t *counts = (const uint8_t *)t->counts.buf + column * t->groups, *near = t->near.buf;
        const int8_t *codes = t->codes.buf;
        for (size_t group = 0; group < t->groups; group++) {
            size_t end = at + counts[group];
            if (end > last) /* counts are lent, and may be others than those that were counted */
                return -1;
            for (; at < end; at++)
                sum_up(into, (uint32_t)(group * GROUP + near[at]), (float)codes[at] * by);
        }
        if (at != last)
            return -1;
    }
    return 0;
}

/* Slots for so many entries, as a power of 2: more than half of them stay free. */
static int bits_for(size_t entries)
{
    int bits = 5;
    while ((size_t)1 << bits < 2 * entries)
        bits++;
    return bits;
}

void neighbours_few_ahead(const Room *room, size_t entries)
{
    const char *slots = (const char *)room->slots, *parts = (const char *)room->parts;
    if (entries > FEW / 4) /* more than is worth asking for at a time */
        return;
    for (size_t at = 0, end = sizeof *room->slots << bits_for(entries); at < end; at += 64)
        __builtin_prefetch(slots + at, 1);
    for (size_t at = 0, end = entries * sizeof *room->parts; at < end; at += 64)
        __builtin_prefetch(parts + at, 1);
}

/* One request of few entries. Returns whether that was all: where fewer than k score above 0, it was not. */
int neighbours_few(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                   size_t n, const int32_t *out, size_t outs, Best *best, int *wrong)
{
    int bits = bits_for(n);
    Sums sums = {room->parts, room->slots, ((uint32_t)1 << bits) - 1, 32 - bits, 0};
    memset(room->slots, 0, ((size_t)1 << bits) * sizeof *room->slots);
    if (gather(t, history, weights, length, &sums))
        return *wrong = DAMAGED, 1;
    for (size_t i = 0; i < outs + t->nevers; i++) { /* scales are above 0 */
        uint16_t *slot = slot_of(&sums, (uint32_t)(i < outs ? out[i] : t->never[i - outs]));
        if (*slot)
            sums.parts[*slot - 1].x = -INFINITY;
    }
    best_begin(best, 0);
    int nan = 0;
    for (const Part *at = sums.parts, *end = at + sums.count; at < end; at++) {
        float sum = t->scale ? at->x * t->scale[at->row] : at->x;
        if (__builtin_expect(sum < best->bar, 1) || at->row >= t->rows)
            continue;
        nan |= sum != sum;
        best_offer_any(best, sum, (int32_t)at->row);
    }
    *wrong = nan ? NOT_A_NUMBER : FINE;
    return nan || best->count == best->k;
}
