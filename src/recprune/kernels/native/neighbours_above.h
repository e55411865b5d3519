/* Which of 16 scores could be among the best, in the instructions of every level. */
#ifndef RECPRUNE_NEIGHBOURS_ABOVE_H
#define RECPRUNE_NEIGHBOURS_ABOVE_H

#include "neighbours.h"

#ifdef HAVE_X86
#include <immintrin.h>
#endif

/* Which of 16 scores are not at or below the bar: NaN is among them. */
static inline uint32_t above_portable(const float *sums, const float *by, float bar)
{
    uint32_t lanes = 0;
    for (int i = 0; i < LANES; i++)
        lanes |= (uint32_t)!((by ? sums[i] * by[i] : sums[i]) <= bar) << i;
    return lanes;
}

#ifdef HAVE_X86
#define T256 __attribute__((target("avx2")))
#define T512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

T256 static inline uint32_t above_avx2(const float *sums, const float *by, float bar)
{
    __m256 x = _mm256_loadu_ps(sums), y = _mm256_loadu_ps(sums + 8), b = _mm256_set1_ps(bar);
    if (by)
        x = _mm256_mul_ps(x, _mm256_loadu_ps(by)), y = _mm256_mul_ps(y, _mm256_loadu_ps(by + 8));
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x, b, _CMP_NLE_UQ)) |
           (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(y, b, _CMP_NLE_UQ)) << 8;
}

T512 static inline uint32_t above_avx512(const float *sums, const float *by, float bar)
{
    __m512 x = _mm512_loadu_ps(sums);
    if (by)
        x = _mm512_mul_ps(x, _mm512_loadu_ps(by));
    return _mm512_cmp_ps_mask(x, _mm512_set1_ps(bar), _CMP_NLE_UQ);
}
#endif

#endif
