/* Of vectors. Whoever includes this has included avx512.h, avx2.h or portable.h before. */
#define UNROLL _Pragma("GCC unroll 32")

TARGET INLINE V all(float x) { return x - (V){0}; }

/* e^x for x of 0 or less: 2^n e^r with |r| <= ln 2 / 2, of which seven terms of the series are exact in float32. */
TARGET INLINE V exponential(V x)
{
    const VI low = x < all(-87);
    x = (V)(((VI)x & ~low) | ((VI)all(-87) & low));
    const V n = (x * all(0x1.715476p+0f) + all(0x1.8p23f)) - all(0x1.8p23f); /* rounded to the nearest whole number */
    const V r = (x - n * all(0x1.62e4p-1f)) - n * all(0x1.7f7d1cp-20f);
    V sum = all(1 / 5040.0f);
    static const float terms[] = {1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f, 1, 1};
    UNROLL for (int i = 0; i < 7; i++) sum = FMA(sum, r, all(terms[i]));
    return (V)((VI)sum + (__builtin_convertvector(n, VI) << 23));
}
