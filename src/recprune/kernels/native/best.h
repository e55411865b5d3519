/* The k highest of scores that are already there, in order of their items: of equal ones the first. */
#ifndef RECPRUNE_BEST_H
#define RECPRUNE_BEST_H

#include "kernels.h"

typedef struct {
    float score;
    int32_t item;
} Entry;

typedef struct {
    Entry *heap; /* (k) the worst first */
    size_t k, count;
    float bar; /* only what is above it is listed */
} Best;

INLINE int worse(Entry a, Entry b) { return a.score < b.score || (a.score == b.score && a.item > b.item); }

INLINE void best_sink(Entry *heap, size_t n, Entry x)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            break;
        child += child + 1 < n && worse(heap[child + 1], heap[child]);
        if (!worse(heap[child], x))
            break;
        heap[at] = heap[child], at = child;
    }
    heap[at] = x;
}

INLINE void best_put(Best *b, Entry x)
{
    if (b->count < b->k) {
        size_t at = b->count++;
        for (; at && worse(x, b->heap[(at - 1) / 2]); at = (at - 1) / 2)
            b->heap[at] = b->heap[(at - 1) / 2];
        b->heap[at] = x;
    } else
        best_sink(b->heap, b->k, x);
    if (b->count == b->k)
        b->bar = b->heap[0].score;
}

/* Items come in rising order, so one that equals the bar comes too late. */
INLINE void best_offer(Best *b, float score, int32_t item)
{
    if (score > b->bar)
        best_put(b, (Entry){score, item});
}

/* Items come in any order; what is below the bar, or at it while nothing is listed there, is not offered. */
INLINE void best_offer_any(Best *b, float score, int32_t item)
{
    Entry x = {score, item};
    if (b->count == b->k ? worse(b->heap[0], x) : score > b->bar)
        best_put(b, x);
}

/* Writes the best, highest first; returns how many there are. `scores` may be NULL. */
INLINE size_t best_finish(Best *b, int64_t *items, float *scores)
{
    size_t found = b->count;
    for (size_t n = found; n-- > 0;) {
        Entry worst = b->heap[0];
        items[n] = worst.item;
        if (scores)
            scores[n] = worst.score;
        best_sink(b->heap, n, b->heap[n]);
    }
    return found;
}

#endif
