/* The nearest entry of a book to a row in every group of columns: the one with the least |b|^2 / 2 - x b, of equal ones the
 * first. Products are rounded before they are taken off, in the order of the columns, so that every level finds the same.
 * Whoever includes this has included avx512.h, avx2.h or portable.h before, and says NEAREST (the name of what comes out). */
#include <math.h>
#include <string.h>

#include "exponential.h"

enum { TALL = 4, BROAD = 4 };

TARGET INLINE V load(const float *from)
{
    V out;
    memcpy(&out, from, sizeof out);
    return out;
}

/* The lane with the least number, of equal ones that with the first entry. */
TARGET INLINE uint8_t first_of(V least, VI entry)
{
    float low = least[0];
    int32_t found = entry[0];
    for (int i = 1; i < WIDE; i++)
        if (least[i] < low || (least[i] == low && entry[i] < found))
            low = least[i], found = entry[i];
    return (uint8_t)found;
}

/* Of `tall` rows and one group. */
TARGET INLINE void nearest_of(const Nearest *n, size_t row, size_t group, const int tall)
{
    const size_t begin = n->edges[group], end = n->edges[group + 1];
    const float *half = n->half + group * n->wide, *x = n->rows + row * n->d;
    V least[TALL];
    VI entry[TALL], lanes;
    for (int i = 0; i < WIDE; i++)
        lanes[i] = i;
    UNROLL for (int r = 0; r < tall; r++) least[r] = all(INFINITY), entry[r] = lanes;
    for (size_t c = 0; c < n->wide; c += BROAD * WIDE) {
        V sum[TALL][BROAD];
        UNROLL for (int v = 0; v < BROAD; v++) {
            const V start = load(half + c + (size_t)v * WIDE);
            UNROLL for (int r = 0; r < tall; r++) sum[r][v] = start;
        }
        for (size_t i = begin; i < end; i++) {
            const float *column = n->columns + i * n->wide + c;
            UNROLL for (int v = 0; v < BROAD; v++) {
                const V b = load(column + (size_t)v * WIDE);
                UNROLL for (int r = 0; r < tall; r++) sum[r][v] -= all(x[(size_t)r * n->d + i]) * b;
            }
        }
        UNROLL for (int v = 0; v < BROAD; v++) {
            const VI here = lanes + (int32_t)(c + (size_t)v * WIDE);
            UNROLL for (int r = 0; r < tall; r++) {
                const VI less = sum[r][v] < least[r];
                least[r] = (V)(((VI)sum[r][v] & less) | ((VI)least[r] & ~less));
                entry[r] = (here & less) | (entry[r] & ~less);
            }
        }
    }
    UNROLL for (int r = 0; r < tall; r++) n->out[(row + (size_t)r) * n->groups + group] = first_of(least[r], entry[r]);
}

TARGET void NEAREST(const Nearest *n)
{
    size_t row = 0;
    for (; row + TALL <= n->n; row += TALL)
        for (size_t g = 0; g < n->groups; g++)
            nearest_of(n, row, g, TALL);
    for (; row < n->n; row++)
        for (size_t g = 0; g < n->groups; g++)
            nearest_of(n, row, g, 1);
}
