/* Scores of some rows on their way to shares, see softmax.h. */
#ifndef RECPRUNE_SHARES_H
#define RECPRUNE_SHARES_H

#include "kernels.h"

#include <string.h>

typedef struct {
    void *scores;        /* (rows, columns) floats, or bfloat16 */
    int half;            /* whether they are bfloat16 */
    size_t columns, wide; /* wide: rounded up to 16 */
    size_t out;           /* first columns that are left out, 0 or 1 */
    float scale;
    const float *shift;   /* (wide,) is added to a scaled row, or NULL */
    const float *weights; /* (rows,) */
    float *logs;          /* (rows,) to be written */
    float *room;          /* (wide) */
} Shares;

INLINE float widened_one(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

INLINE uint16_t narrowed_one(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void shares_portable(const Shares *, size_t begin, size_t end);
#ifdef HAVE_X86
void shares_avx2(const Shares *, size_t begin, size_t end);
void shares_avx512(const Shares *, size_t begin, size_t end);
#endif

#endif
