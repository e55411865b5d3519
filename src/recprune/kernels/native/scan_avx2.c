/* Scans by AVX2: 16 scores in two registers. */
#include "kernels.h"

#ifdef HAVE_X86
#include <immintrin.h>
#include <string.h>

#define T256 __attribute__((target("avx2,fma")))
#define UNROLL _Pragma("GCC unroll 8")

enum { USERS = 4, MOST = 8 };

/* Sums of four products of bytes. VPMADDUBSW adds two in 16 bits and would clip: the sign of the item goes to the query
 * (|x| * (q with the sign of x) <= 128 * 127, and two of them fit). */
T256 INLINE __m256i four_products(__m256i x, __m256i q)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(q, x));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

T256 INLINE __m256i four_bytes(const int8_t *at)
{
    int32_t four;
    memcpy(&four, at, 4);
    return _mm256_set1_epi32(four);
}

/* out: (users, 2) registers of dot products, in units of scale and query. */
T256 INLINE void dots_bytes(
    const uint8_t *at, const Table *t, Search *const *s, const int users, const Kind kind, __m256 *out)
{
    const __m256i low = _mm256_set1_epi8(15), middle = _mm256_set1_epi8(kind == BYTES ? (char)128 : 8);
    __m256i sum[MOST];
    UNROLL for (int i = 0; i < 2 * users; i++) sum[i] = _mm256_setzero_si256();
    const size_t dims = kind == BYTES ? 4 : 8;
    for (size_t i = 0; i < t->d; i += dims, at += 64)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256i x = _mm256_loadu_si256((const __m256i *)(at + 32 * h)), y = x;
            if (kind == NIBBLES) {
                y = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(x, 4), low), middle);
                x = _mm256_and_si256(x, low);
            }
            x = _mm256_sub_epi8(x, middle);
            UNROLL for (int u = 0; u < users; u++)
            {
                sum[2 * u + h] =
                    _mm256_add_epi32(sum[2 * u + h], four_products(x, four_bytes(s[u]->bytes + i)));
                if (kind == NIBBLES)
                    sum[2 * u + h] =
                        _mm256_add_epi32(sum[2 * u + h], four_products(y, four_bytes(s[u]->bytes + i + 4)));
            }
        }
    UNROLL for (int i = 0; i < 2 * users; i++) out[i] = _mm256_cvtepi32_ps(sum[i]);
}

T256 INLINE void dots_floats(
    const uint8_t *at, const Table *t, Search *const *s, const int users, const Kind kind, __m256 *out)
{
    UNROLL for (int i = 0; i < 2 * users; i++) out[i] = _mm256_setzero_ps();
    const size_t dims = kind == FLOATS ? 1 : 2;
    for (size_t i = 0; i < t->d; i += dims, at += 64)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256i bits = _mm256_loadu_si256((const __m256i *)(at + 32 * h));
            __m256 x = _mm256_castsi256_ps(kind == FLOATS ? bits : _mm256_slli_epi32(bits, 16));
            __m256 y = _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32((int)0xffff0000u)));
            UNROLL for (int u = 0; u < users; u++)
            {
                out[2 * u + h] = _mm256_fmadd_ps(x, _mm256_set1_ps(s[u]->floats[i]), out[2 * u + h]);
                if (kind == HALVES)
                    out[2 * u + h] = _mm256_fmadd_ps(y, _mm256_set1_ps(s[u]->floats[i + 1]), out[2 * u + h]);
            }
        }
}

T256 INLINE void tile(const Table *t, size_t block, Search *const *s, const int users, const Kind kind)
{
    __m256 dot[MOST];
    const uint8_t *at = t->panel + block * t->step;
    if (kind == BYTES || kind == NIBBLES)
        dots_bytes(at, t, s, users, kind, dot);
    else
        dots_floats(at, t, s, users, kind, dot);
    for (int u = 0; u < users; u++) {
        float error = search_error(s[u], t, block), scores[LANES];
        __m256 unit = _mm256_set1_ps(s[u]->unit), least = _mm256_set1_ps(s[u]->bar - error);
        uint32_t lanes = 0;
        UNROLL for (int h = 0; h < 2; h++)
        {
            size_t place = block * LANES + (size_t)(8 * h);
            __m256 by = t->scale ? _mm256_mul_ps(_mm256_loadu_ps(t->scale + place), unit) : unit;
            __m256 score = _mm256_mul_ps(dot[2 * u + h], by);
            if (t->bias)
                score = _mm256_fmadd_ps(_mm256_loadu_ps(t->bias + place), _mm256_set1_ps(s[u]->bias_unit), score);
            lanes |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(score, least, _CMP_GE_OQ)) << (8 * h);
            _mm256_storeu_ps(scores + 8 * h, score);
        }
        if (__builtin_expect(lanes != 0, 0))
            search_offer(s[u], block, lanes, scores, error);
    }
}

T256 INLINE void scan(const Table *t, size_t begin, size_t end, Search *const *s, const int users, const Kind kind)
{
    for (size_t block = begin; block < end; block++) {
        if (block % 16 == 0) {
            int over = 1;
            for (int u = 0; u < users; u++)
                over &= search_is_over(s[u], t, block);
            if (over)
                return;
        }
        tile(t, block, s, users, kind);
    }
}

#define SCANS(NAME, KIND)                                                                                              \
    T256 static void one_##NAME(const Table *t, size_t a, size_t b, Search *s) { scan(t, a, b, &s, 1, KIND); }         \
    T256 static void many_##NAME(const Table *t, size_t a, size_t b, Search *const *s)                                 \
    {                                                                                                                  \
        scan(t, a, b, s, USERS, KIND);                                                                                 \
    }
SCANS(floats, FLOATS)
SCANS(halves, HALVES)
SCANS(bytes, BYTES)
SCANS(nibbles, NIBBLES)

const Scan scan_avx2[KINDS] = {
    {USERS, one_floats, many_floats},
    {USERS, one_halves, many_halves},
    {USERS, one_bytes, many_bytes},
    {USERS, one_nibbles, many_nibbles},
};
#endif
