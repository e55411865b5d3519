/* The k largest entries of every row of a sparse matrix. */
#include "kernels.h"
#include "largest.h"

typedef struct {
    size_t rows;
    const size_t *starts;
    const int32_t *columns;
    const float *floats; /* or doubles */
    const double *doubles;
    double *keys; /* (longest row) */
    const Largest *largest;
    Rows *out;
} Sparse;

static int rows_found(const Sparse *s)
{
    for (size_t row = 0; row < s->rows; row++) {
        size_t begin = s->starts[row], count = s->starts[row + 1] - begin;
        for (size_t i = 0; i < count; i++)
            s->keys[i] = s->floats ? s->floats[begin + i] : s->doubles[begin + i];
        if (largest_of_row(s->largest, s->columns + begin, s->keys, count, 0, s->out))
            return -1;
        s->out->starts[row + 1] = (int64_t)s->out->at;
    }
    return 0;
}

/* largest_of_rows(starts (rows + 1,), columns (n,) int32, values (n,) float32 or float64, k, starts, columns, values to be
 * written) -> None. What stays comes in the order that it has. */
PyObject *largest_of_rows(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Buffer st = {.held = 0}, c = {.held = 0}, v = {.held = 0}, to[3] = {{.held = 0}};
    Rows out;
    Largest largest = {.near = NULL};
    Sparse s = {.largest = &largest, .out = &out};
    size_t *starts = NULL, k, longest = 0;
    PyObject *answer = NULL;
    (void)module;
    if (count != 7)
        return PyErr_SetString(PyExc_TypeError, "largest_of_rows takes starts, columns, values, k, and the same again, to be "
                                                "written"), NULL;
    if (buffer_take(&st, args[0], "starts", "il", 1, 0) || buffer_take(&c, args[1], "columns", "i", 1, 0) ||
        buffer_take(&v, args[2], "values", "fd", 1, 0) || k_of(args[3], &k))
        goto done;
    if (st.view.shape[0] < 1 || c.view.shape[0] != v.view.shape[0]) {
        PyErr_Format(DataError, "%zd columns do not go with %zd values", c.view.shape[0], v.view.shape[0]);
        goto done;
    }
    s.rows = (size_t)st.view.shape[0] - 1;
    if (rows_take(&out, to, args + 4, s.rows) || !(starts = starts_copied(&st, s.rows, (size_t)c.view.shape[0])))
        goto done;
    for (size_t row = 0; row < s.rows; row++)
        longest = starts[row + 1] - starts[row] > longest ? starts[row + 1] - starts[row] : longest;
    s.starts = starts, s.columns = c.view.buf;
    s.floats = v.view.itemsize == sizeof(float) ? v.view.buf : NULL, s.doubles = v.view.buf;
    if (!(s.keys = malloc((longest + 1) * sizeof *s.keys)) || largest_ready(&largest, k, longest)) {
        PyErr_NoMemory();
        goto freed;
    }
    int full;
    Py_BEGIN_ALLOW_THREADS
    full = rows_found(&s);
    Py_END_ALLOW_THREADS
    if (full)
        PyErr_Format(DataError, "there is room for %zu entries, and more are found", out.room);
    else
        answer = Py_NewRef(Py_None);
freed:
    free(s.keys), largest_drop(&largest);
done:
    free(starts);
    buffer_drop(&st), buffer_drop(&c), buffer_drop(&v);
    buffer_drop(&to[0]), buffer_drop(&to[1]), buffer_drop(&to[2]);
    return answer;
}
