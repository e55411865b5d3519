/* Scans in plain C: what runs where there is no AVX2, and the slow brother that the others are compared with. */
#include "kernels.h"

#include <string.h>

INLINE float half_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float out;
    memcpy(&out, &wide, sizeof out);
    return out;
}

/* Dot products of 16 items, in units of scale and query. */
INLINE void dots(const Table *t, const uint8_t *at, const Search *s, Kind kind, float *out)
{
    int32_t sum[LANES];
    for (int lane = 0; lane < LANES; lane++)
        sum[lane] = s->start, out[lane] = 0;
    for (size_t i = 0; i < t->d; i += kind == FLOATS ? 1 : kind == HALVES ? 2 : kind == BYTES ? 4 : 8, at += 64)
        for (int lane = 0; lane < LANES; lane++)
            if (kind == FLOATS) {
                float x;
                memcpy(&x, at + 4 * lane, 4);
                out[lane] += x * s->floats[i];
            } else if (kind == HALVES) {
                uint16_t x[2];
                memcpy(x, at + 4 * lane, 4);
                out[lane] += half_to_float(x[0]) * s->floats[i];
                out[lane] += half_to_float(x[1]) * s->floats[i + 1];
            } else
                for (int j = 0; j < 4; j++) {
                    int x = at[4 * lane + j];
                    if (kind == BYTES)
                        sum[lane] += x * s->bytes[i + (size_t)j];
                    else
                        sum[lane] += (x & 15) * s->bytes[i + (size_t)j] + (x >> 4) * s->bytes[i + 4 + (size_t)j];
                }
    if (kind == BYTES || kind == NIBBLES)
        for (int lane = 0; lane < LANES; lane++)
            out[lane] = (float)sum[lane];
}

INLINE void one(const Table *t, size_t begin, size_t end, Search *s, Kind kind)
{
    for (size_t block = begin; block < end; block++) {
        if (block % 16 == 0 && search_is_over(s, t, block))
            return;
        float score[LANES], error = search_error(s, t, block), least = s->bar - error;
        dots(t, t->panel + block * t->step, s, kind, score);
        uint32_t lanes = 0;
        for (int lane = 0; lane < LANES; lane++) {
            size_t place = block * LANES + (size_t)lane;
            score[lane] *= t->scale ? t->scale[place] * s->unit : s->unit;
            if (t->bias)
                score[lane] += t->bias[place] * s->bias_unit;
            lanes |= (uint32_t)(score[lane] >= least) << lane;
        }
        if (lanes)
            search_offer(s, block, lanes, score, error);
    }
}

#define SCANS(NAME, KIND)                                                                                              \
    static void one_##NAME(const Table *t, size_t a, size_t b, Search *s) { one(t, a, b, s, KIND); }                   \
    static void many_##NAME(const Table *t, size_t a, size_t b, Search *const *s) { one(t, a, b, s[0], KIND); }
SCANS(floats, FLOATS)
SCANS(halves, HALVES)
SCANS(bytes, BYTES)
SCANS(nibbles, NIBBLES)

const Scan scan_portable[KINDS] = {
    {1, one_floats, many_floats},
    {1, one_halves, many_halves},
    {1, one_bytes, many_bytes},
    {1, one_nibbles, many_nibbles},
};
