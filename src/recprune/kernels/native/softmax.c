/* Shares of all items: what a softmax over a catalogue, and its gradient, are made of. */
#include "shares.h"

#include <stdlib.h>

/* softmax_rows(level, scores (rows, columns) float32 or bfloat16, scale, shift (columns rounded up to 16,) float32 or None, out,
 * weights (rows,) float32, logs (rows,) float32) -> None. Scores become weight * softmax(scale * row + shift) without their
 * first `out` columns, 0 or 1, which become 0; logs are log sum exp of that, not a number where a score is none or the largest
 * is endless. */
PyObject *softmax_rows(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer scores = {.held = 0}, shift = {.held = 0}, weights = {.held = 0}, logs = {.held = 0};
    PyObject *answer = NULL;
    (void)module;
    if (count != 7)
        return PyErr_SetString(PyExc_TypeError, "softmax_rows takes level, scores, scale, shift, out, weights, logs"), NULL;
    double scale = PyFloat_AsDouble(args[2]);
    long out = PyErr_Occurred() ? -1 : PyLong_AsLong(args[4]);
    if (PyErr_Occurred())
        return NULL;
    if (level_of(args[0], &level) || buffer_take(&scores, args[1], "scores", "fh", 2, 1) ||
        (args[3] != Py_None && buffer_take(&shift, args[3], "shift", "f", 1, 0)) ||
        buffer_take(&weights, args[5], "weights", "f", 1, 0) || buffer_take(&logs, args[6], "logs", "f", 1, 1))
        goto done;
    const size_t rows = (size_t)scores.view.shape[0], columns = (size_t)scores.view.shape[1];
    const size_t wide = (columns + LANES - 1) / LANES * LANES;
    if ((size_t)weights.view.shape[0] != rows || (size_t)logs.view.shape[0] != rows || columns < 1 || !(scale > 0) ||
        (shift.held && (size_t)shift.view.shape[0] != wide) || out < 0 || out > 1) {
        PyErr_Format(DataError, "scores (%zd, %zd), shift, %zd weights and %zd logs do not go together, scale is not above 0, or "
                                "out neither 0 nor 1",
                     scores.view.shape[0], scores.view.shape[1], weights.view.shape[0], logs.view.shape[0]);
        goto done;
    }
    Shares s = {.scores = scores.view.buf, .half = scores.view.itemsize == 2, .columns = columns, .wide = wide,
                .out = (size_t)out, .scale = (float)scale, .shift = shift.held ? shift.view.buf : NULL,
                .weights = weights.view.buf, .logs = logs.view.buf};
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
    buffer_drop(&scores), buffer_drop(&shift), buffer_drop(&weights), buffer_drop(&logs);
    return answer;
}
