/* The k highest of scores that are already there, in order of their items: of equal ones the first. */
#ifndef RECPRUNE_BEST_H
#define RECPRUNE_BEST_H

#include "kernels.h"

#include <string.h>

/* A score and its item as one number, larger for what is better: the bits of the score in the order of numbers (-0 as 0),
 * then the item, the other way round. */
typedef uint64_t Entry;

INLINE Entry entry_of(float score, int32_t item)
{
    float x = score + 0.0f;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;
    return (Entry)bits << 32 | ~(uint32_t)item;
}

INLINE int32_t item_of(Entry e) { return (int32_t)~(uint32_t)e; }

INLINE float score_of_entry(Entry e)
{
    uint32_t bits = (uint32_t)(e >> 32);
    float x;
    bits ^= bits >> 31 ? 0x80000000u : 0xffffffffu;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Up to so many the worst is looked for among all: without a branch that is hard to guess, as a heap has at every step. */
enum { FLAT = 64 };

typedef struct {
    Entry *entries; /* (best_room(k)) in no order; a heap where k is more than FLAT, the worst first */
    size_t k, count;
    float bar; /* only what is above it is listed */
    size_t worst;
} Best;

/* Entries of a list of k. */
INLINE size_t best_room(size_t k) { return k < FLAT ? FLAT : k; }

/* An empty list of what is above a bar. */
INLINE void best_begin(Best *b, float bar)
{
    b->count = 0, b->bar = bar, b->worst = 0;
    for (size_t i = b->k; i < FLAT && i % 4; i++)
        b->entries[i] = ~(Entry)0; /* never the worst */
}

INLINE void best_sink(Entry *heap, size_t n, Entry x)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            break;
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[child] >= x)
            break;
        heap[at] = heap[child], at = child;
    }
    heap[at] = x;
}

INLINE void best_rise(Best *b, Entry x)
{
    size_t at = b->count++;
    for (; at && x < b->entries[(at - 1) / 2]; at = (at - 1) / 2)
        b->entries[at] = b->entries[(at - 1) / 2];
    b->entries[at] = x;
}

INLINE Entry less(Entry a, Entry b) { return b < a ? b : a; }

/* The worst of a list that is full, four at a time. */
INLINE void best_settle_flat(Best *b)
{
    const Entry *e = b->entries;
    Entry least[4] = {e[0], e[1], e[2], e[3]};
    uint64_t there = 0;
    for (size_t i = 4; i < b->k; i += 4)
        for (size_t j = 0; j < 4; j++)
            least[j] = less(least[j], e[i + j]);
    least[0] = less(less(least[0], least[1]), less(least[2], least[3]));
    for (size_t i = 0; i < b->k; i += 4)
        for (size_t j = 0; j < 4; j++)
            there |= (uint64_t)(e[i + j] == least[0]) << (i + j);
    b->worst = (size_t)__builtin_ctzll(there), b->bar = score_of_entry(least[0]);
}

INLINE void best_put(Best *b, Entry x)
{
    if (b->k <= FLAT) {
        b->entries[b->count < b->k ? b->count++ : b->worst] = x;
        if (b->count == b->k)
            best_settle_flat(b);
        return;
    }
    if (b->count < b->k)
        best_rise(b, x);
    else
        best_sink(b->entries, b->k, x);
    if (b->count == b->k)
        b->worst = 0, b->bar = score_of_entry(b->entries[0]);
}

/* Items come in rising order, so one that equals the bar comes too late. */
INLINE void best_offer(Best *b, float score, int32_t item)
{
    if (score > b->bar)
        best_put(b, entry_of(score, item));
}

/* Items come in any order; what is below the bar, or at it while nothing is listed there, is not offered. */
INLINE void best_offer_any(Best *b, float score, int32_t item)
{
    Entry x = entry_of(score, item);
    if (b->count == b->k ? x > b->entries[b->worst] : score > b->bar)
        best_put(b, x);
}

INLINE void best_write(Entry e, size_t place, int64_t *items, float *scores)
{
    items[place] = item_of(e);
    if (scores)
        scores[place] = score_of_entry(e);
}

/* Writes the best, highest first; returns how many there are. `scores` may be NULL. */
INLINE size_t best_finish(Best *b, int64_t *items, float *scores)
{
    size_t found = b->count;
    for (size_t i = 0; b->k <= FLAT && i < found; i++) {
        size_t better = 0;
        for (size_t j = 0; j < found; j++)
            better += b->entries[j] > b->entries[i];
        best_write(b->entries[i], better, items, scores);
    }
    for (size_t n = b->k <= FLAT ? 0 : found; n-- > 0;) {
        Entry worst = b->entries[0];
        best_write(worst, n, items, scores);
        best_sink(b->entries, n, b->entries[n]);
    }
    return found;
}

#endif
