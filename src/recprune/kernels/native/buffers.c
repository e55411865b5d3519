/* What comes from outside is checked here, before any of it is read. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

PyObject *DataError;

/* Types, as letters: f float32, d float64, h uint16 (the bits of a bfloat16), b int8, B uint8, i int32, l int64. */
static char type_of(const Py_buffer *view)
{
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == '<')
        format++;
    if (!*format || format[1])
        return 0;
    switch (*format) {
    case 'f': return view->itemsize == 4 ? 'f' : 0;
    case 'd': return view->itemsize == 8 ? 'd' : 0;
    case 'H': return view->itemsize == 2 ? 'h' : 0;
    case 'b': return 'b';
    case 'B': return 'B';
    case 'i':
    case 'l':
    case 'q': return view->itemsize == 4 ? 'i' : view->itemsize == 8 ? 'l' : 0;
    default: return 0;
    }
}

/* A contiguous, aligned buffer of one of the types, with so many dimensions. -1 with an error set. */
int buffer_take(Buffer *b, PyObject *from, const char *name, const char *types, int dims, int writable)
{
    b->held = 0;
    if (PyObject_GetBuffer(from, &b->view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0))) {
        PyErr_Clear();
        PyErr_Format(DataError, "%s must be a contiguous%s array", name, writable ? ", writable" : "");
        return -1;
    }
    b->held = 1;
    char type = type_of(&b->view);
    if (!type || !strchr(types, type)) {
        PyErr_Format(DataError, "%s is an array of '%s', which is none of the types it can have", name,
                     b->view.format ? b->view.format : "B");
        return -1;
    }
    if (b->view.ndim != dims) {
        PyErr_Format(DataError, "%s has %d dimensions, not %d", name, b->view.ndim, dims);
        return -1;
    }
    if ((uintptr_t)b->view.buf % (uintptr_t)b->view.itemsize) {
        PyErr_Format(DataError, "%s does not begin at a multiple of its %zd bytes; copy it", name, b->view.itemsize);
        return -1;
    }
    return 0;
}

/* The same where it is one that needs no checking by Python first: 0, and nothing held, where it is not. No error is
 * set. */
int buffer_try(Buffer *b, PyObject *from, const char *types, int dims)
{
    b->held = 0;
    if (PyObject_GetBuffer(from, &b->view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)) {
        PyErr_Clear();
        return 0;
    }
    b->held = 1;
    char type = type_of(&b->view);
    if (type && strchr(types, type) && b->view.ndim == dims && !((uintptr_t)b->view.buf % (uintptr_t)b->view.itemsize))
        return 1;
    buffer_drop(b);
    return 0;
}

void buffer_drop(Buffer *b)
{
    if (b->held)
        PyBuffer_Release(&b->view);
    b->held = 0;
}

/* The level asked for by a number. -1 with an error set where this machine has it not. */
int level_of(PyObject *number, Level *level)
{
    long asked = PyLong_AsLong(number);
    if (asked == -1 && PyErr_Occurred())
        return -1;
    int there = asked == PORTABLE;
#ifdef HAVE_X86
    __builtin_cpu_init();
    if (asked == AVX2)
        there = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (asked == AVX512)
        there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni");
#endif
    if (!there) {
        PyErr_Format(DataError, "level %ld of the kernels does not run on this machine", asked);
        return -1;
    }
    *level = (Level)asked;
    return 0;
}

/* Zeroed memory at a cache line; in large pages, where the system has them, so that a scan seldom waits for the page
 * table. NULL where there is none left. */
void *memory_take(size_t bytes)
{
    if (!bytes)
        bytes = 1;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes >= (size_t)1 << 21) {
        void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            return NULL;
        madvise(at, bytes, MADV_HUGEPAGE);
        return at;
    }
#endif
    size_t whole = (bytes + 63) / 64 * 64;
    void *at = whole < bytes ? NULL : aligned_alloc(64, whole);
    return at ? memset(at, 0, whole) : NULL;
}

void memory_drop(void *at, size_t bytes)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (at && bytes >= (size_t)1 << 21) {
        munmap(at, bytes);
        return;
    }
#endif
    (void)bytes;
    free(at);
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Items begin..end of an int32 or int64 buffer, all below a bound, as ascending int32. -1 where one is not; needs no GIL. */
int items_sorted(const Buffer *b, size_t begin, size_t end, size_t below, int32_t *into)
{
    int rising = 1;
    for (size_t i = begin; i < end; i++) {
        int64_t item = b->view.itemsize == 4 ? ((const int32_t *)b->view.buf)[i] : ((const int64_t *)b->view.buf)[i];
        if (item < 0 || (uint64_t)item >= below)
            return -1;
        into[i - begin] = (int32_t)item;
        rising &= i == begin || into[i - begin - 1] <= into[i - begin];
    }
    if (!rising)
        qsort(into, end - begin, sizeof *into, by_number);
    return 0;
}

/* How many are asked for. -1 with an error set. */
int k_of(PyObject *number, size_t *k)
{
    Py_ssize_t asked = PyLong_AsSsize_t(number);
    if (asked == -1 && PyErr_Occurred())
        return -1;
    if (asked < 1 || asked > INT32_MAX) {
        PyErr_Format(DataError, "k is 1 or more, not %zd", asked);
        return -1;
    }
    *k = (size_t)asked;
    return 0;
}

/* A copy, which nobody can change meanwhile, of the starts of a ragged array: they rise, one a row and one at the end,
 * and stay within its entries. NULL with an error set; to be freed. */
size_t *starts_copied(const Buffer *starts, size_t rows, size_t entries)
{
    int fine = (size_t)starts->view.shape[0] == rows + 1;
    size_t *out = fine ? malloc((rows + 1) * sizeof *out) : NULL;
    if (fine && !out)
        return PyErr_NoMemory(), NULL;
    for (size_t i = 0; fine && i <= rows; i++) {
        int64_t at = starts->view.itemsize == 4 ? ((const int32_t *)starts->view.buf)[i]
                                                : ((const int64_t *)starts->view.buf)[i];
        fine = at >= 0 && (uint64_t)at <= entries && (!i || (size_t)at >= out[i - 1]);
        out[i] = (size_t)at;
    }
    if (fine)
        return out;
    free(out);
    PyErr_Format(DataError, "starts must rise, %zu of them, one a row and one at the end, from 0 or more to %zu at most",
                 rows + 1, entries);
    return NULL;
}
