/* Least squares of many rows, each over its own entries: conjugate gradients from where the rows stand. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

/* 16 numbers that lie anywhere; and four. */
typedef float Sixteen __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef float Four __attribute__((vector_size(4 * sizeof(float))));

enum { WIDE = 4 }; /* registers that are added up side by side */

/* Every row w of `out` solves (sum of h v v' + rest + ridge I) w = sum of h v over its entries: v a row of the factors, h
 * its weight. Vectors are of `n` times 16 numbers. */
typedef struct {
    size_t rows, n, steps;
    const size_t *starts;
    const int32_t *columns;
    const float *weights; /* NULL where all are 1 */
    const Sixteen *factors;
    const float *rest, *ridge;
    Sixteen *out;
    Sixteen *wanted, *left, *near, *way, *turned, *diagonal; /* (n) each */
} Squares;

/* In one order on every machine. */
INLINE float dot(const Sixteen *a, const Sixteen *b, size_t n)
{
    Sixteen sum = a[0] * b[0];
    for (size_t i = 1; i < n; i++)
        sum += a[i] * b[i];
    Four parts[4];
    memcpy(parts, &sum, sizeof parts);
    Four four = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

/* y += x * by */
INLINE void add(Sixteen *y, const Sixteen *x, float by, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] * by;
}

/* y = rest x + ridge x, of 64 or 16 numbers of y at a time */
INLINE void rest_times(const Squares *s, size_t row, const Sixteen *x, Sixteen *y)
{
    const Sixteen *rest = (const Sixteen *)s->rest;
    size_t n = s->n, at = 0;
    float ridge = s->ridge[row];
    for (; at + WIDE <= n; at += WIDE) {
        Sixteen a = x[at] * ridge, b = x[at + 1] * ridge, c = x[at + 2] * ridge, d = x[at + 3] * ridge;
        for (size_t i = 0; i < n * LANES; i++) {
            const Sixteen *of = rest + i * n + at;
            float by = ((const float *)x)[i];
            a += of[0] * by, b += of[1] * by, c += of[2] * by, d += of[3] * by;
        }
        y[at] = a, y[at + 1] = b, y[at + 2] = c, y[at + 3] = d;
    }
    for (; at < n; at++) {
        Sixteen sum = x[at] * ridge;
        for (size_t i = 0; i < n * LANES; i++)
            sum += rest[i * n + at] * ((const float *)x)[i];
        y[at] = sum;
    }
}

INLINE const Sixteen *factor(const Squares *s, size_t entry) { return s->factors + (size_t)s->columns[entry] * s->n; }

INLINE void times(const Squares *s, size_t row, const Sixteen *x, Sixteen *y)
{
    rest_times(s, row, x, y);
    for (size_t i = s->starts[row]; i < s->starts[row + 1]; i++) {
        const Sixteen *v = factor(s, i);
        float by = dot(v, x, s->n);
        add(y, v, s->weights ? by * s->weights[i] : by, s->n);
    }
}

/* What a row has to solve: its right side, and the diagonal of its left. */
INLINE void sides(const Squares *s, size_t row)
{
    size_t n = s->n;
    memset(s->wanted, 0, n * sizeof *s->wanted);
    for (size_t i = 0; i < n * LANES; i++)
        ((float *)s->diagonal)[i] = s->rest[i * n * LANES + i] + s->ridge[row];
    for (size_t i = s->starts[row]; i < s->starts[row + 1]; i++) {
        const Sixteen *v = factor(s, i);
        float by = s->weights ? s->weights[i] : 1;
        for (size_t j = 0; j < n; j++)
            s->wanted[j] += v[j] * by, s->diagonal[j] += v[j] * v[j] * by;
    }
}

/* into = of / diagonal; returns their product */
INLINE float nearer(const Squares *s, const Sixteen *of, Sixteen *into)
{
    for (size_t i = 0; i < s->n; i++)
        into[i] = of[i] / s->diagonal[i];
    return dot(of, into, s->n);
}

/* Golub & Van Loan 2013, section 11.5, with the diagonal in front; it ends early where nothing is left to gain. */
INLINE void solve(const Squares *s, size_t row)
{
    size_t n = s->n;
    Sixteen *w = s->out + row * n;
    sides(s, row);
    float enough = nearer(s, s->wanted, s->near) * 1e-12f;
    if (!(enough > 0)) {
        memset(w, 0, n * sizeof *w);
        return;
    }
    times(s, row, w, s->turned);
    for (size_t i = 0; i < n; i++)
        s->left[i] = s->wanted[i] - s->turned[i];
    float size = nearer(s, s->left, s->near);
    memcpy(s->way, s->near, n * sizeof *w);
    for (size_t step = 0; step < s->steps && size > enough; step++) {
        times(s, row, s->way, s->turned);
        float length = size / dot(s->way, s->turned, n), before = size;
        add(w, s->way, length, n);
        add(s->left, s->turned, -length, n);
        size = nearer(s, s->left, s->near);
        for (size_t i = 0; i < n; i++)
            s->way[i] = s->near[i] + s->way[i] * (size / before);
    }
}

INLINE void squares_body(const Squares *s)
{
    for (size_t row = 0; row < s->rows; row++)
        solve(s, row);
}

static void squares_portable(const Squares *s) { squares_body(s); }
#ifdef HAVE_X86
__attribute__((target("avx2"))) static void squares_avx2(const Squares *s) { squares_body(s); }
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void squares_avx512(const Squares *s)
{
    squares_body(s);
}
#endif

static void squares_of(Level level, const Squares *s)
{
#ifdef HAVE_X86
    if (level == AVX512)
        squares_avx512(s);
    else if (level == AVX2)
        squares_avx2(s);
    else
#endif
        squares_portable(s);
    (void)level;
}

/* What does not go together, or NULL. */
static const char *fitting(const Squares *s, const Buffer *columns, const Buffer *weights, const Buffer *factors,
                           const Buffer *rest, const Buffer *ridge, const Buffer *out)
{
    Py_ssize_t d = factors->view.shape[1];
    if (!d || d % LANES)
        return "factors are a multiple of 16 numbers long";
    if (rest->view.shape[0] != d || rest->view.shape[1] != d || out->view.shape[1] != d)
        return "factors, the rest and rows are as long";
    if ((size_t)ridge->view.shape[0] != s->rows)
        return "there is one ridge a row";
    if (weights->held && weights->view.shape[0] != columns->view.shape[0])
        return "there is one weight an entry";
    for (Py_ssize_t i = 0; i < columns->view.shape[0]; i++)
        if (s->columns[i] < 0 || s->columns[i] >= factors->view.shape[0])
            return "entries are of rows of the factors";
    return NULL;
}

/* least_squares(level, starts (rows + 1,), columns (n,) int32, weights (n,) float32 or None, factors (any, d) float32,
 * rest (d, d) float32, ridge (rows,) float32, steps, out (rows, d) float32, from which it starts) -> None */
PyObject *least_squares(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer st = {.held = 0}, c = {.held = 0}, w = {.held = 0}, f = {.held = 0}, g = {.held = 0}, r = {.held = 0},
           o = {.held = 0};
    PyObject *answer = NULL;
    size_t *starts = NULL;
    Sixteen *room = NULL;
    (void)module;
    if (count != 9)
        return PyErr_SetString(PyExc_TypeError, "least_squares takes level, starts, columns, weights, factors, rest, "
                                                "ridge, steps, out"), NULL;
    Py_ssize_t steps = PyLong_AsSsize_t(args[7]);
    if ((steps == -1 && PyErr_Occurred()) || level_of(args[0], &level) ||
        buffer_take(&st, args[1], "starts", "il", 1, 0) || buffer_take(&c, args[2], "columns", "i", 1, 0) ||
        (args[3] != Py_None && buffer_take(&w, args[3], "weights", "f", 1, 0)) ||
        buffer_take(&f, args[4], "factors", "f", 2, 0) || buffer_take(&g, args[5], "the rest", "f", 2, 0) ||
        buffer_take(&r, args[6], "ridges", "f", 1, 0) || buffer_take(&o, args[8], "rows", "f", 2, 1))
        goto done;
    Squares s = {.rows = (size_t)o.view.shape[0], .n = (size_t)f.view.shape[1] / LANES, .steps = steps < 0 ? 0 : (size_t)steps,
                 .columns = c.view.buf, .weights = w.held ? w.view.buf : NULL, .factors = f.view.buf,
                 .rest = g.view.buf, .ridge = r.view.buf, .out = o.view.buf};
    const char *wrong = fitting(&s, &c, &w, &f, &g, &r, &o);
    if (wrong) {
        PyErr_Format(DataError, "least squares of what does not go together: %s", wrong);
        goto done;
    }
    if (!(s.starts = starts = starts_copied(&st, s.rows, (size_t)c.view.shape[0])))
        goto done;
    room = memory_take(6 * s.n * sizeof *room);
    if (!room) {
        PyErr_NoMemory();
        goto done;
    }
    s.wanted = room, s.left = room + s.n, s.near = room + 2 * s.n, s.way = room + 3 * s.n;
    s.turned = room + 4 * s.n, s.diagonal = room + 5 * s.n;
    Py_BEGIN_ALLOW_THREADS
    squares_of(level, &s);
    Py_END_ALLOW_THREADS
    memory_drop(room, 6 * s.n * sizeof *room);
    answer = Py_NewRef(Py_None);
done:
    free(starts);
    buffer_drop(&st), buffer_drop(&c), buffer_drop(&w), buffer_drop(&f), buffer_drop(&g), buffer_drop(&r), buffer_drop(&o);
    return answer;
}
