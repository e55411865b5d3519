/* Scans of product codes (Jégou et al. 2011): a row is a centre and a word of every group, a byte each.
 *
 * Scores of all centres and all words with a query are found once, and put into bytes of one common unit (two for the
 * centres, which say most); a row is then a sum of what its codes look up. 256 bytes are four registers of AVX-512: with
 * VBMI 64 rows look theirs up in a few instructions, without touching memory.
 *
 * The panel holds 64 rows (four blocks) side by side: their centres, then their words of every group. Rows 0 to 31 are at
 * even bytes, 32 to 63 at odd ones, so that sums of 16 bits are the bytes of each half, added up as they lie.
 */
#include "kernels.h"

#include <math.h>
#include <string.h>

enum { SIDE = TOGETHER_ROWS / 2, BLOCKS = TOGETHER_ROWS / LANES, SUM = 65535 };

/* First columns of the groups of words, and the end of the last, which is `columns`; how many groups there are, 0 where they
 * do not fit. into: (MOST_GROUPS + 1). */
size_t groups_of(const Buffer *edges, size_t columns, size_t *into)
{
    const int64_t *given = edges->view.buf;
    size_t groups = edges->view.shape[0] > 1 ? (size_t)edges->view.shape[0] - 1 : 0;
    if (!groups || groups > MOST_GROUPS || given[0] != 0 || given[groups] != (int64_t)columns)
        return 0;
    for (size_t g = 0; g <= groups; g++) {
        if (g && given[g - 1] > given[g])
            return 0;
        into[g] = (size_t)given[g];
    }
    return groups;
}

/* --- the query --- */

/* Room for tables (low and high bytes of the centres, then of every group) and for scores as they are found. */
size_t words_bytes(const Table *t) { return (t->groups + 2) * BOOK + (t->groups + 1) * BOOK * sizeof(float); }

/* Scores of the words of a book from column `begin` to `end`, and the smallest and largest of them. */
static void scores_portable(const Search *s, size_t book, size_t begin, size_t end, float *scores, float *low, float *high)
{
    memset(scores, 0, BOOK * sizeof *scores);
    for (size_t i = begin; i < end; i++) {
        const float *column = s->table->columns + (book * s->table->d + i) * BOOK;
        for (size_t w = 0; w < BOOK; w++)
            scores[w] += s->floats[i] * column[w];
    }
    *low = *high = scores[0];
    for (size_t w = 1; w < BOOK; w++) {
        *low = scores[w] < *low ? scores[w] : *low;
        *high = scores[w] > *high ? scores[w] : *high;
    }
}

/* Units above `low`, `most` at most. */
static void units_portable(const float *scores, float low, float per, float most, uint16_t *units)
{
    for (size_t w = 0; w < BOOK; w++) {
        float x = (scores[w] - low) * per;
        units[w] = (uint16_t)(int32_t)(x < most ? x : most);
    }
}

#ifdef HAVE_X86
#include <immintrin.h>

#define T512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define UNROLL _Pragma("GCC unroll 16")

enum { REGISTERS = BOOK / LANES };

T512 static void scores_avx512(const Search *s, size_t book, size_t begin, size_t end, float *scores, float *low, float *high)
{
    __m512 sum[REGISTERS], least, most;
    UNROLL for (int r = 0; r < REGISTERS; r++) sum[r] = _mm512_setzero_ps();
    for (size_t i = begin; i < end; i++) {
        const float *column = s->table->columns + (book * s->table->d + i) * BOOK;
        __m512 x = _mm512_set1_ps(s->floats[i]);
        UNROLL for (int r = 0; r < REGISTERS; r++) sum[r] =
            _mm512_fmadd_ps(x, _mm512_loadu_ps(column + LANES * r), sum[r]);
    }
    least = most = sum[0];
    UNROLL for (int r = 0; r < REGISTERS; r++)
    {
        _mm512_storeu_ps(scores + LANES * r, sum[r]);
        least = _mm512_min_ps(least, sum[r]), most = _mm512_max_ps(most, sum[r]);
    }
    *low = _mm512_reduce_min_ps(least), *high = _mm512_reduce_max_ps(most);
}

T512 static void units_avx512(const float *scores, float low, float per, float most, uint16_t *units)
{
    for (size_t w = 0; w < BOOK; w += LANES) {
        __m512 x = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(scores + w), _mm512_set1_ps(low)), _mm512_set1_ps(per));
        __m512i found = _mm512_cvttps_epi32(_mm512_min_ps(x, _mm512_set1_ps(most)));
        _mm256_storeu_si256((__m256i *)(units + w), _mm512_cvtepi32_epi16(found));
    }
}
#endif

/* Looks up scores of centres and words; floats of the query are there. */
void words_prepare(Search *s)
{
    const Table *t = s->table;
    size_t groups = t->groups;
    s->scores = (float *)(s->words + (groups + 2) * BOOK);
    float *scores = s->scores, lows[MOST_GROUPS + 1], step = 1e-30f;
    const float room = (float)(SUM - 255 * groups - 1);
    uint16_t units[BOOK];
    double base = 0, most = 0;
    void (*scores_of)(const Search *, size_t, size_t, size_t, float *, float *, float *) = scores_portable;
    void (*units_of)(const float *, float, float, float, uint16_t *) = units_portable;
#ifdef HAVE_X86
    if (t->level == AVX512)
        scores_of = scores_avx512, units_of = units_avx512;
#endif
    for (size_t g = 0; g <= groups; g++) {
        float low, high, needed;
        scores_of(s, g > 0, g ? t->edges[g - 1] : 0, g ? t->edges[g] : t->d, scores + g * BOOK, &low, &high);
        needed = (high - low) / (g ? 255 : room);
        step = needed > step ? needed : step;
        lows[g] = low, base += (double)low;
        most += fabs((double)low) > fabs((double)high) ? fabs((double)low) : fabs((double)high);
    }
    const float per = 1 / step;
    for (size_t g = 0; g <= groups; g++) {
        uint8_t *into = s->words + (g ? g + 1 : 0) * BOOK;
        units_of(scores + g * BOOK, lows[g], per, g ? 255 : room, units);
        for (size_t w = 0; w < BOOK; w++)
            into[w] = (uint8_t)units[w];
        for (size_t w = 0; w < BOOK && !g; w++)
            into[BOOK + w] = (uint8_t)(units[w] >> 8);
    }
    /* what is cut off is half a unit on the average, and no more than half a unit from that; then come roundings */
    double off = (double)(groups + 1) * (double)step;
    s->base = (float)(base + 0.5 * off), s->step = step;
    s->far = (float)((0.501 * off + 0x1p-18 * (most + off)) * (1 + 0x1p-18));
    s->fine = (float)(0x1p-18 * (most + off));
}

/* --- rows --- */

size_t words_byte(size_t row) { return row < SIDE ? 2 * row : 2 * (row - SIDE) + 1; }

/* The codes of a place in the panel: a centre, and the words behind it, each 64 bytes further. */
static const uint8_t *codes_at(const Table *t, size_t place)
{
    return t->panel + place / TOGETHER_ROWS * BLOCKS * t->step + words_byte(place % TOGETHER_ROWS);
}

/* The row that codes stand for, each `apart` bytes behind the one before. */
static void row_of(const Table *t, const uint8_t *codes, size_t apart, float *row)
{
    const float *books = t->books.buf, *centre = books + codes[0] * t->d;
    for (size_t g = 0; g < t->groups; g++) {
        const float *word = books + (BOOK + codes[(g + 1) * apart]) * t->d;
        for (size_t i = t->edges[g]; i < t->edges[g + 1]; i++)
            row[i] = centre[i] + word[i];
    }
}

void words_row(const Table *t, size_t place, float *row)
{
    row_of(t, codes_at(t, place), TOGETHER_ROWS, row);
}

void words_item(const Table *t, const Py_buffer *rows, size_t item, float *row)
{
    row_of(t, (const uint8_t *)rows->buf + item * (t->groups + 1), 1, row);
}

/* --- scans --- */

/* The score of a place from those of its centre and words as they were found, before they were put into bytes. */
static float refined(const Table *t, const Search *s, size_t place)
{
    const uint8_t *codes = codes_at(t, place);
    const float *scores = s->scores;
    double sum = 0;
    for (size_t g = 0; g <= t->groups; g++)
        sum += (double)scores[g * BOOK + codes[g * TOGETHER_ROWS]];
    sum *= t->scale ? (double)t->scale[place] : 1;
    return (float)(t->bias ? sum + (double)(t->bias[place] * s->bias_unit) : sum);
}

/* Offers rows of four blocks whose sums are known: those that may reach the bar, with finer scores, so that few are counted
 * exactly. */
static void offer(const Table *t, size_t block, size_t end, Search *s, const uint16_t *sums)
{
    for (size_t b = block; b < block + BLOCKS && b < end; b++, sums += LANES) {
        float score[LANES], fine[LANES], error = search_error(s, t, b), least = s->bar - error;
        uint32_t lanes = 0, stay = 0;
        for (size_t lane = 0; lane < LANES; lane++) {
            size_t place = b * LANES + lane;
            score[lane] = s->base + s->step * (float)sums[lane];
            if (t->scale)
                score[lane] *= t->scale[place];
            if (t->bias)
                score[lane] += t->bias[place] * s->bias_unit;
            lanes |= (uint32_t)(score[lane] >= least) << lane;
        }
        error -= (s->far - s->fine) * t->apart[b];
        for (; lanes; lanes &= lanes - 1) {
            size_t lane = (size_t)__builtin_ctz(lanes);
            fine[lane] = refined(t, s, b * LANES + lane);
            stay |= (uint32_t)(fine[lane] >= s->bar - error) << lane;
        }
        if (stay)
            search_offer(s, b, stay, fine, error);
    }
}

static void one_portable(const Table *t, size_t begin, size_t end, Search *s)
{
    for (size_t block = begin; block < end; block += BLOCKS) {
        if (block % 16 == 0 && search_is_over(s, t, block))
            return;
        const uint8_t *at = t->panel + block * t->step, *table = s->words;
        uint16_t found[TOGETHER_ROWS], sums[TOGETHER_ROWS];
        for (size_t j = 0; j < TOGETHER_ROWS; j++)
            found[j] = (uint16_t)(table[at[j]] | table[BOOK + at[j]] << 8);
        table += 2 * BOOK, at += TOGETHER_ROWS;
        for (size_t g = 0; g < t->groups; g++, table += BOOK, at += TOGETHER_ROWS)
            for (size_t j = 0; j < TOGETHER_ROWS; j++)
                found[j] = (uint16_t)(found[j] + table[at[j]]);
        for (size_t row = 0; row < TOGETHER_ROWS; row++)
            sums[row] = found[words_byte(row)];
        offer(t, block, end, s, sums);
    }
}

static void many_portable(const Table *t, size_t begin, size_t end, Search *const *s)
{
    one_portable(t, begin, end, s[0]);
}

static const Scan portable = {1, one_portable, many_portable};

#ifdef HAVE_X86
#define TVBMI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

enum { FEW = 4 };

typedef struct {
    __m512i part[4];
} Shelf;

TVBMI INLINE Shelf shelf_of(const uint8_t *table)
{
    Shelf s;
    UNROLL for (int i = 0; i < 4; i++) s.part[i] = _mm512_loadu_si512(table + 64 * i);
    return s;
}

TVBMI INLINE __m512i look_up(const Shelf *s, __m512i codes)
{
    __m512i low = _mm512_permutex2var_epi8(s->part[0], codes, s->part[1]);
    __m512i high = _mm512_permutex2var_epi8(s->part[2], codes, s->part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
}

/* Sums of 64 * `tiles` rows: those at even and at odd bytes. */
TVBMI INLINE void sums_of(const uint8_t *at, const Search *s, const size_t apart, const int tiles, __m512i *even,
                          __m512i *odd)
{
    const __m512i low = _mm512_set1_epi16(255);
    Shelf shelf = shelf_of(s->words), high = shelf_of(s->words + BOOK);
    UNROLL for (int i = 0; i < tiles; i++)
    {
        __m512i codes = _mm512_loadu_si512(at + (size_t)i * apart), x = look_up(&shelf, codes), y = look_up(&high, codes);
        even[i] = _mm512_or_si512(_mm512_and_si512(x, low), _mm512_slli_epi16(y, 8));
        odd[i] = _mm512_or_si512(_mm512_srli_epi16(x, 8), _mm512_andnot_si512(low, y));
    }
    const uint8_t *table = s->words + 2 * BOOK;
    for (size_t g = 0; g < s->table->groups; g++, table += BOOK) {
        at += TOGETHER_ROWS;
        shelf = shelf_of(table);
        UNROLL for (int i = 0; i < tiles; i++)
        {
            __m512i x = look_up(&shelf, _mm512_loadu_si512(at + (size_t)i * apart));
            even[i] = _mm512_add_epi16(even[i], _mm512_and_si512(x, low));
            odd[i] = _mm512_add_epi16(odd[i], _mm512_srli_epi16(x, 8));
        }
    }
}

/* The smallest sum that may reach the bar, where rows are neither scaled nor have a bias; more than SUM where none may. */
INLINE uint32_t least_sum(const Search *s)
{
    float error = s->far + s->slip * s->table->reach_most + s->least;
    float sum = (s->bar - error - s->base) / s->step - 2;
    return !(sum > 0) ? 0 : sum > SUM ? SUM + 1u : (uint32_t)sum;
}

TVBMI INLINE void tile(const Table *t, size_t block, size_t end, Search *s, const int tiles, const int plain)
{
    const size_t apart = BLOCKS * t->step;
    __m512i even[FEW], odd[FEW];
    sums_of(t->panel + block * t->step, s, apart, tiles, even, odd);
    UNROLL for (int i = 0; i < tiles; i++)
    {
        if (plain) {
            uint32_t least = least_sum(s);
            if (least > SUM)
                return;
            __m512i bar = _mm512_set1_epi16((short)least);
            if (!(_mm512_cmpge_epu16_mask(even[i], bar) | _mm512_cmpge_epu16_mask(odd[i], bar)))
                continue;
        }
        uint16_t sums[TOGETHER_ROWS];
        _mm512_storeu_si512(sums, even[i]), _mm512_storeu_si512(sums + SIDE, odd[i]);
        offer(t, block + (size_t)i * BLOCKS, end, s, sums);
    }
}

TVBMI static void one_vbmi(const Table *t, size_t begin, size_t end, Search *s)
{
    const int plain = !t->scale && !t->bias;
    size_t block = begin;
    for (; block + FEW * BLOCKS <= end; block += FEW * BLOCKS) {
        if (search_is_over(s, t, block))
            return;
        tile(t, block, end, s, FEW, plain);
    }
    for (; block < end; block += BLOCKS)
        tile(t, block, end, s, 1, plain);
}

TVBMI static void many_vbmi(const Table *t, size_t begin, size_t end, Search *const *s) { one_vbmi(t, begin, end, s[0]); }

static const Scan vbmi = {1, one_vbmi, many_vbmi};
#endif

int words_fast(Level level)
{
#ifdef HAVE_X86
    return level == AVX512 && __builtin_cpu_supports("avx512vbmi");
#else
    (void)level;
    return 0;
#endif
}

const Scan *scan_words(Level level)
{
#ifdef HAVE_X86
    if (words_fast(level))
        return &vbmi;
#endif
    (void)level;
    return &portable;
}
