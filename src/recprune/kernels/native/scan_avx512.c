/* Scans by AVX-512 with VNNI: 16 scores in a register, several blocks and queries at a time. */
#include "kernels.h"

#ifdef HAVE_X86
#include <immintrin.h>
#include <string.h>

#define T512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define UNROLL _Pragma("GCC unroll 16")

enum { USERS = 6, MOST = 12 };

T512 INLINE __m512i four_bytes(const int8_t *at)
{
    int32_t four;
    memcpy(&four, at, 4);
    return _mm512_set1_epi32(four);
}

/* Dot products of 16 * `blocks` items with `users` queries, in units of scale and query. The loops over blocks and
 * users are unrolled, so that all sums stay in registers: 12 of them for 6 users and 2 blocks. */
T512 INLINE void dots_bytes(
    const uint8_t *at, const Table *t, Search *const *s, const int users, const int blocks, const Kind kind, __m512 *out)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512i sum[MOST];
    UNROLL for (int i = 0; i < users * blocks; i++) sum[i] = _mm512_set1_epi32(s[i / blocks]->start);
    const size_t dims = kind == BYTES ? 4 : 8;
    for (size_t i = 0; i < t->d; i += dims, at += 64) {
        __m512i x[4], y[4];
        UNROLL for (int b = 0; b < blocks; b++)
        {
            x[b] = _mm512_loadu_si512(at + (size_t)b * t->step);
            if (kind == NIBBLES) {
                y[b] = _mm512_and_si512(_mm512_srli_epi16(x[b], 4), low);
                x[b] = _mm512_and_si512(x[b], low);
            }
        }
        UNROLL for (int u = 0; u < users; u++)
        {
            __m512i q = four_bytes(s[u]->bytes + i);
            UNROLL for (int b = 0; b < blocks; b++) sum[u * blocks + b] =
                _mm512_dpbusd_epi32(sum[u * blocks + b], x[b], q);
            if (kind == NIBBLES) {
                q = four_bytes(s[u]->bytes + i + 4);
                UNROLL for (int b = 0; b < blocks; b++) sum[u * blocks + b] =
                    _mm512_dpbusd_epi32(sum[u * blocks + b], y[b], q);
            }
        }
    }
    UNROLL for (int i = 0; i < users * blocks; i++) out[i] = _mm512_cvtepi32_ps(sum[i]);
}

T512 INLINE void dots_floats(
    const uint8_t *at, const Table *t, Search *const *s, const int users, const int blocks, const Kind kind, __m512 *out)
{
    UNROLL for (int i = 0; i < users * blocks; i++) out[i] = _mm512_setzero_ps();
    const size_t dims = kind == FLOATS ? 1 : 2;
    for (size_t i = 0; i < t->d; i += dims, at += 64) {
        __m512 x[4], y[4];
        UNROLL for (int b = 0; b < blocks; b++)
        {
            __m512i bits = _mm512_loadu_si512(at + (size_t)b * t->step);
            x[b] = _mm512_castsi512_ps(kind == FLOATS ? bits : _mm512_slli_epi32(bits, 16));
            if (kind == HALVES) /* a bfloat16 is the upper half of a float32 */
                y[b] = _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32((int)0xffff0000u)));
        }
        UNROLL for (int u = 0; u < users; u++)
        {
            __m512 q = _mm512_set1_ps(s[u]->floats[i]);
            UNROLL for (int b = 0; b < blocks; b++) out[u * blocks + b] =
                _mm512_fmadd_ps(x[b], q, out[u * blocks + b]);
            if (kind == HALVES) {
                q = _mm512_set1_ps(s[u]->floats[i + 1]);
                UNROLL for (int b = 0; b < blocks; b++) out[u * blocks + b] =
                    _mm512_fmadd_ps(y[b], q, out[u * blocks + b]);
            }
        }
    }
}

T512 INLINE void tile(
    const Table *t, size_t block, Search *const *s, const int users, const int blocks, const Kind kind)
{
    __m512 dot[MOST];
    const uint8_t *at = t->panel + block * t->step;
    if (kind == BYTES || kind == NIBBLES)
        dots_bytes(at, t, s, users, blocks, kind, dot);
    else
        dots_floats(at, t, s, users, blocks, kind, dot);
    UNROLL for (int b = 0; b < blocks; b++)
    {
        const size_t here = block + (size_t)b;
        const __m512 scale = t->scale ? _mm512_loadu_ps(t->scale + here * LANES) : _mm512_set1_ps(1);
        UNROLL for (int u = 0; u < users; u++)
        {
            float error = search_error(s[u], t, here);
            __m512 score = _mm512_mul_ps(dot[u * blocks + b], _mm512_mul_ps(scale, _mm512_set1_ps(s[u]->unit)));
            if (t->bias)
                score = _mm512_fmadd_ps(
                    _mm512_loadu_ps(t->bias + here * LANES), _mm512_set1_ps(s[u]->bias_unit), score);
            __mmask16 lanes = _mm512_cmp_ps_mask(score, _mm512_set1_ps(s[u]->bar - error), _CMP_GE_OQ);
            if (__builtin_expect(lanes != 0, 0)) {
                float scores[LANES];
                _mm512_storeu_ps(scores, score);
                search_offer(s[u], here, lanes, scores, error);
            }
        }
    }
}

T512 INLINE void scan(
    const Table *t, size_t begin, size_t end, Search *const *s, const int users, const int blocks, const Kind kind)
{
    size_t block = begin;
    for (; block + (size_t)blocks <= end; block += (size_t)blocks) {
        if (block % 16 == 0) {
            int over = 1;
            for (int u = 0; u < users; u++)
                over &= search_is_over(s[u], t, block);
            if (over)
                return;
        }
        tile(t, block, s, users, blocks, kind);
    }
    for (; block < end; block++)
        tile(t, block, s, users, 1, kind);
}

#define SCANS(NAME, KIND)                                                                                              \
    T512 static void one_##NAME(const Table *t, size_t a, size_t b, Search *s) { scan(t, a, b, &s, 1, 1, KIND); }      \
    T512 static void many_##NAME(const Table *t, size_t a, size_t b, Search *const *s)                                 \
    {                                                                                                                  \
        scan(t, a, b, s, USERS, 2, KIND);                                                                              \
    }
SCANS(floats, FLOATS)
SCANS(halves, HALVES)
SCANS(bytes, BYTES)
SCANS(nibbles, NIBBLES)

const Scan scan_avx512[KINDS] = {
    {USERS, one_floats, many_floats},
    {USERS, one_halves, many_halves},
    {USERS, one_bytes, many_bytes},
    {USERS, one_nibbles, many_nibbles},
};
#endif
