/* Rows of scores made into shares, in place. Whoever includes this says TARGET, V (a vector of floats), VI (of int32), VH (of
 * uint16), WIDE (lanes of each), FMA(a, b, c) and SHARES (the name of what comes out). */
#include <math.h>
#include <string.h>

TARGET INLINE V lane(float x) { return x - (V){0}; }

/* e^x for x of 0 or less, 0 below -87: 2^n e^r with |r| <= ln 2 / 2, and six terms of the series, which are wrong by less than 2^-22. */
TARGET INLINE V power_of_e(V x)
{
    const VI low = x < lane(-87);
    x = (V)(((VI)x & ~low) | ((VI)lane(-87) & low));
    const V n = FMA(x, lane(0x1.715476p+0f), lane(0x1.8p23f)) - lane(0x1.8p23f);
    const V r = FMA(n, lane(-0x1.7f7d1cp-20f), FMA(n, lane(-0x1.62e4p-1f), x));
    V sum = lane(1 / 720.0f);
    sum = FMA(sum, r, lane(1 / 120.0f));
    sum = FMA(sum, r, lane(1 / 24.0f));
    sum = FMA(sum, r, lane(1 / 6.0f));
    sum = FMA(sum, r, lane(0.5f));
    sum = FMA(sum, r, lane(1));
    sum = FMA(sum, r, lane(1));
    return (V)(((VI)sum + (__builtin_convertvector(n, VI) << 23)) & ~low);
}

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
    const V scale = lane(s->scale);
    V high = lane(-INFINITY);
    VI odd = {0};
    for (size_t c = 0; c < s->wide; c += WIDE) {
        V x = lane(-INFINITY), by = {0};
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
        x = power_of_e(x - lane(most));
        memcpy(s->room + c, &x, sizeof x);
        sum += x;
    }
    float all = 0;
    for (size_t i = 0; i < WIDE; i++)
        all += sum[i];
    return all;
}

TARGET void SHARES(const Shares *s, size_t begin, size_t end)
{
    const size_t whole = s->columns / WIDE * WIDE, width = s->half ? sizeof(uint16_t) : sizeof(float);
    for (size_t r = begin; r < end; r++) {
        char *row = (char *)s->scores + r * s->columns * width;
        float most, all = NAN;
        const int odd = as_floats(s, row, &most), none = !odd && most == -INFINITY;
        if (!odd && isfinite(most))
            all = summed(s, most);
        s->logs[r] = none ? -INFINITY : logf(all) + most;
        if (none)
            memset(s->room, 0, s->wide * sizeof *s->room);
        const V by = lane(none ? 0 : s->weights[r] / all);
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
