/* Of who had what, a matrix M, the rows of M'M one at a time: what users had together, without ever holding all of it. */
#include "kernels.h"
#include "largest.h"

#include <string.h>

enum { FEW = 4, WORD = 64 }; /* one in so many columns is added to at most: then those that are get a bit of a word */

typedef struct {
    size_t rows, n;                         /* rows that are made, of n columns */
    const size_t *items, *users;            /* (rows + 1), (users + 1) where rows of M' and of M begin */
    const int32_t *item_users, *user_items; /* their columns */
    const float *item_values, *user_values; /* NULL where all are 1 */
    float *sums;                            /* (n) zero between rows */
    uint64_t *marks;                        /* (n / 64, rounded up) columns that were added to, none between rows */
    int32_t *columns;                       /* (n) of what was found */
    float *found;                           /* (n) */
} Gram;

/* Sums of a row, users as they come. */
INLINE void add_up(const Gram *g, size_t row, int valued, int marking)
{
    float *sums = g->sums;
    uint64_t *marks = g->marks;
    for (size_t i = g->items[row], end = g->items[row + 1]; i < end; i++) {
        size_t begin = g->users[g->item_users[i]], count = g->users[g->item_users[i] + 1] - begin;
        const int32_t *had = g->user_items + begin;
        float by = g->item_values ? g->item_values[i] : 1;
        for (size_t j = 0; j < count; j++) {
            sums[had[j]] += valued ? by * g->user_values[begin + j] : by;
            if (marking)
                marks[(uint32_t)had[j] / WORD] |= (uint64_t)1 << ((uint32_t)had[j] % WORD);
        }
    }
}

/* The same, all of it known beforehand. */
INLINE void add(const Gram *g, size_t row, int marking)
{
    if (g->user_values)
        add_up(g, row, 1, marking);
    else
        add_up(g, row, 0, marking);
}

/* Takes what is not zero, and leaves zeros: of all columns, or of those that are marked. */
INLINE size_t taken_of_all(const Gram *g)
{
    size_t count = 0;
    float *sums = g->sums, *found = g->found;
    int32_t *columns = g->columns;
    for (size_t c = 0; c < g->n; c++) {
        columns[count] = (int32_t)c, found[count] = sums[c];
        count += sums[c] != 0;
    }
    memset(sums, 0, g->n * sizeof *sums);
    return count;
}

INLINE size_t taken_of_marked(const Gram *g)
{
    size_t count = 0, words = (g->n + WORD - 1) / WORD;
    float *sums = g->sums, *found = g->found;
    int32_t *columns = g->columns;
    for (size_t word = 0; word < words; word++) {
        uint64_t left = g->marks[word];
        if (!left)
            continue;
        g->marks[word] = 0;
        for (; left; left &= left - 1) {
            size_t c = word * WORD + (size_t)__builtin_ctzll(left);
            columns[count] = (int32_t)c, found[count] = sums[c];
            count += sums[c] != 0;
            sums[c] = 0;
        }
    }
    return count;
}

/* The entries of a row but that of column `out`, those of the lowest columns first; returns how many. */
INLINE size_t made(const Gram *g, size_t row, size_t out)
{
    size_t work = 0;
    for (size_t i = g->items[row]; i < g->items[row + 1]; i++)
        work += g->users[g->item_users[i] + 1] - g->users[g->item_users[i]];
    int all = work >= g->n / FEW;
    if (all)
        add(g, row, 0);
    else
        add(g, row, 1);
    if (out < g->n)
        g->sums[out] = 0;
    return all ? taken_of_all(g) : taken_of_marked(g);
}

/* What an entry is measured by: itself, times a number of its column, or over the root of those of both and `shrink`. */
typedef struct {
    const Gram *gram;
    size_t first; /* which item row 0 is */
    int own;      /* whether an item is among its own */
    const float *by;     /* (n) or NULL */
    const double *norms; /* (n) or NULL */
    double shrink;
    double *keys; /* (n) */
    const Largest *largest;
    Rows *out;
} Near;

INLINE void keys_of(const Near *s, size_t row, size_t count)
{
    const int32_t *columns = s->gram->columns;
    const float *found = s->gram->found, *by = s->by;
    const double *norms = s->norms;
    double *keys = s->keys, shrink = s->shrink;
    if (norms) {
        double one = norms[s->first + row];
        for (size_t i = 0; i < count; i++)
            keys[i] = norms[columns[i]];
        for (size_t i = 0; i < count; i++)
            keys[i] = found[i] / (sqrt(one * keys[i]) + shrink);
    } else if (by)
        for (size_t i = 0; i < count; i++)
            keys[i] = found[i] * by[columns[i]];
    else
        for (size_t i = 0; i < count; i++)
            keys[i] = found[i];
}

INLINE int near_body(const Near *s)
{
    const Gram *g = s->gram;
    for (size_t row = 0; row < g->rows; row++) {
        size_t count = made(g, row, s->own ? g->n : s->first + row);
        keys_of(s, row, count);
        if (largest_of_row(s->largest, g->columns, s->keys, count, 1, s->out))
            return -1;
        s->out->starts[row + 1] = (int64_t)s->out->at;
    }
    return 0;
}

/* Entries at places: (starts, columns) of each row. */
typedef struct {
    const Gram *gram;
    const size_t *starts;
    const int32_t *columns;
    float *out;
} Places;

INLINE int places_body(const Places *s)
{
    for (size_t row = 0; row < s->gram->rows; row++) {
        size_t count = s->starts[row] < s->starts[row + 1] ? made(s->gram, row, s->gram->n) : 0;
        for (size_t i = 0; i < count; i++)
            s->gram->sums[s->gram->columns[i]] = s->gram->found[i];
        for (size_t i = s->starts[row]; i < s->starts[row + 1]; i++)
            s->out[i] = s->gram->sums[s->columns[i]];
        for (size_t i = 0; i < count; i++)
            s->gram->sums[s->gram->columns[i]] = 0;
    }
    return 0;
}

static int near_portable(const Near *s) { return near_body(s); }
static int places_portable(const Places *s) { return places_body(s); }
#ifdef HAVE_X86
__attribute__((target("avx2"))) static int near_avx2(const Near *s) { return near_body(s); }
__attribute__((target("avx2"))) static int places_avx2(const Places *s) { return places_body(s); }
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static int near_avx512(const Near *s)
{
    return near_body(s);
}
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static int places_avx512(const Places *s)
{
    return places_body(s);
}
#endif

static int near_of(Level level, const Near *s)
{
#ifdef HAVE_X86
    if (level == AVX512)
        return near_avx512(s);
    if (level == AVX2)
        return near_avx2(s);
#endif
    (void)level;
    return near_portable(s);
}

static int places_of(Level level, const Places *s)
{
#ifdef HAVE_X86
    if (level == AVX512)
        return places_avx512(s);
    if (level == AVX2)
        return places_avx2(s);
#endif
    (void)level;
    return places_portable(s);
}

/* A matrix as it comes: its columns, its rows, and room to work in. */
typedef struct {
    Buffer part[6];
    size_t *items, *users;
    char *room;
    size_t bytes;
} Matrix;

static int below(const Buffer *b, size_t begin, size_t end, size_t most)
{
    const int32_t *at = b->view.buf;
    int fine = 1;
    for (size_t i = begin; i < end; i++)
        fine &= at[i] >= 0 && (size_t)at[i] < most;
    return fine;
}

static void room_placed(Matrix *m, Gram *g)
{
    char *at = m->room;
    g->marks = (uint64_t *)at, at += (g->n / WORD + 1) * sizeof *g->marks;
    g->sums = (float *)at, at += g->n * sizeof *g->sums;
    g->found = (float *)at, at += g->n * sizeof *g->found;
    g->columns = (int32_t *)at;
}

/* args: n, then starts, columns and values of some rows of M' and of all of M; values None where all are 1. -1 with an
 * error set. */
static int matrix_take(Matrix *m, PyObject *const *args, Gram *g)
{
    static const char *names[] = {"starts of items", "users", "values of items", "starts of users", "items",
                                  "values of users"};
    static const char *types[] = {"il", "i", "f", "il", "i", "f"};
    Py_ssize_t n = PyLong_AsSsize_t(args[0]);
    if (n == -1 && PyErr_Occurred())
        return -1;
    for (int i = 0; i < 6; i++)
        if ((i % 3 < 2 || args[1 + i] != Py_None) && buffer_take(&m->part[i], args[1 + i], names[i], types[i], 1, 0))
            return -1;
    for (int i = 0; i < 6; i += 3)
        if (m->part[i].view.shape[0] < 1 ||
            (m->part[i + 2].held && m->part[i + 2].view.shape[0] != m->part[i + 1].view.shape[0]))
            return PyErr_Format(DataError, "a gram of what does not go together: %s and %s", names[i], names[i + 2]), -1;
    size_t rows = (size_t)m->part[0].view.shape[0] - 1, users = (size_t)m->part[3].view.shape[0] - 1;
    size_t all = (size_t)m->part[4].view.shape[0];
    if (!(m->items = starts_copied(&m->part[0], rows, (size_t)m->part[1].view.shape[0])) ||
        !(m->users = starts_copied(&m->part[3], users, all)))
        return -1;
    if (n < 0 || n > INT32_MAX || !below(&m->part[1], m->items[0], m->items[rows], users) ||
        !below(&m->part[4], 0, all, (size_t)n))
        return PyErr_Format(DataError, "a gram of what does not go together: %zu users and %zd items", users, n), -1;
    *g = (Gram){.rows = rows, .n = (size_t)n, .items = m->items, .users = m->users, .item_users = m->part[1].view.buf,
                .user_items = m->part[4].view.buf,
                .item_values = m->part[2].held ? m->part[2].view.buf : NULL,
                .user_values = m->part[5].held ? m->part[5].view.buf : NULL};
    m->bytes = g->n * (2 * sizeof(float) + sizeof(int32_t)) + (g->n / WORD + 1) * sizeof(uint64_t);
    if (!(m->room = memory_take(m->bytes)))
        return PyErr_NoMemory(), -1;
    room_placed(m, g);
    return 0;
}

static void matrix_drop(Matrix *m)
{
    for (int i = 0; i < 6; i++)
        buffer_drop(&m->part[i]);
    free(m->items), free(m->users);
    memory_drop(m->room, m->bytes);
}

/* starts (rows + 1,) int64, columns (room,) int32 and values (room,) float32 or float64, to be written; the first of the
 * starts says where. */
int rows_take(Rows *out, Buffer parts[3], PyObject *const *args, size_t rows)
{
    if (buffer_take(&parts[0], args[0], "starts of what is found", "l", 1, 1) ||
        buffer_take(&parts[1], args[1], "columns of what is found", "i", 1, 1) ||
        buffer_take(&parts[2], args[2], "values of what is found", "fd", 1, 1))
        return -1;
    Py_ssize_t room = parts[1].view.shape[0];
    int64_t *starts = parts[0].view.buf;
    if ((size_t)parts[0].view.shape[0] != rows + 1 || parts[2].view.shape[0] != room || starts[0] < 0 || starts[0] > room)
        return PyErr_Format(DataError, "what is found of %zu rows has no room for their starts, or not for its values", rows),
               -1;
    *out = (Rows){.at = (size_t)starts[0], .room = (size_t)room, .starts = starts, .columns = parts[1].view.buf,
                  .values = parts[2].view.buf, .width = (size_t)parts[2].view.itemsize};
    return 0;
}

/* gram_largest(level, n, the six parts of the matrix, first, own, by (n,) float32 or None, norms (n,) float64 or None, shrink,
 * k, starts, columns, values) -> None. The k largest of every row, by what they are measured by. */
PyObject *gram_largest(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Matrix m = {.items = NULL};
    Gram g;
    Rows out;
    Largest largest = {.near = NULL};
    Buffer by = {.held = 0}, norms = {.held = 0}, to[3] = {{.held = 0}};
    PyObject *answer = NULL;
    (void)module;
    if (count != 17)
        return PyErr_SetString(PyExc_TypeError, "gram_largest takes level, n, six parts, first, own, by, norms, shrink, "
                                                "k, starts, columns, values"), NULL;
    Near s = {.gram = &g, .largest = &largest, .out = &out};
    Py_ssize_t first = PyLong_AsSsize_t(args[8]);
    if ((first == -1 && PyErr_Occurred()) || (s.own = PyObject_IsTrue(args[9])) < 0)
        goto done;
    s.shrink = PyFloat_AsDouble(args[12]);
    size_t k;
    if ((s.shrink == -1 && PyErr_Occurred()) || k_of(args[13], &k) || level_of(args[0], &level) ||
        matrix_take(&m, args + 1, &g) || rows_take(&out, to, args + 14, g.rows) ||
        (args[10] != Py_None && buffer_take(&by, args[10], "by", "f", 1, 0)) ||
        (args[11] != Py_None && buffer_take(&norms, args[11], "norms", "d", 1, 0)))
        goto done;
    if (first < 0 || (size_t)first > g.n || g.rows > g.n - (size_t)first ||
        (by.held && (size_t)by.view.shape[0] != g.n) || (norms.held && (size_t)norms.view.shape[0] != g.n)) {
        PyErr_Format(DataError, "%zu rows from %zd on, and what they are measured by, do not go with %zu items", g.rows, first,
                     g.n);
        goto done;
    }
    s.first = (size_t)first, s.by = by.held ? by.view.buf : NULL, s.norms = norms.held ? norms.view.buf : NULL;
    if (!(s.keys = malloc((g.n + 1) * sizeof *s.keys)) || largest_ready(&largest, k, g.n)) {
        PyErr_NoMemory();
        goto freed;
    }
    int full;
    Py_BEGIN_ALLOW_THREADS
    full = near_of(level, &s);
    Py_END_ALLOW_THREADS
    if (full)
        PyErr_Format(DataError, "there is room for %zu entries, and more are found", out.room);
    else
        answer = Py_NewRef(Py_None);
freed:
    free(s.keys), largest_drop(&largest);
done:
    buffer_drop(&by), buffer_drop(&norms), buffer_drop(&to[0]), buffer_drop(&to[1]), buffer_drop(&to[2]);
    matrix_drop(&m);
    return answer;
}

/* gram_at(level, n, the six parts of the matrix, starts (rows + 1,), columns (entries,) int32, out (entries,) float32) ->
 * None. The entries at these places; out is left as it is before and behind them. */
PyObject *gram_at(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Matrix m = {.items = NULL};
    Gram g;
    Buffer starts = {.held = 0}, columns = {.held = 0}, out = {.held = 0};
    size_t *at = NULL;
    PyObject *answer = NULL;
    (void)module;
    if (count != 11)
        return PyErr_SetString(PyExc_TypeError, "gram_at takes level, n, six parts, starts, columns, out"), NULL;
    if (level_of(args[0], &level) || matrix_take(&m, args + 1, &g) || buffer_take(&starts, args[8], "starts", "il", 1, 0) ||
        buffer_take(&columns, args[9], "columns", "i", 1, 0) || buffer_take(&out, args[10], "entries", "f", 1, 1))
        goto done;
    size_t entries = (size_t)columns.view.shape[0];
    if (!(at = starts_copied(&starts, g.rows, entries)))
        goto done;
    if ((size_t)out.view.shape[0] != entries || !below(&columns, 0, entries, g.n)) {
        PyErr_Format(DataError, "%zu places among %zu items do not go with room for %zd entries", entries, g.n,
                     out.view.shape[0]);
        goto done;
    }
    Places s = {.gram = &g, .starts = at, .columns = columns.view.buf, .out = out.view.buf};
    Py_BEGIN_ALLOW_THREADS
    places_of(level, &s);
    Py_END_ALLOW_THREADS
    answer = Py_NewRef(Py_None);
done:
    free(at);
    buffer_drop(&starts), buffer_drop(&columns), buffer_drop(&out);
    matrix_drop(&m);
    return answer;
}
