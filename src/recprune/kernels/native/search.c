/* A query on its way through a table: what may be among the best is held, and at the end counted exactly.
 *
 * Scans are a sieve. They compute scores in few bits, together with a bound on how far these can be off; an item is
 * dropped only where k others are certain to score higher. The few that are left get their exact score: the dot product
 * of float32 numbers summed up in float64, in eight sums of every eighth product that are then added in one fixed
 * order. So every level, every panel and numpy list the same items with the same scores, to the bit.
 */
#include "kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

INLINE double dot_body(const float *q, const float *x, size_t d)
{
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= d; i += 8)
        for (int j = 0; j < 8; j++)
            sum[j] += (double)q[i + j] * (double)x[i + j];
    for (int j = 0; i < d; i++, j++)
        sum[j] += (double)q[i] * (double)x[i];
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

static double dot_portable(const float *q, const float *x, size_t d) { return dot_body(q, x, d); }

#ifdef HAVE_X86
/* avx2 without fma: the product is rounded before it is added, as everywhere */
__attribute__((target("avx2"))) static double dot_avx2(const float *q, const float *x, size_t d)
{
    return dot_body(q, x, d);
}
#endif

static double dot(Level level, const float *q, const float *x, size_t d)
{
#ifdef HAVE_X86
    if (level != PORTABLE)
        return dot_avx2(q, x, d);
#endif
    return dot_portable(q, x, d);
}

static float half(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float out;
    memcpy(&out, &wide, sizeof out);
    return out;
}

/* The row at a place as float32, not yet weighed; into `row` unless it lies somewhere as it is. */
static const float *row_at(const Table *t, size_t place, float *row)
{
    size_t d = t->d, lane = place % LANES;
    if (t->rows.obj) {
        size_t at = (size_t)t->ids[place] * d;
        if (t->stored == FLOATS)
            return (const float *)t->rows.buf + at;
        if (t->stored == CODEBOOK) {
            words_item(t, &t->rows, (size_t)t->ids[place], row);
            return row;
        }
        for (size_t i = 0; i < d; i++)
            row[i] = half(((const uint16_t *)t->rows.buf)[at + i]);
        return row;
    }
    if (t->scanned == CODEBOOK) {
        words_row(t, place, row);
        return row;
    }
    const uint8_t *block = t->panel + place / LANES * t->step;
    for (size_t i = 0; i < d; i++)
        switch (t->scanned) {
        case FLOATS: memcpy(&row[i], block + (i * LANES + lane) * 4, 4); break;
        case HALVES: row[i] = half(((const uint16_t *)block)[(i / 2 * LANES + lane) * 2 + i % 2]); break;
        case BYTES: row[i] = (float)(block[(i / 4 * LANES + lane) * 4 + i % 4] - 128); break;
        default: {
            int pair = block[(i / 8 * LANES + lane) * 4 + i % 4];
            row[i] = (float)((i % 8 < 4 ? pair & 15 : pair >> 4) - 8);
        }
        }
    return row;
}

static double exact(const Search *s, size_t place)
{
    const Table *t = s->table;
    double score = dot(t->level, s->query, row_at(t, place, s->row), t->d);
    if (t->weight)
        score *= (double)t->weight[place];
    return t->bias ? score + (double)t->bias[place] : score;
}

/* --- room --- */

static size_t wide(const Table *t) { return (t->d + 7) / 8 * 8; }
static size_t room_for(size_t k) { return 2 * k + 96; }
static size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t search_bytes(const Table *t, size_t k)
{
    return 2 * whole_lines(wide(t) * 4) + whole_lines(wide(t)) + whole_lines(k * 4) +
           whole_lines(room_for(k) * sizeof(Held)) + (t->scanned == CODEBOOK ? whole_lines(words_bytes(t)) : 0);
}

void search_place(Search *s, const Table *t, size_t k, void *memory)
{
    char *at = memory;
    s->held = (Held *)at, at += whole_lines(room_for(k) * sizeof(Held));
    s->heap = (float *)at, at += whole_lines(k * 4);
    s->floats = (float *)at, at += whole_lines(wide(t) * 4);
    s->row = (float *)at, at += whole_lines(wide(t) * 4);
    s->bytes = (int8_t *)at, at += whole_lines(wide(t));
    s->words = (uint8_t *)at;
}

/* --- the query --- */

static uint32_t mark_of(int32_t item) { return (uint32_t)item * 2654435761u >> 22; }

static float up(double x) { return (float)(x * (1 + 0x1p-18)); }

/* Shifts the query so that scores are of moderate size, puts it in units and finds what scores can be off by.
 * -1 for a number that is not finite. */
int search_prepare(Search *s, const Table *t, const float *query, size_t k, const int32_t *out, size_t outs)
{
    size_t d = t->d;
    double largest = 0, length = 0, miss = 0, unit;
    int finite = 1;
    for (size_t i = 0; i < d; i++) {
        double size = fabs((double)query[i]);
        finite &= size <= (double)FLT_MAX;
        largest = size > largest ? size : largest;
    }
    if (!finite)
        return -1;
    int shift = 0;
    if (largest > 0) {
        int wanted = t->exponent > 60 ? -60 : t->exponent < -60 ? 60 : -t->exponent;
        frexp(largest, &shift);
        shift -= wanted;
    }
    if (t->bias && t->loudest > 0) {
        int least;
        frexp((double)t->loudest, &least);
        shift = shift < least - 90 ? least - 90 : shift;
        shift = shift < -120 ? -120 : shift;
    }
    double by = s->by = ldexp(1.0, -shift);
    s->unit = 1, s->start = 0;
    if (t->scanned == BYTES || t->scanned == NIBBLES)
        s->unit = (float)(largest * by / 127);
    unit = (double)s->unit;
    int32_t sum = 0;
    for (size_t i = 0; i < wide(t); i++) {
        double x = i < d ? (double)query[i] * by : 0, as;
        if (t->scanned == BYTES || t->scanned == NIBBLES) {
            double code = unit > 0 ? rint(x / unit) : 0;
            code = code > 127 ? 127 : code < -127 ? -127 : code;
            s->bytes[i] = (int8_t)code;
            sum += (int32_t)code;
            as = code * unit;
        } else {
            s->floats[i] = (float)x;
            as = (double)s->floats[i];
        }
        length += x * x;
        miss += (x - as) * (x - as);
    }
    length = sqrt(length), miss = sqrt(miss);
    if (t->scanned == BYTES || t->scanned == NIBBLES) {
        s->start = -(t->scanned == BYTES ? 128 : 8) * sum;
        s->slip = up(miss + 0x1p-19 * (length + miss));
    } else /* d roundings of 2^-24 at most, twice that for good measure, and those of scale and bias */
        s->slip = up(miss + (double)(d + 32) * 0x1p-23 * (length + miss));
    s->far = up(length), s->norm = up(length);
    s->least = 1e-28f; /* numbers too small for float32 may be taken for 0 */
    s->bias_unit = (float)by, s->bias_slip = up(0x1p-19 * by);
    if (t->bias && !((double)s->bias_unit > 0x1p-100)) { /* next to nothing, beside this query */
        s->bias_unit = s->bias_slip = 0;
        s->least = up(1e-28 + (double)t->loudest * by);
    }
    s->table = t, s->query = query, s->bar = -INFINITY;
    s->k = k, s->heaped = s->count = 0, s->room = room_for(k);
    s->out = out, s->outs = outs;
    if (t->scanned == CODEBOOK)
        words_prepare(s);
    memset(s->marks, 0, sizeof s->marks);
    for (size_t i = 0; i < outs; i++) {
        uint32_t mark = mark_of(out[i]);
        s->marks[mark >> 6] |= (uint64_t)1 << (mark & 63);
    }
    return 0;
}

static int is_out(const Search *s, int32_t item)
{
    uint32_t mark = mark_of(item);
    if (!(s->marks[mark >> 6] >> (mark & 63) & 1))
        return 0;
    size_t low = 0, high = s->outs;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->out[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->outs && s->out[low] == item;
}

/* --- the k highest lower bounds --- */

static void sink(float *heap, size_t n, size_t at, float x)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            break;
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (!(heap[child] < x))
            break;
        heap[at] = heap[child], at = child;
    }
    heap[at] = x;
}

static void heap_take(Search *s, float low)
{
    if (s->heaped == s->k) {
        if (low > s->heap[0])
            sink(s->heap, s->k, 0, low);
    } else {
        size_t at = s->heaped++;
        for (; at && s->heap[(at - 1) / 2] > low; at = (at - 1) / 2)
            s->heap[at] = s->heap[(at - 1) / 2];
        s->heap[at] = low;
    }
    if (s->heaped == s->k && s->heap[0] > s->bar)
        s->bar = s->heap[0];
}

/* --- what is held --- */

static void drop_low(Search *s)
{
    size_t stay = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->held[i].high >= s->bar)
            s->held[stay++] = s->held[i];
    s->count = stay;
}

static int before(const Held *a, const Held *b, const int32_t *ids)
{
    if (a->score != b->score)
        return a->score > b->score;
    return ids[a->place] < ids[b->place];
}

/* Heap sort: the last of the order on top. No memory, no worst case. */
static void sort_held(Held *held, size_t n, const int32_t *ids)
{
    for (size_t i = n / 2, end = n; end > 1;) {
        if (i > 0)
            i--;
        else {
            Held last = held[--end];
            held[end] = held[0], held[0] = last;
            if (end == 1)
                break;
        }
        Held x = held[i];
        size_t at = i;
        for (;;) {
            size_t child = 2 * at + 1;
            if (child >= end)
                break;
            child += child + 1 < end && before(&held[child], &held[child + 1], ids);
            if (!before(&x, &held[child], ids))
                break;
            held[at] = held[child], at = child;
        }
        held[at] = x;
    }
}

/* Finds all exact scores and keeps the k best, in order. */
static void settle(Search *s)
{
    const Table *t = s->table;
    if (t->rows.obj) {
        size_t width = t->stored == CODEBOOK ? t->groups + 1 : t->d * (t->stored == FLOATS ? 4 : 2);
        for (size_t i = 0; i < s->count; i++)
            for (size_t at = 0; at < width && !s->held[i].known; at += 64)
                __builtin_prefetch((const char *)t->rows.buf + (size_t)t->ids[s->held[i].place] * width + at);
    }
    for (size_t i = 0; i < s->count; i++)
        if (!s->held[i].known)
            s->held[i].score = exact(s, (size_t)s->held[i].place), s->held[i].known = 1;
    sort_held(s->held, s->count, t->ids);
    s->count = s->count < s->k ? s->count : s->k;
    if (s->count == s->k) { /* k items score as high as the last of them */
        double last = s->held[s->k - 1].score * s->by;
        float bar = (float)(last - 0x1p-20 * fabs(last)) - s->least;
        s->bar = bar > s->bar ? bar : s->bar;
    }
}

/* Called where many score alike: bounds do not tell them apart, exact scores and numbers of items do. */
static void make_room(Search *s)
{
    drop_low(s);
    if (s->count + s->k / 4 + 16 < s->room)
        return;
    settle(s);
}

void search_offer(Search *s, size_t block, uint32_t lanes, const float *scores, float error)
{
    for (; lanes; lanes &= lanes - 1) {
        size_t lane = (size_t)__builtin_ctz(lanes), place = block * LANES + lane;
        float high = scores[lane] + error;
        if (place >= s->table->n || !(high >= s->bar) || is_out(s, s->table->ids[place]))
            continue;
        if (s->count == s->room)
            make_room(s);
        Held *new = &s->held[s->count++];
        *new = (Held){.low = scores[lane] - error, .high = high, .place = (int32_t)place};
        heap_take(s, new->low);
    }
}

/* Writes the best, highest first, and returns how many there are. */
size_t search_finish(Search *s, int64_t *items, float *scores)
{
    drop_low(s);
    settle(s);
    for (size_t i = 0; i < s->count; i++) {
        items[i] = s->table->ids[s->held[i].place];
        scores[i] = (float)s->held[i].score;
    }
    return s->count;
}
