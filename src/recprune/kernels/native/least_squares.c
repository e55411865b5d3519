/* Least squares of many rows, each over its own entries: conjugate gradients from where the rows stand. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE = 4 }; /* registers that are added up side by side */

#define NAMED_AS(name, type) name##_##type
#define NAMED_IN(name, type) NAMED_AS(name, type)
#define NAMED(name) NAMED_IN(name, REAL)

/* ENOUGH: the share of a squared residual that is lost in rounding. */
#define REAL float
#define ENOUGH 1e-12f
#include "least_squares.h"
#undef REAL
#undef ENOUGH
#define REAL double
#define ENOUGH 1e-24
#include "least_squares.h"
#undef REAL
#undef ENOUGH

/* What does not go together, or NULL. */
static const char *fitting(const Buffer *columns, const Buffer *weights, const Buffer *factors, const Buffer *rest,
                           const Buffer *ridge, const Buffer *out)
{
    const int32_t *places = columns->view.buf;
    Py_ssize_t d = factors->view.shape[1];
    if (!d || d % LANES)
        return "factors are a multiple of 16 numbers long";
    if (rest->view.shape[0] != d || rest->view.shape[1] != d || out->view.shape[1] != d)
        return "factors, the rest and rows are as long";
    if (ridge->view.shape[0] != out->view.shape[0])
        return "there is one ridge a row";
    if (weights->held && weights->view.shape[0] != columns->view.shape[0])
        return "there is one weight an entry";
    for (Py_ssize_t i = 0; i < columns->view.shape[0]; i++)
        if (places[i] < 0 || places[i] >= factors->view.shape[0])
            return "entries are of rows of the factors";
    return NULL;
}

/* least_squares(level, starts (rows + 1,), columns (n,) int32, weights (n,) or None, factors (any, d), rest (d, d), ridge
 * (rows,), steps, out (rows, d), from which it starts) -> None. All numbers are float32, or all are float64. */
PyObject *least_squares(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer st = {.held = 0}, c = {.held = 0}, w = {.held = 0}, f = {.held = 0}, g = {.held = 0}, r = {.held = 0},
           o = {.held = 0};
    PyObject *answer = NULL;
    size_t *starts = NULL;
    char *room = NULL;
    (void)module;
    if (count != 9)
        return PyErr_SetString(PyExc_TypeError, "least_squares takes level, starts, columns, weights, factors, rest, "
                                                "ridge, steps, out"), NULL;
    Py_ssize_t steps = PyLong_AsSsize_t(args[7]);
    if ((steps == -1 && PyErr_Occurred()) || level_of(args[0], &level) ||
        buffer_take(&f, args[4], "factors", "fd", 2, 0))
        goto done;
    size_t width = (size_t)f.view.itemsize;
    const char *type = width == sizeof(float) ? "f" : "d";
    if (buffer_take(&st, args[1], "starts", "il", 1, 0) || buffer_take(&c, args[2], "columns", "i", 1, 0) ||
        (args[3] != Py_None && buffer_take(&w, args[3], "weights", type, 1, 0)) ||
        buffer_take(&g, args[5], "the rest", type, 2, 0) || buffer_take(&r, args[6], "ridges", type, 1, 0) ||
        buffer_take(&o, args[8], "rows", type, 2, 1))
        goto done;
    const char *wrong = fitting(&c, &w, &f, &g, &r, &o);
    if (wrong) {
        PyErr_Format(DataError, "least squares of what does not go together: %s", wrong);
        goto done;
    }
    size_t rows = (size_t)o.view.shape[0], d = (size_t)f.view.shape[1];
    if (!(starts = starts_copied(&st, rows, (size_t)c.view.shape[0])))
        goto done;
    if (!(room = memory_take(6 * d * width))) {
        PyErr_NoMemory();
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    if (width == sizeof(float)) {
        Squares_float s = {.rows = rows, .n = d / LANES, .steps = steps < 0 ? 0 : (size_t)steps, .starts = starts,
                           .columns = c.view.buf, .weights = w.held ? w.view.buf : NULL, .factors = f.view.buf,
                           .rest = g.view.buf, .ridge = r.view.buf, .out = o.view.buf};
        places_float(&s, room);
        squares_of_float(level, &s);
    } else {
        Squares_double s = {.rows = rows, .n = d / LANES, .steps = steps < 0 ? 0 : (size_t)steps, .starts = starts,
                            .columns = c.view.buf, .weights = w.held ? w.view.buf : NULL, .factors = f.view.buf,
                            .rest = g.view.buf, .ridge = r.view.buf, .out = o.view.buf};
        places_double(&s, room);
        squares_of_double(level, &s);
    }
    Py_END_ALLOW_THREADS
    memory_drop(room, 6 * d * width);
    answer = Py_NewRef(Py_None);
done:
    free(starts);
    buffer_drop(&st), buffer_drop(&c), buffer_drop(&w), buffer_drop(&f), buffer_drop(&g), buffer_drop(&r), buffer_drop(&o);
    return answer;
}
