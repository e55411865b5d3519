/* Factors of items beside a memory of who had what: what both say of a history, and the best of it, in one call.
 *
 * score(j) = log(p(j) + share * q(j) + 1e-20). p is the softmax over all items of cos(sum of rows of the history, row j)
 * / temperature; q is where walks end that lead from the history over users to items, or over entries to items, in
 * shares of their sum. Rows are floats, or codes of product quantisation: then the products of a query with all words
 * are written down once, and a row is added up from them (Jegou et al. 2011, section III.A). All is float32, in one fixed
 * order, so that every level lists the same with the same scores.
 */
#include "asking.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static PyTypeObject *WalksType;

enum { WORDS = 256 };

/* Room for one request; near and reached are all zero whenever nobody uses them. */
typedef struct {
    Spare spare;      /* first */
    float *likely;    /* (items + padding) */
    float *near;      /* (items + padding) */
    uint8_t *touched; /* one for 16 items */
    float *reached;   /* (users) how likely a walk is at each */
    int32_t *who;     /* (users) those that are reached */
    float *query;     /* (width rounded up to 16) */
    float *products;  /* (groups + 1, 256) */
} Room;

/* Lists of a memory: `starts` (rows + 1), and what stands in each. */
typedef struct {
    size_t rows, entries;
    size_t *starts;
    int32_t *at;
    float *values; /* (entries), or NULL for 1 */
} Lists;

typedef struct {
    PyObject_HEAD
    Level level;
    size_t items, users, width, groups; /* groups: 0 where rows are floats */
    Py_buffer rows;                     /* lent: (items, groups + 1) codes or (items, width) floats */
    float *books;                       /* (width, 256) centres, then as many words, turned so that words lie together */
    size_t *edges;                      /* (groups + 1) where groups begin and end */
    float *inverse;                     /* (items + padding) 1 / the length of a row */
    float temperature, share;
    Lists had, by; /* by item: users, or items; by user: items; by.starts is NULL where entries lead to items */
    float *comes;  /* (items) which part of what comes back to an item has begun there */
    int32_t *never;
    size_t nevers;
    Spare *free;
} Walks;

static size_t padded(const Walks *t) { return (t->items + LANES - 1) / LANES * LANES; }
static size_t wide(const Walks *t) { return (t->width + LANES - 1) / LANES * LANES; }
static size_t touched_bytes(const Walks *t) { return (padded(t) / LANES + 8) / 8 * 8; }

static void room_drop(const Walks *t, Room *room)
{
    if (!room)
        return;
    lean_drop(&room->spare.lean), memory_drop(room->likely, padded(t) * 4), memory_drop(room->near, padded(t) * 4);
    memory_drop(room->touched, touched_bytes(t)), memory_drop(room->reached, t->users * 4);
    free(room->who), memory_drop(room->query, wide(t) * 4), memory_drop(room->products, (t->groups + 1) * WORDS * 4);
    free(room);
}

static Spare *room_more(const void *kernel)
{
    const Walks *t = kernel;
    Room *room = calloc(1, sizeof *room);
    if (room) {
        room->likely = memory_take(padded(t) * 4), room->near = memory_take(padded(t) * 4);
        room->touched = memory_take(touched_bytes(t)), room->reached = memory_take(t->users * 4);
        room->who = malloc(t->users * sizeof *room->who + 1), room->query = memory_take(wide(t) * 4);
        room->products = memory_take((t->groups + 1) * WORDS * 4);
        if (room->likely && room->near && room->touched && room->reached && room->who && room->query && room->products)
            return &room->spare;
    }
    room_drop(t, room);
    return NULL;
}

/* --- factors --- */

/* The sum of the rows of a history, of length 1 / temperature. */
static void ask(const Walks *t, Room *room, const int32_t *history, size_t length)
{
    float *query = room->query;
    double square = 0;
    memset(query, 0, wide(t) * sizeof *query);
    for (size_t i = 0; i < length; i++) {
        size_t item = (size_t)history[i];
        if (!t->groups) {
            const float *row = (const float *)t->rows.buf + item * t->width;
            for (size_t d = 0; d < t->width; d++)
                query[d] += row[d];
            continue;
        }
        const uint8_t *codes = (const uint8_t *)t->rows.buf + item * (t->groups + 1);
        const float *words = t->books + t->width * WORDS;
        for (size_t g = 0; g < t->groups; g++)
            for (size_t d = t->edges[g]; d < t->edges[g + 1]; d++)
                query[d] += t->books[d * WORDS + codes[0]] + words[d * WORDS + codes[g + 1]];
    }
    for (size_t d = 0; d < t->width; d++)
        square += (double)query[d] * (double)query[d];
    double norm = sqrt(square), by = 1 / ((norm > 1e-12 ? norm : 1e-12) * (double)t->temperature);
    for (size_t d = 0; d < t->width; d++)
        query[d] = (float)((double)query[d] * by);
}

/* Products of the query with all centres, and with the words of every group. */
INLINE void multiply_body(const Walks *t, Room *room)
{
    const float *words = t->books + t->width * WORDS;
    memset(room->products, 0, (t->groups + 1) * WORDS * sizeof(float));
    for (size_t g = 0; g < t->groups; g++)
        for (size_t d = t->edges[g]; d < t->edges[g + 1]; d++) {
            float *of_centres = room->products, *of_words = room->products + (g + 1) * WORDS, q = room->query[d];
            for (size_t w = 0; w < WORDS; w++)
                of_centres[w] += q * t->books[d * WORDS + w], of_words[w] += q * words[d * WORDS + w];
        }
}

INLINE uint64_t eight_codes(const uint8_t *at)
{
    uint64_t eight;
    memcpy(&eight, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}

/* Rows from the products: an item is read once, eight codes at a time, two items beside each other. Plain loads are as
 * fast here as gathers and faster on many machines. */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("no-tree-vectorize")))
#endif
static void add_products(const Walks *t, Room *room)
{
    size_t codes = t->groups + 1, last = t->items - 1;
    for (size_t item = 0; item < t->items; item += 2) {
        const uint8_t *one = (const uint8_t *)t->rows.buf + item * codes;
        const uint8_t *two = item < last ? one + codes : one;
        const float *of = room->products;
        float a = 0, b = 0;
        size_t g = 0;
        for (; g + 8 <= codes; g += 8, of += 8 * WORDS) {
            uint64_t x = eight_codes(one + g), y = eight_codes(two + g);
            _Pragma("GCC unroll 8") for (size_t i = 0; i < 8; i++, x >>= 8, y >>= 8)
                a += of[i * WORDS + (x & 255)], b += of[i * WORDS + (y & 255)];
        }
        for (; g < codes; g++, of += WORDS)
            a += of[one[g]], b += of[two[g]];
        room->likely[item] = a;
        if (item < last)
            room->likely[item + 1] = b;
    }
}

INLINE void rows_body(const Walks *t, Room *room)
{
    size_t d = t->width, whole = d / LANES * LANES;
    for (size_t item = 0; item < t->items; item++) {
        const float *row = (const float *)t->rows.buf + item * d;
        float sum[LANES] = {0};
        for (size_t i = 0; i < whole; i += LANES)
            for (size_t lane = 0; lane < LANES; lane++)
                sum[lane] += row[i + lane] * room->query[i + lane];
        for (size_t i = whole; i < d; i++)
            sum[i - whole] += row[i] * room->query[i];
        for (size_t half = LANES / 2; half; half /= 2)
            for (size_t lane = 0; lane < half; lane++)
                sum[lane] += sum[lane + half];
        room->likely[item] = sum[0];
    }
}

/* e^x for x <= 0, and the smallest that there is from -87 on: 2^n e^r, r at most log(2) / 2, by eight terms of its series. */
INLINE float exponential(float x)
{
    union {
        float f;
        int32_t i;
    } whole, power;
    x = x < -87.0f ? -87.0f : x;
    whole.f = x * 0x1.715476p+0f + 0x1.8p+23f;
    float n = whole.f - 0x1.8p+23f;
    float r = (x - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f; /* log(2) in two parts, so that n times the first is exact */
    float y = 1.0f / 5040;
    y = y * r + 1.0f / 720, y = y * r + 1.0f / 120, y = y * r + 1.0f / 24, y = y * r + 1.0f / 6;
    y = y * r + 0.5f, y = y * r + 1.0f, y = y * r + 1.0f;
    power.i = (whole.i - 0x4b400000 + 127) * (1 << 23);
    return y * power.f;
}

/* Products -> shares of their softmax, not yet divided by the sum, which is returned. */
INLINE double soften_body(const Walks *t, float *likely)
{
    size_t whole = padded(t);
    float most[LANES];
    double sums[LANES] = {0}, all = 0;
    for (size_t i = 0; i < LANES; i++)
        most[i] = -FLT_MAX;
    for (size_t at = t->items; at < whole; at++)
        likely[at] = -FLT_MAX;
    for (size_t at = 0; at < whole; at += LANES)
        for (size_t i = 0; i < LANES; i++) {
            likely[at + i] *= t->inverse[at + i];
            most[i] = likely[at + i] > most[i] ? likely[at + i] : most[i];
        }
    for (size_t i = 1; i < LANES; i++)
        most[0] = most[i] > most[0] ? most[i] : most[0];
    for (size_t at = 0; at < whole; at += LANES)
        for (size_t i = 0; i < LANES; i++)
            likely[at + i] = exponential(likely[at + i] - most[0]);
    for (size_t at = t->items; at < whole; at++)
        likely[at] = 0;
    for (size_t at = 0; at < whole; at += LANES)
        for (size_t i = 0; i < LANES; i++)
            sums[i] += (double)likely[at + i];
    for (size_t i = 0; i < LANES; i++)
        all += sums[i];
    return all;
}

/* --- memory --- */

INLINE void lead(Room *room, int32_t item, float by)
{
    room->near[item] += by;
    room->touched[(uint32_t)item / LANES] = 1;
}

#define ROUNDING 1e-5f /* of what is taken off: less than that is left by float32, and is no walk */

/* Where walks end; what comes back to where it began is taken off. */
static void walk(const Walks *t, Room *room, const int32_t *history, size_t length)
{
    const Lists *had = &t->had, *by = &t->by;
    size_t reached = 0;
    for (size_t i = 0; i < length; i++) {
        size_t begin = had->starts[history[i]], end = had->starts[history[i] + 1];
        float part = begin < end ? 1 / (float)(end - begin) : 0;
        for (size_t at = begin; at < end; at++) {
            if (!by->starts) {
                lead(room, had->at[at], had->values ? had->values[at] : 1);
                continue;
            }
            int32_t user = had->at[at];
            if (room->reached[user] == 0)
                room->who[reached++] = user;
            room->reached[user] += part;
        }
    }
    if (!by->starts)
        return;
    for (size_t i = 0; i < reached; i++) {
        int32_t user = room->who[i];
        size_t begin = by->starts[user], end = by->starts[user + 1];
        float part = room->reached[user] / (float)(end - begin);
        room->reached[user] = 0;
        for (size_t at = begin; at < end; at++)
            lead(room, by->at[at], part);
    }
    for (size_t i = 0; i < length; i++) {
        int32_t item = history[i];
        float left = room->near[item] - t->comes[item];
        room->near[item] = left > t->comes[item] * ROUNDING ? left : 0;
    }
}

/* The sum of all that is near. */
static double near_all(const Walks *t, const Room *room)
{
    double all = 0;
    for (size_t block = 0; block < padded(t) / LANES; block++)
        if (room->touched[block])
            for (size_t i = 0; i < LANES; i++)
                all += (double)room->near[block * LANES + i];
    return all;
}

/* --- the best of it --- */

/* Puts both together, and what is near back to zero. */
INLINE void join_body(const Walks *t, Room *room, float of_likely, float of_near)
{
    for (size_t block = 0; block < padded(t) / LANES; block++) {
        float *likely = room->likely + block * LANES, *near = room->near + block * LANES;
        for (size_t i = 0; i < LANES; i++)
            likely[i] *= of_likely;
        if (!room->touched[block])
            continue;
        room->touched[block] = 0;
        for (size_t i = 0; i < LANES; i++)
            likely[i] += of_near * near[i], near[i] = 0;
    }
}

static float score_of(float x) { return (float)log((double)x + 1e-20); }

/* What scores at most as high as the bar, surely, in units of what is compared. */
static float least_of(float bar) { return (float)(exp((double)bar) * (1 - 1e-5) - 1e-20); }

INLINE void look_body(const Walks *t, const float *likely, Best *best)
{
    float least = -0.5f; /* what is left out stands at -1 */
    for (size_t at = 0; at < padded(t); at += LANES) {
        int any = 0;
        for (size_t i = 0; i < LANES; i++)
            any |= likely[at + i] > least;
        if (__builtin_expect(!any, 1))
            continue;
        for (size_t i = 0; i < LANES && at + i < t->items; i++)
            if (likely[at + i] > least) {
                best_offer(best, score_of(likely[at + i]), (int32_t)(at + i));
                if (best->count == best->k)
                    least = least_of(best->bar);
            }
    }
}

typedef struct {
    void (*multiply)(const Walks *, Room *), (*rows)(const Walks *, Room *);
    double (*soften)(const Walks *, float *);
    void (*join)(const Walks *, Room *, float, float);
    void (*look)(const Walks *, const float *, Best *);
} Steps;

#define STEPS(NAME, TARGET)                                                                                            \
    TARGET static void multiply_##NAME(const Walks *t, Room *r) { multiply_body(t, r); }                               \
    TARGET static void rows_##NAME(const Walks *t, Room *r) { rows_body(t, r); }                                       \
    TARGET static double soften_##NAME(const Walks *t, float *x) { return soften_body(t, x); }                         \
    TARGET static void join_##NAME(const Walks *t, Room *r, float a, float b) { join_body(t, r, a, b); }               \
    TARGET static void look_##NAME(const Walks *t, const float *x, Best *b) { look_body(t, x, b); }                    \
    static const Steps steps_##NAME = {multiply_##NAME, rows_##NAME, soften_##NAME, join_##NAME, look_##NAME};

STEPS(portable, )
#ifdef HAVE_X86
STEPS(avx2, __attribute__((target("avx2"))))
STEPS(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))
#endif

static const Steps *steps_of(const Walks *t)
{
#ifdef HAVE_X86
    if (t->level == AVX512)
        return &steps_avx512;
    if (t->level == AVX2)
        return &steps_avx2;
#endif
    return &steps_portable;
}

/* An item that comes twice counts once; nothing is weighted. */
static int answer(const void *kernel, Spare *spare, int32_t *history, const float *weights, size_t length, int32_t *out,
                  size_t outs, Best *best)
{
    const Walks *t = kernel;
    Room *room = (Room *)spare;
    (void)weights;
    const Steps *steps = steps_of(t);
    size_t once = 0;
    for (size_t i = 0; i < length; i++)
        if (!once || history[once - 1] != history[i])
            history[once++] = history[i];
    ask(t, room, history, once);
    if (t->groups) {
        steps->multiply(t, room);
        add_products(t, room);
    } else
        steps->rows(t, room);
    double likely = steps->soften(t, room->likely);
    walk(t, room, history, once);
    double near = near_all(t, room);
    int fine = likely > 0 && likely <= DBL_MAX && near >= 0 && near <= DBL_MAX;
    steps->join(t, room, (float)(1 / likely), (float)((double)t->share / (near > 1e-20 ? near : 1e-20)));
    if (!fine)
        return NOT_A_NUMBER;
    for (size_t i = 0; i < outs; i++)
        room->likely[out[i]] = -1;
    for (size_t i = 0; i < t->nevers; i++)
        room->likely[t->never[i]] = -1;
    best_begin(best, -INFINITY);
    steps->look(t, room->likely, best);
    return FINE;
}

/* --- made --- */

static void lists_drop(Lists *l) { free(l->starts), free(l->at), free(l->values); }

static void walks_dealloc(PyObject *self)
{
    Walks *t = (Walks *)self;
    while (t->free) {
        Spare *room = t->free;
        t->free = room->next;
        room_drop(t, (Room *)room);
    }
    memory_drop(t->inverse, padded(t) * 4), memory_drop(t->books, 2 * t->width * WORDS * 4);
    free(t->edges), free(t->comes), free(t->never);
    lists_drop(&t->had), lists_drop(&t->by);
    if (t->rows.obj)
        PyBuffer_Release(&t->rows);
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

#define WRONG_MEMORY "a memory is damaged: its starts, places and values do not go together, or are not finite"

/* Lists from starts (rows + 1), places below a bound, and values or None. */
static int lists_fill(Lists *l, size_t rows, size_t below, const Buffer *starts, const Buffer *at, const Buffer *values)
{
    l->rows = rows, l->entries = (size_t)at->view.shape[0];
    if (!(l->starts = starts_copied(starts, rows, l->entries)))
        return -1;
    int fine = l->starts[0] == 0 && l->starts[rows] == l->entries &&
               (!values->held || values->view.shape[0] == at->view.shape[0]);
    l->at = malloc(l->entries * sizeof *l->at + 1);
    l->values = values->held ? malloc(l->entries * sizeof *l->values + 1) : NULL;
    if (!l->at || (values->held && !l->values))
        return PyErr_NoMemory(), -1;
    for (size_t i = 0; fine && i < l->entries; i++) {
        l->at[i] = ((const int32_t *)at->view.buf)[i];
        fine = l->at[i] >= 0 && (size_t)l->at[i] < below;
        if (fine && l->values) {
            l->values[i] = ((const float *)values->view.buf)[i];
            fine = l->values[i] >= 0 && l->values[i] <= FLT_MAX;
        }
    }
    if (!fine)
        PyErr_SetString(DataError, WRONG_MEMORY);
    return fine ? 0 : -1;
}

/* What comes back to an item over its users, 1 / (items of the user) each, in parts of what has begun there. */
static int fill_comes(Walks *t)
{
    t->comes = malloc(t->items * sizeof *t->comes + 1);
    if (!t->comes)
        return PyErr_NoMemory(), -1;
    for (size_t item = 0; item < t->items; item++) {
        size_t begin = t->had.starts[item], end = t->had.starts[item + 1];
        double back = 0;
        for (size_t at = begin; at < end; at++) {
            size_t user = (size_t)t->had.at[at], many = t->by.starts[user + 1] - t->by.starts[user];
            if (!many)
                return PyErr_SetString(DataError, WRONG_MEMORY), -1;
            back += 1 / (double)many;
        }
        t->comes[item] = begin < end ? (float)(back / (double)(end - begin)) : 0;
    }
    return 0;
}

/* Books (256, width) each, turned; edges of groups rise from 0 to the width. */
static int fill_books(Walks *t, const Buffer *centres, const Buffer *words, const Buffer *edges)
{
    size_t groups = t->groups, d = (size_t)centres->view.shape[1];
    int fine = (size_t)edges->view.shape[0] == groups + 1 && d >= 1 && d <= LONGEST && groups <= d &&
               centres->view.shape[0] == WORDS && words->view.shape[0] == WORDS && (size_t)words->view.shape[1] == d;
    t->width = d;
    t->edges = calloc(groups + 1, sizeof *t->edges);
    t->books = memory_take(2 * d * WORDS * sizeof *t->books);
    if (!t->edges || !t->books)
        return PyErr_NoMemory(), -1;
    for (size_t g = 0; fine && g <= groups; g++) {
        int64_t edge = ((const int64_t *)edges->view.buf)[g];
        fine = edge >= 0 && (size_t)edge <= d && (g ? (size_t)edge >= t->edges[g - 1] : edge == 0);
        t->edges[g] = (size_t)edge;
    }
    fine = fine && t->edges[groups] == d;
    for (size_t i = 0; fine && i < d * WORDS; i++) {
        float centre = ((const float *)centres->view.buf)[i], word = ((const float *)words->view.buf)[i];
        fine = fabsf(centre) <= 0x1p60f && fabsf(word) <= 0x1p60f;
        t->books[i % d * WORDS + i / d] = centre, t->books[(d + i % d) * WORDS + i / d] = word;
    }
    if (!fine)
        PyErr_SetString(DataError, "books, edges and codes do not go together, or numbers are NaN or too large");
    return fine ? 0 : -1;
}

static int fill_rows(Walks *t, Buffer *rows, const Buffer *inverse)
{
    int fine = (size_t)inverse->view.shape[0] == t->items;
    if (!(t->inverse = memory_take(padded(t) * sizeof *t->inverse)))
        return PyErr_NoMemory(), -1;
    for (size_t i = 0; fine && i < padded(t); i++) {
        t->inverse[i] = i < t->items ? ((const float *)inverse->view.buf)[i] : 1;
        fine = t->inverse[i] >= 0 && t->inverse[i] <= FLT_MAX;
    }
    for (size_t i = 0; fine && !t->groups && i < t->items * t->width; i++)
        fine = fabsf(((const float *)rows->view.buf)[i]) <= 0x1p60f;
    if (!fine)
        return PyErr_SetString(DataError, "rows or their lengths are NaN or too large, or not as many as items"), -1;
    t->rows = rows->view, rows->held = 0;
    return 0;
}

/* Walks(level, temperature, share, never (any,) int, rows (items, width) float32 or codes (items, groups + 1) uint8,
 * None or (centres (256, width), words (256, width), edges (groups + 1,) int64), inverse (items,),
 * (starts (items + 1,), places (any,) int32, values (any,) or None),
 * None or (starts (users + 1,), places (any,) int32)) */
static PyObject *walks_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *level, *never, *rows, *books, *inverse, *had, *by;
    PyObject *centres = NULL, *words, *edges, *starts, *places, *values, *user_starts = NULL, *user_places = NULL;
    double temperature, share;
    Level at;
    if (named && PyDict_Size(named))
        return PyErr_SetString(PyExc_TypeError, "Walks takes no names"), NULL;
    if (!PyArg_ParseTuple(args, "OddOOOOOO", &level, &temperature, &share, &never, &rows, &books, &inverse, &had, &by) ||
        level_of(level, &at) || (books != Py_None && !PyArg_ParseTuple(books, "OOO", &centres, &words, &edges)) ||
        !PyArg_ParseTuple(had, "OOO", &starts, &places, &values) ||
        (by != Py_None && !PyArg_ParseTuple(by, "OO", &user_starts, &user_places)))
        return NULL;
    if (!(temperature > 1e-6 && temperature < 1e6 && share >= 0 && share < 1e6))
        return PyErr_SetString(DataError, "a temperature is above 0, and a share 0 or more"), NULL;
    int coded = centres != NULL, two = user_starts != NULL;
    Buffer n = {.held = 0}, r = {.held = 0}, c = {.held = 0}, w = {.held = 0}, e = {.held = 0}, i = {.held = 0},
           s = {.held = 0}, p = {.held = 0}, v = {.held = 0}, us = {.held = 0}, up = {.held = 0};
    Walks *t = NULL;
    if (buffer_take(&n, never, "items that are never listed", "il", 1, 0) ||
        buffer_take(&r, rows, coded ? "codes" : "rows", coded ? "B" : "f", 2, 0) ||
        (coded && (buffer_take(&c, centres, "centres", "f", 2, 0) || buffer_take(&w, words, "words", "f", 2, 0) ||
                   buffer_take(&e, edges, "edges", "l", 1, 0))) ||
        buffer_take(&i, inverse, "lengths", "f", 1, 0) || buffer_take(&s, starts, "starts", "il", 1, 0) ||
        buffer_take(&p, places, "places", "i", 1, 0) ||
        (values != Py_None && buffer_take(&v, values, "values", "f", 1, 0)) ||
        (two && (buffer_take(&us, user_starts, "starts of users", "il", 1, 0) ||
                 buffer_take(&up, user_places, "places of users", "i", 1, 0))))
        goto done;
    if (r.view.shape[0] < 1 || r.view.shape[0] > INT32_MAX - 512 || r.view.shape[1] < (coded ? 2 : 1) ||
        r.view.shape[1] > LONGEST || (two && (us.view.shape[0] < 1 || v.held))) {
        PyErr_Format(DataError, "rows are (%zd, %zd), and a memory has lists of users or values, not both",
                     r.view.shape[0], r.view.shape[1]);
        goto done;
    }
    t = (Walks *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!t)
        goto done;
    t->level = at, t->items = (size_t)r.view.shape[0], t->users = two ? (size_t)us.view.shape[0] - 1 : 0;
    t->groups = coded ? (size_t)r.view.shape[1] - 1 : 0, t->width = coded ? 0 : (size_t)r.view.shape[1];
    t->temperature = (float)temperature, t->share = (float)share, t->nevers = (size_t)n.view.shape[0];
    t->never = malloc(t->nevers * sizeof *t->never + 1);
    int wrong = 1;
    if (!t->never)
        PyErr_NoMemory();
    else if (items_sorted(&n, 0, t->nevers, t->items, t->never))
        PyErr_Format(DataError, "an item that is never listed is no row: they are 0 or more and below %zu", t->items);
    else
        wrong = (coded && fill_books(t, &c, &w, &e)) || fill_rows(t, &r, &i) ||
                lists_fill(&t->had, t->items, two ? t->users : t->items, &s, &p, &v) ||
                (two && (lists_fill(&t->by, t->users, t->items, &us, &up, &v) || fill_comes(t)));
    if (wrong) {
        Py_DECREF(t);
        t = NULL;
    }
done:
    buffer_drop(&n), buffer_drop(&r), buffer_drop(&c), buffer_drop(&w), buffer_drop(&e), buffer_drop(&i);
    buffer_drop(&s), buffer_drop(&p), buffer_drop(&v), buffer_drop(&us), buffer_drop(&up);
    return (PyObject *)t;
}

/* --- asked --- */

static void said(int wrong, const void *kernel)
{
    const Walks *t = kernel;
    if (wrong == WRONG_ITEM)
        PyErr_Format(DataError, "an item is none of the factors: they are 0 or more and below %zu", t->items);
    else
        PyErr_SetString(DataError, "factors or a memory give NaN as a score: their numbers are too large");
}

static Asked asked_of(PyObject *self)
{
    Walks *t = (Walks *)self;
    return (Asked){t, t->items, t->items, &t->free, room_more, NULL, NULL, answer, said};
}

static PyObject *walks_top(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "top takes history, k, out, items, scores"), NULL;
    return asked_top(&a, args[0], NULL, args[1], args[2], args[3], args[4]);
}

static PyObject *walks_best(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_best(&a, args, count);
}

static PyObject *walks_top_of_all(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_top_of_all(&a, args, count);
}

static PyMethodDef methods[] = {
    {"best", (PyCFunction)(void (*)(void))walks_best, METH_FASTCALL, "The same as one value, or None."},
    {"top", (PyCFunction)(void (*)(void))walks_top, METH_FASTCALL, "The k best items for one history."},
    {"top_of_all", (PyCFunction)(void (*)(void))walks_top_of_all, METH_FASTCALL, "The k best for every history."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)walks_new},
    {Py_tp_dealloc, (void *)walks_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"recprune.kernels._native.Walks", sizeof(Walks), 0, Py_TPFLAGS_DEFAULT, slots};

int walks_add(PyObject *module)
{
    WalksType = (PyTypeObject *)PyType_FromSpec(&spec);
    return WalksType ? PyModule_AddObjectRef(module, "Walks", (PyObject *)WalksType) : -1;
}
