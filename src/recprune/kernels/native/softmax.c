/* Shares of all items: what a softmax over a catalogue, and its gradient, are made of. */
#include "shares.h"

#include <stdlib.h>

/* softmax_rows(level, scores (rows, columns) float32 or bfloat16, scale, weights (rows,) float32, logs (rows,) float32) ->
 * None. Scores become weight * softmax(scale * row) without their first column, which becomes 0; logs are log sum exp(scale *
 * row), not a number where a score is none or the largest is infinite. */
PyObject *softmax_rows(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer scores = {.held = 0}, weights = {.held = 0}, logs = {.held = 0};
    PyObject *answer = NULL;
    (void)module;
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "softmax_rows takes level, scores, scale, weights, logs"), NULL;
    double scale = PyFloat_AsDouble(args[2]);
    if (scale == -1 && PyErr_Occurred())
        return NULL;
    if (level_of(args[0], &level) || buffer_take(&scores, args[1], "scores", "fh", 2, 1) ||
        buffer_take(&weights, args[3], "weights", "f", 1, 0) || buffer_take(&logs, args[4], "logs", "f", 1, 1))
        goto done;
    const size_t rows = (size_t)scores.view.shape[0], columns = (size_t)scores.view.shape[1];
    if ((size_t)weights.view.shape[0] != rows || (size_t)logs.view.shape[0] != rows || columns < 1 || !(scale > 0)) {
        PyErr_Format(DataError, "scores (%zd, %zd), %zd weights and %zd logs do not go together, or scale is not above 0",
                     scores.view.shape[0], scores.view.shape[1], weights.view.shape[0], logs.view.shape[0]);
        goto done;
    }
    Shares s = {.scores = scores.view.buf, .half = scores.view.itemsize == 2, .columns = columns,
                .wide = (columns + LANES - 1) / LANES * LANES, .scale = (float)scale, .weights = weights.view.buf,
                .logs = logs.view.buf};
    if (!(s.room = malloc(s.wide * sizeof *s.room))) {
        PyErr_NoMemory();
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
#ifdef HAVE_X86
    (level == AVX512 ? shares_avx512 : level == AVX2 ? shares_avx2 : shares_portable)(&s, 0, rows);
#else
    shares_portable(&s, 0, rows);
#endif
    Py_END_ALLOW_THREADS
    free(s.room);
    answer = Py_NewRef(Py_None);
done:
    buffer_drop(&scores), buffer_drop(&weights), buffer_drop(&logs);
    return answer;
}
