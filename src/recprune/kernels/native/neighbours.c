/* Item-item rows: what a history adds up to, and the best of it. Only the columns of its items are read, and only the
 * scores that these touched are looked at. */
#include "asking.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_X86
#include <immintrin.h>
#endif

static PyTypeObject *NeighboursType;

enum { GROUP = 255 }; /* rows whose places are told in a byte, see recprune/encodings/item_bytes.py */

/* What an entry adds to a row. */
typedef struct {
    uint32_t row;
    float x;
} Part;

enum { FEW = 4096 };

/* Room to add up in; touched is all zero whenever nobody uses it, and so are sums where they are not `used`. */
typedef struct {
    Spare spare; /* first */
    float *sums;      /* (rows + padding) */
    uint8_t *touched; /* one for 16 rows */
    int used;
    Part *parts;      /* (FEW) */
    uint16_t *slots;  /* (2 * FEW) where the part of a row is, counted from 1; 0 for nowhere */
} Room;

/* The matrix by columns: entries of an item of the history lie together. Either numbers with their rows, of our own, or
 * codes that are lent: an int8 and the place inside a group of 255 rows, with a count for every group. Lent bytes may
 * change under us; they are checked as they are read. */
typedef struct {
    PyObject_HEAD
    Level level;
    size_t rows, columns, entries, groups;
    size_t *starts; /* (columns + 1) */
    Part *own;
    Py_buffer codes, near, counts; /* obj is NULL where numbers are our own */
    float *scale;                  /* (rows + padding) of codes */
    int32_t *never;                /* items that are never listed, ascending */
    size_t nevers;
    Spare *free;
} Neighbours;

static size_t padded(const Neighbours *t) { return (t->rows + GROUP + 1 + LANES) / LANES * LANES; }
static size_t sums_bytes(const Neighbours *t) { return padded(t) * sizeof(float); }
static size_t touched_bytes(const Neighbours *t) { return (padded(t) / LANES + 8) / 8 * 8; }

static void room_drop(const Neighbours *t, Room *room)
{
    if (room) {
        memory_drop(room->sums, sums_bytes(t)), memory_drop(room->touched, touched_bytes(t));
        lean_drop(&room->spare.lean), free(room->parts), free(room->slots), free(room);
    }
}

static Spare *room_more(const void *kernel)
{
    const Neighbours *t = kernel;
    Room *room = calloc(1, sizeof *room);
    if (room) {
        room->sums = memory_take(sums_bytes(t)), room->touched = memory_take(touched_bytes(t));
        room->parts = malloc(FEW * sizeof *room->parts), room->slots = malloc(2 * FEW * sizeof *room->slots);
        if (room->sums && room->touched && room->parts && room->slots)
            return &room->spare;
    }
    room_drop(t, room);
    return NULL;
}

/* --- adding up --- */

INLINE void add_own(const Neighbours *t, Room *room, size_t column, float by, const int touch)
{
    for (const Part *at = t->own + t->starts[column], *end = t->own + t->starts[column + 1]; at < end; at++) {
        room->sums[at->row] += at->x * by;
        if (touch)
            room->touched[at->row / LANES] = 1;
    }
}

INLINE int add_codes(const Neighbours *t, Room *room, size_t column, float by, const int touch)
{
    const uint8_t *counts = (const uint8_t *)t->counts.buf + column * t->groups, *near = t->near.buf;
    const int8_t *codes = t->codes.buf;
    size_t at = t->starts[column];
    for (size_t group = 0; group < t->groups; group++) {
        size_t end = at + counts[group], first = group * GROUP;
        if (end > t->entries)
            return -1;
        for (; at < end; at++) {
            size_t row = first + near[at]; /* at most 255 behind the last row: sums are that much longer */
            room->sums[row] += (float)codes[at] * by;
            if (touch)
                room->touched[row / LANES] = 1;
        }
    }
    return 0;
}

INLINE int add_all(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                   const int touch)
{
    for (size_t i = 0; i < length; i++) {
        float by = weights ? weights[i] : 1;
        if (t->own)
            add_own(t, room, (size_t)history[i], by, touch);
        else if (add_codes(t, room, (size_t)history[i], by, touch))
            return -1;
    }
    return 0;
}

/* --- few entries: a sum for each row that they lead to, found by its hash, instead of a row of all sums, which would
 * come from memory --- */

/* How many entries a history reads. What is next to be read is asked for on the way, without a look at how much it is: a
 * wrong guess of a branch would wait for memory. */
static size_t entries_of(const Neighbours *t, const int32_t *history, size_t length)
{
    size_t entries = 0;
    for (size_t i = 0; i < length; i++)
        __builtin_prefetch(t->starts + history[i]);
    for (size_t i = 0; i < length; i++) {
        size_t begin = t->starts[history[i]], end = t->starts[history[i] + 1];
        const char *first = t->own ? (const char *)(t->own + begin) : (const char *)t->codes.buf + begin;
        const char *second = t->own ? first + 128 : (const char *)t->near.buf + begin;
        __builtin_prefetch(first), __builtin_prefetch(first + 64);
        __builtin_prefetch(second), __builtin_prefetch(second + 64);
        entries += end - begin;
    }
    return entries;
}

/* Sums by the hash of their rows: which part each is, or where it belongs. */
typedef struct {
    Part *parts;
    uint16_t *slots;
    uint32_t mask;
    int shift;
    size_t count;
} Sums;

INLINE uint16_t *slot_of(const Sums *s, uint32_t row)
{
    uint32_t at = row * 0x9e3779b1u >> s->shift;
    while (s->slots[at] && s->parts[s->slots[at] - 1].row != row)
        at = (at + 1) & s->mask;
    return &s->slots[at];
}

INLINE void sum_up(Sums *s, uint32_t row, float x)
{
    uint16_t *slot = slot_of(s, row);
    if (*slot)
        s->parts[*slot - 1].x += x;
    else
        s->parts[s->count] = (Part){row, x}, *slot = (uint16_t)++s->count;
}

/* Sums of all entries, item by item; -1 where codes are damaged. */
static int gather(const Neighbours *t, const int32_t *history, const float *weights, size_t length, Sums *into)
{
    for (size_t i = 0; i < length; i++) {
        size_t column = (size_t)history[i], at = t->starts[column], last = t->starts[column + 1];
        float by = weights ? weights[i] : 1;
        if (t->own) {
            for (; at < last; at++)
                sum_up(into, t->own[at].row, t->own[at].x * by);
            continue;
        }
        const uint8_t *counts = (const uint8_t *)t->counts.buf + column * t->groups, *near = t->near.buf;
        const int8_t *codes = t->codes.buf;
        for (size_t group = 0; group < t->groups; group++) {
            size_t end = at + counts[group];
            if (end > last) /* counts are lent, and may be others than those that were counted */
                return -1;
            for (; at < end; at++)
                sum_up(into, (uint32_t)(group * GROUP + near[at]), (float)codes[at] * by);
        }
        if (at != last)
            return -1;
    }
    return 0;
}

/* --- the best of it --- */

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

/* Looks at blocks of 16 rows, those that were touched or all; returns whether a score is NaN. What lies behind the last
 * row is never listed. */
INLINE int look_body(const Neighbours *t, const Room *room, Best *best, int everywhere,
                     uint32_t (*above)(const float *, const float *, float))
{
    int nan = 0;
    size_t blocks = (t->rows + LANES - 1) / LANES;
    for (size_t block = 0; block < blocks; block++) {
        if (!everywhere) {
            uint64_t eight;
            memcpy(&eight, room->touched + block / 8 * 8, 8);
            if (!eight) {
                block |= 7;
                continue;
            }
            if (!room->touched[block])
                continue;
        }
        size_t at = block * LANES;
        const float *sums = room->sums + at, *by = t->scale ? t->scale + at : NULL;
        uint32_t lanes = above(sums, by, best->bar);
        for (; __builtin_expect(lanes != 0, 0); lanes &= lanes - 1) {
            size_t lane = (size_t)__builtin_ctz(lanes);
            float x = by ? sums[lane] * by[lane] : sums[lane];
            if (at + lane >= t->rows)
                break;
            nan |= x != x;
            best_offer(best, x, (int32_t)(at + lane));
        }
    }
    return nan;
}

static int look_portable(const Neighbours *t, const Room *r, Best *b, int all)
{
    return look_body(t, r, b, all, above_portable);
}
#ifdef HAVE_X86
T256 static int look_avx2(const Neighbours *t, const Room *r, Best *b, int all)
{
    return look_body(t, r, b, all, above_avx2);
}
T512 static int look_avx512(const Neighbours *t, const Room *r, Best *b, int all)
{
    return look_body(t, r, b, all, above_avx512);
}
#endif

static int look(const Neighbours *t, const Room *r, Best *b, int all)
{
#ifdef HAVE_X86
    if (t->level == AVX512)
        return look_avx512(t, r, b, all);
    if (t->level == AVX2)
        return look_avx2(t, r, b, all);
#endif
    return look_portable(t, r, b, all);
}

static void clean(const Neighbours *t, Room *room)
{
    size_t blocks = padded(t) / LANES;
    for (size_t block = 0; block < blocks; block++) {
        uint64_t eight;
        memcpy(&eight, room->touched + block / 8 * 8, 8);
        if (!eight)
            block |= 7;
        else if (room->touched[block])
            memset(room->sums + block * LANES, 0, LANES * sizeof(float));
    }
    memset(room->touched, 0, touched_bytes(t));
}

/* One request of few entries. Returns whether that was all: where fewer than k score above 0, it was not. */
static int answer_few(const Neighbours *t, Room *room, const int32_t *history, const float *weights, size_t length,
                      size_t n, const int32_t *out, size_t outs, Best *best, int *wrong)
{
    int bits = 5;
    while ((size_t)1 << bits < 2 * n)
        bits++;
    Sums sums = {room->parts, room->slots, ((uint32_t)1 << bits) - 1, 32 - bits, 0};
    memset(room->slots, 0, ((size_t)1 << bits) * sizeof *room->slots);
    if (gather(t, history, weights, length, &sums))
        return *wrong = DAMAGED, 1;
    for (size_t i = 0; i < outs + t->nevers; i++) { /* scales are above 0 */
        uint16_t *slot = slot_of(&sums, (uint32_t)(i < outs ? out[i] : t->never[i - outs]));
        if (*slot)
            sums.parts[*slot - 1].x = -INFINITY;
    }
    best->count = 0, best->bar = 0;
    int nan = 0;
    for (const Part *at = sums.parts, *end = at + sums.count; at < end; at++) {
        float sum = t->scale ? at->x * t->scale[at->row] : at->x;
        if (__builtin_expect(sum < best->bar, 1) || at->row >= t->rows)
            continue;
        nan |= sum != sum;
        best_offer_any(best, sum, (int32_t)at->row);
    }
    *wrong = nan ? NOT_A_NUMBER : FINE;
    return nan || best->count == best->k;
}

static void leave_out(Room *room, int32_t item)
{
    room->sums[item] = -INFINITY; /* scales are above 0 */
    room->touched[item / LANES] = 1;
}

/* Scores are float32 sums in the order of the items of the history. Where there are many entries, all sums are looked at,
 * else those of blocks that were touched. */
static int answer(const void *kernel, Spare *spare, int32_t *history, const float *weights, size_t length, int32_t *out,
                  size_t outs, Best *best)
{
    const Neighbours *t = kernel;
    Room *room = (Room *)spare;
    int wrong = FINE;
    size_t entries = entries_of(t, history, length);
    if (entries <= FEW && answer_few(t, room, history, weights, length, entries, out, outs, best, &wrong))
        return wrong;
    int all = entries >= t->rows / 16;
    if (all || room->used)
        memset(room->sums, 0, sums_bytes(t));
    room->used = all;
    if (all ? add_all(t, room, history, weights, length, 0) : add_all(t, room, history, weights, length, 1))
        wrong = DAMAGED;
    for (size_t i = 0; i < outs; i++)
        leave_out(room, out[i]);
    for (size_t i = 0; i < t->nevers; i++)
        leave_out(room, t->never[i]);
    size_t k = best->k;
    if (!wrong) {
        best->count = 0, best->bar = 0; /* what is above 0 was touched */
        wrong = look(t, room, best, all) ? NOT_A_NUMBER : FINE;
    }
    if (!wrong && best->count < k) { /* then come those at 0, by their number, and those below */
        best->count = 0, best->bar = -INFINITY;
        wrong = look(t, room, best, 1) ? NOT_A_NUMBER : FINE;
    }
    if (all)
        memset(room->touched, 0, touched_bytes(t));
    else
        clean(t, room);
    return wrong;
}

/* --- made --- */

static void neighbours_dealloc(PyObject *self)
{
    Neighbours *t = (Neighbours *)self;
    while (t->free) {
        Spare *room = t->free;
        t->free = room->next;
        room_drop(t, (Room *)room);
    }
    memory_drop(t->own, t->entries * sizeof *t->own);
    memory_drop(t->scale, sums_bytes(t));
    free(t->starts), free(t->never);
    Py_buffer *lent[] = {&t->codes, &t->near, &t->counts};
    for (size_t i = 0; i < 3; i++)
        if (lent[i]->obj)
            PyBuffer_Release(lent[i]);
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* Numbers row by row -> column by column; inside a column rows rise. NULL, or what is wrong. */
static const char *turn(Neighbours *t, const float *values, const int32_t *columns, const size_t *rows)
{
    for (size_t i = 0; i < t->entries; i++) {
        if (columns[i] < 0 || (size_t)columns[i] >= t->columns)
            return "a column is none of the matrix";
        if (!(fabsf(values[i]) <= FLT_MAX))
            return "a value is NaN or infinite";
        t->starts[columns[i] + 1]++;
    }
    for (size_t c = 0; c < t->columns; c++)
        t->starts[c + 1] += t->starts[c];
    for (size_t row = 0; row < t->rows; row++)
        for (size_t i = rows[row]; i < rows[row + 1]; i++) {
            size_t at = t->starts[columns[i]]++;
            if (at >= t->entries)
                return "columns changed while they were read";
            t->own[at] = (Part){(uint32_t)row, values[i]};
        }
    for (size_t c = t->columns; c > 0; c--) /* every start has moved on to the next */
        t->starts[c] = t->starts[c - 1];
    t->starts[0] = 0;
    return NULL;
}

static int fill_values(Neighbours *t, const Buffer *values, const Buffer *columns, const Buffer *rows)
{
    t->entries = (size_t)values->view.shape[0];
    if (columns->view.shape[0] != values->view.shape[0]) {
        PyErr_Format(DataError, "%zu values and %zd columns", t->entries, columns->view.shape[0]);
        return -1;
    }
    size_t *from = starts_copied(rows, t->rows, t->entries);
    if (!from)
        return -1;
    t->own = memory_take(t->entries * sizeof *t->own);
    const char *wrong = NULL;
    if (!t->own)
        PyErr_NoMemory();
    else if (from[0] != 0 || from[t->rows] != t->entries)
        wrong = "starts must go from 0 to the number of entries";
    else {
        Py_BEGIN_ALLOW_THREADS
        wrong = turn(t, values->view.buf, columns->view.buf, from);
        Py_END_ALLOW_THREADS
    }
    free(from);
    if (wrong)
        PyErr_Format(DataError, "an item-item matrix is damaged: %s", wrong);
    return PyErr_Occurred() ? -1 : 0;
}

static int fill_codes(Neighbours *t, Buffer *codes, Buffer *near, Buffer *counts, const Buffer *scale)
{
    t->entries = (size_t)codes->view.shape[0];
    t->groups = (t->rows + GROUP - 1) / GROUP;
    int fine = near->view.shape[0] == codes->view.shape[0] && (size_t)counts->view.shape[0] == t->columns &&
               (size_t)counts->view.shape[1] == t->groups && (size_t)scale->view.shape[0] == t->rows;
    size_t all = 0;
    for (size_t c = 0; fine && c < t->columns; c++) {
        for (size_t group = 0; group < t->groups; group++)
            all += ((const uint8_t *)counts->view.buf)[c * t->groups + group];
        t->starts[c + 1] = all;
    }
    t->scale = memory_take(sums_bytes(t));
    if (!t->scale)
        return PyErr_NoMemory(), -1;
    for (size_t row = 0; fine && row < t->rows; row++) {
        t->scale[row] = ((const float *)scale->view.buf)[row];
        fine = t->scale[row] > 0 && t->scale[row] <= FLT_MAX;
    }
    if (!fine || all != t->entries) {
        PyErr_SetString(DataError, "an item-item matrix is damaged: codes, places, counts and scales do not go together");
        return -1;
    }
    t->codes = codes->view, t->near = near->view, t->counts = counts->view;
    codes->held = near->held = counts->held = 0;
    return 0;
}

/* Neighbours(level, rows, columns, never (any,) int, values (n,) float32, columns (n,) int32, starts (rows + 1,), None)
 * or Neighbours(level, rows, columns, never, codes (n,) int8, places (n,) uint8, counts (columns, groups) uint8,
 * scale (rows,) float32) */
static PyObject *neighbours_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    PyObject *level, *never, *values, *columns, *starts, *scale;
    Py_ssize_t high, wide;
    Level at;
    if (named && PyDict_Size(named))
        return PyErr_SetString(PyExc_TypeError, "Neighbours takes no names"), NULL;
    if (!PyArg_ParseTuple(args, "OnnOOOOO", &level, &high, &wide, &never, &values, &columns, &starts, &scale) ||
        level_of(level, &at))
        return NULL;
    if (high < 0 || wide < 0 || high > INT32_MAX - 512 || wide > INT32_MAX) {
        PyErr_Format(DataError, "an item-item matrix of %zd rows and %zd columns", high, wide);
        return NULL;
    }
    int coded = scale != Py_None;
    Buffer n = {.held = 0}, a = {.held = 0}, b = {.held = 0}, c = {.held = 0}, s = {.held = 0};
    Neighbours *t = NULL;
    if (buffer_take(&n, never, "items that are never listed", "il", 1, 0) ||
        buffer_take(&a, values, "values", coded ? "b" : "f", 1, 0) ||
        buffer_take(&b, columns, coded ? "places" : "columns", coded ? "B" : "i", 1, 0) ||
        buffer_take(&c, starts, coded ? "counts" : "starts", coded ? "B" : "il", coded ? 2 : 1, 0) ||
        (coded && buffer_take(&s, scale, "scale", "f", 1, 0)))
        goto done;
    t = (Neighbours *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!t)
        goto done;
    t->level = at, t->rows = (size_t)high, t->columns = (size_t)wide, t->nevers = (size_t)n.view.shape[0];
    t->starts = calloc(t->columns + 2, sizeof *t->starts);
    t->never = malloc(t->nevers * sizeof *t->never + 1);
    int wrong = 1;
    if (!t->starts || !t->never)
        PyErr_NoMemory();
    else if (items_sorted(&n, 0, t->nevers, t->rows, t->never))
        PyErr_Format(DataError, "an item that is never listed is no row: they are 0 or more and below %zu", t->rows);
    else
        wrong = coded ? fill_codes(t, &a, &b, &c, &s) : fill_values(t, &a, &b, &c);
    if (wrong) {
        Py_DECREF(t);
        t = NULL;
    }
done:
    buffer_drop(&n), buffer_drop(&a), buffer_drop(&b), buffer_drop(&c), buffer_drop(&s);
    return (PyObject *)t;
}

/* --- asked --- */

static void said(int wrong, const void *kernel)
{
    const Neighbours *t = kernel;
    if (wrong == WRONG_ITEM)
        PyErr_Format(DataError, "an item is none of the matrix: those of a history are 0 or more and below %zu, those "
                     "to leave out below %zu", t->columns, t->rows);
    else if (wrong == DAMAGED)
        PyErr_SetString(DataError, "an item-item matrix is damaged: its codes changed while it was used");
    else
        PyErr_SetString(DataError, "an item-item matrix gives NaN as a score: its numbers are too large to add up");
}

static Asked asked_of(PyObject *self)
{
    Neighbours *t = (Neighbours *)self;
    return (Asked){t, t->rows, t->columns, &t->free, room_more, answer, said};
}

static PyObject *neighbours_top(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    if (count != 6)
        return PyErr_SetString(PyExc_TypeError, "top takes history, weights, k, out, items, scores"), NULL;
    return asked_top(&a, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static PyObject *neighbours_best(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_best(&a, args, count);
}

static PyObject *neighbours_top_of_all(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Asked a = asked_of(self);
    return asked_top_of_all(&a, args, count);
}

static PyMethodDef methods[] = {
    {"best", (PyCFunction)(void (*)(void))neighbours_best, METH_FASTCALL, "The same as one value, or None."},
    {"top", (PyCFunction)(void (*)(void))neighbours_top, METH_FASTCALL, "The k best items for one history."},
    {"top_of_all", (PyCFunction)(void (*)(void))neighbours_top_of_all, METH_FASTCALL, "The k best for every history."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)neighbours_new},
    {Py_tp_dealloc, (void *)neighbours_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {"recprune.kernels._native.Neighbours", sizeof(Neighbours), 0, Py_TPFLAGS_DEFAULT, slots};

int neighbours_add(PyObject *module)
{
    NeighboursType = (PyTypeObject *)PyType_FromSpec(&spec);
    return NeighboursType ? PyModule_AddObjectRef(module, "Neighbours", (PyObject *)NeighboursType) : -1;
}
