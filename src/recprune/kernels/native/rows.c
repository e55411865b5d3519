/* Rows that are looked up in a table of codes: only those asked for are decoded, straight from the stored bytes. */
#include "kernels.h"

#include <string.h>

typedef struct {
    const void *codes;
    const uint16_t *scale; /* (n,) bfloat16 */
    const int64_t *ids;
    float *out; /* (count, columns) */
    size_t n, count, columns;
} Lookup;

static float scale_at(const Lookup *l, size_t row)
{
    uint32_t bits = (uint32_t)l->scale[row] << 16;
    float out;
    memcpy(&out, &bits, 4);
    return out;
}

INLINE int bytes_body(const Lookup *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->ids[i] < 0 || (uint64_t)l->ids[i] >= l->n)
            return -1;
        size_t row = (size_t)l->ids[i];
        const int8_t *codes = (const int8_t *)l->codes + row * l->columns;
        float scale = scale_at(l, row), *out = l->out + i * l->columns;
        for (size_t c = 0; c < l->columns; c++)
            out[c] = (float)codes[c] * scale;
    }
    return 0;
}

INLINE int nibbles_body(const Lookup *l)
{
    size_t width = (l->columns + 1) / 2, high = l->columns - width;
    for (size_t i = 0; i < l->count; i++) {
        if (l->ids[i] < 0 || (uint64_t)l->ids[i] >= l->n)
            return -1;
        size_t row = (size_t)l->ids[i];
        const uint8_t *codes = (const uint8_t *)l->codes + row * width;
        float scale = scale_at(l, row), *out = l->out + i * l->columns;
        for (size_t c = 0; c < width; c++)
            out[c] = (float)((codes[c] & 15) - 8) * scale;
        for (size_t c = 0; c < high; c++)
            out[width + c] = (float)((codes[c] >> 4) - 8) * scale;
    }
    return 0;
}

static int look_up_portable(const Lookup *l, int bytes) { return bytes ? bytes_body(l) : nibbles_body(l); }

#ifdef HAVE_X86
__attribute__((target("avx2"))) static int look_up_avx2(const Lookup *l, int bytes)
{
    return bytes ? bytes_body(l) : nibbles_body(l);
}
#endif

/* rows_of_codes(level, codes (n, columns) int8 or (n, columns / 2) uint8, scale (n,) bfloat16 bits, ids (any,) int64,
 * out (any, columns) float32) -> None */
PyObject *rows_of_codes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer codes = {.held = 0}, scale = {.held = 0}, ids = {.held = 0}, out = {.held = 0};
    PyObject *answer = NULL;
    (void)module;
    if (count != 5)
        return PyErr_SetString(PyExc_TypeError, "rows_of_codes takes level, codes, scale, ids, out"), NULL;
    if (level_of(args[0], &level) || buffer_take(&codes, args[1], "codes", "bB", 2, 0) ||
        buffer_take(&scale, args[2], "scale", "h", 1, 0) || buffer_take(&ids, args[3], "ids", "l", 1, 0) ||
        buffer_take(&out, args[4], "out", "f", 2, 1))
        goto done;
    Lookup l = {codes.view.buf, scale.view.buf, ids.view.buf, out.view.buf, (size_t)codes.view.shape[0],
                (size_t)ids.view.shape[0], (size_t)out.view.shape[1]};
    int bytes = codes.view.format && strchr(codes.view.format, 'b') != NULL;
    size_t width = bytes ? l.columns : (l.columns + 1) / 2;
    if ((size_t)codes.view.shape[1] != width || (size_t)scale.view.shape[0] != l.n ||
        (size_t)out.view.shape[0] != l.count) {
        PyErr_Format(DataError, "codes (%zd, %zd), %zd scales and %zu ids do not go with rows of %zu numbers",
                     codes.view.shape[0], codes.view.shape[1], scale.view.shape[0], l.count, l.columns);
        goto done;
    }
    int wrong;
    Py_BEGIN_ALLOW_THREADS
#ifdef HAVE_X86
    wrong = level == PORTABLE ? look_up_portable(&l, bytes) : look_up_avx2(&l, bytes);
#else
    wrong = look_up_portable(&l, bytes);
#endif
    Py_END_ALLOW_THREADS
    if (wrong)
        PyErr_Format(DataError, "an id is none of the table: they are 0 or more and below %zu", l.n);
    else
        answer = Py_NewRef(Py_None);
done:
    buffer_drop(&codes), buffer_drop(&scale), buffer_drop(&ids), buffer_drop(&out);
    return answer;
}
