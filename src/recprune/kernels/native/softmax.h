/* Rows of scores made into shares, in place. Whoever includes this has included avx512.h, avx2.h or
 * portable.h before, and says SHARES (the name of what comes out). */
#include <math.h>
#include <string.h>

#include "exponential.h"

TARGET INLINE V widened(const uint16_t *from)
{
    VH half;
    memcpy(&half, from, sizeof half);
    return (V)(__builtin_convertvector(half, VI) << 16);
}

/* To the nearest bfloat16, of two equally near the even one. */
TARGET INLINE void narrowed(V x, uint16_t *to)
{
    const VI bits = (VI)x, up = bits + 0x7fff + ((bits >> 16) & 1);
    const VH half = __builtin_convertvector((up >> 16) & 0xffff, VH);
    memcpy(to, &half, sizeof half);
}

/* Numbers of a row, scaled and shifted, floats in the room for it; behind it and instead of what is left out stands what no
 * score is below. Whether one of them is not a number. */
TARGET INLINE int as_floats(const Shares *s, const void *row, float *most)
{
    const size_t whole = s->columns / WIDE * WIDE;
    const V scale = all(s->scale);
    V high = all(-INFINITY);
    VI odd = {0};
    for (size_t c = 0; c < s->wide; c += WIDE) {
        V x = all(-INFINITY), by = {0};
        if (c < whole && s->half)
            x = widened((const uint16_t *)row + c);
        else if (c < whole)
            memcpy(&x, (const float *)row + c, sizeof x);
        else
            for (size_t i = c; i < s->columns && i < c + WIDE; i++)
                x[i - c] = s->half ? widened_one(((const uint16_t *)row)[i]) : ((const float *)row)[i];
        if (s->shift)
            memcpy(&by, s->shift + c, sizeof by);
        x = FMA(x, scale, by);
        if (c == 0 && s->out)
            x[0] = -INFINITY;
        odd |= x != x;
        const VI above = x > high;
        high = (V)(((VI)x & above) | ((VI)high & ~above));
        memcpy(s->room + c, &x, sizeof x);
    }
    int any = 0;
    *most = -INFINITY;
    for (size_t i = 0; i < WIDE; i++)
        any |= odd[i], *most = high[i] > *most ? high[i] : *most;
    return any;
}

/* The shares of what is in the room, not yet divided by what they sum up to, which comes back. */
TARGET INLINE float summed(const Shares *s, float most)
{
    V sum = {0};
    for (size_t c = 0; c < s->wide; c += WIDE) {
        V x;
        memcpy(&x, s->room + c, sizeof x);
        const VI there = x > all(-INFINITY);
        x = (V)((VI)exponential(x - all(most)) & there);
        memcpy(s->room + c, &x, sizeof x);
        sum += x;
    }
    float out = 0;
    for (size_t i = 0; i < WIDE; i++)
        out += sum[i];
    return out;
}

TARGET void SHARES(const Shares *s, size_t begin, size_t end)
{
    const size_t whole = s->columns / WIDE * WIDE, width = s->half ? sizeof(uint16_t) : sizeof(float);
    for (size_t r = begin; r < end; r++) {
        char *row = (char *)s->scores + r * s->columns * width;
        float most, sum = NAN;
        const int odd = as_floats(s, row, &most), none = !odd && most == -INFINITY;
        if (!odd && isfinite(most))
            sum = summed(s, most);
        s->logs[r] = none ? -INFINITY : logf(sum) + most;
        if (none)
            memset(s->room, 0, s->wide * sizeof *s->room);
        const V by = all(none ? 0 : s->weights[r] / sum);
        if (s->out)
            s->room[0] = 0;
        for (size_t c = 0; c < whole; c += WIDE) {
            V x;
            memcpy(&x, s->room + c, sizeof x);
            x *= by;
            if (s->half)
                narrowed(x, (uint16_t *)row + c);
            else
                memcpy((float *)row + c, &x, sizeof x);
        }
        for (size_t c = whole; c < s->columns; c++) {
            const float x = s->room[c] * by[0];
            if (s->half)
                ((uint16_t *)row)[c] = narrowed_one(x);
            else
                ((float *)row)[c] = x;
        }
    }
}
