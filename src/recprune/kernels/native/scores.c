/* The k highest of every row of scores. */
#include "best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int row_portable(const float *row, size_t n, Best *best)
{
    int nan = 0;
    for (size_t i = 0; i < n; i++) {
        nan |= row[i] != row[i];
        best_offer(best, row[i], (int32_t)i);
    }
    return nan;
}

#ifdef HAVE_X86
#include <immintrin.h>

__attribute__((target("avx2"))) static int row_avx2(const float *row, size_t n, Best *best)
{
    size_t i = 0;
    int nan = 0;
    for (; i + 32 <= n; i += 32) {
        __m256 bar = _mm256_set1_ps(best->bar), any = _mm256_setzero_ps();
        for (size_t j = 0; j < 32; j += 8)
            any = _mm256_or_ps(any, _mm256_cmp_ps(_mm256_loadu_ps(row + i + j), bar, _CMP_NLE_UQ));
        if (__builtin_expect(_mm256_movemask_ps(any), 0))
            for (size_t j = 0; j < 32; j++) {
                nan |= row[i + j] != row[i + j];
                best_offer(best, row[i + j], (int32_t)(i + j));
            }
    }
    for (; i < n; i++) {
        nan |= row[i] != row[i];
        best_offer(best, row[i], (int32_t)i);
    }
    return nan;
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static int row_avx512(
    const float *row, size_t n, Best *best)
{
    size_t i = 0;
    int nan = 0;
    for (; i + 64 <= n; i += 64) {
        __m512 bar = _mm512_set1_ps(best->bar);
        uint64_t any = 0;
        for (size_t j = 0; j < 64; j += 16)
            any |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(row + i + j), bar, _CMP_NLE_UQ) << j;
        for (; __builtin_expect(any != 0, 0); any &= any - 1) {
            size_t at = i + (size_t)__builtin_ctzll(any);
            nan |= row[at] != row[at];
            best_offer(best, row[at], (int32_t)at);
        }
    }
    for (; i < n; i++) {
        nan |= row[i] != row[i];
        best_offer(best, row[i], (int32_t)i);
    }
    return nan;
}
#endif

static int row_of(Level level, const float *row, size_t n, Best *best)
{
#ifdef HAVE_X86
    if (level == AVX512)
        return row_avx512(row, n, best);
    if (level == AVX2)
        return row_avx2(row, n, best);
#endif
    (void)level;
    return row_portable(row, n, best);
}

/* top_of_scores(level, scores (users, n) float32, items (users, k) int64) -> whether a score is NaN. What is -inf is not
 * listed; 0 stands where fewer than k are left. */
PyObject *top_of_scores(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Level level;
    Buffer scores = {.held = 0}, items = {.held = 0};
    PyObject *answer = NULL;
    Entry *heap = NULL;
    (void)module;
    if (count != 3)
        return PyErr_SetString(PyExc_TypeError, "top_of_scores takes level, scores, items"), NULL;
    if (level_of(args[0], &level) || buffer_take(&scores, args[1], "scores", "f", 2, 0) ||
        buffer_take(&items, args[2], "items", "l", 2, 1))
        goto done;
    size_t users = (size_t)scores.view.shape[0], n = (size_t)scores.view.shape[1], k = (size_t)items.view.shape[1];
    if ((size_t)items.view.shape[0] != users || k < 1 || n > INT32_MAX) {
        PyErr_Format(DataError, "scores are (%zu, %zu), and there is room for (%zd, %zu) items", users, n,
                     items.view.shape[0], k);
        goto done;
    }
    size_t most = k < n ? k : n;
    heap = malloc(best_room(most) * sizeof *heap);
    if (!heap) {
        PyErr_NoMemory();
        goto done;
    }
    int nan = 0;
    Py_BEGIN_ALLOW_THREADS
    for (size_t u = 0; u < users && !nan && n; u++) {
        Best best = {.entries = heap, .k = most};
        best_begin(&best, -INFINITY);
        int64_t *into = (int64_t *)items.view.buf + u * k;
        nan = row_of(level, (const float *)scores.view.buf + u * n, n, &best);
        size_t found = best_finish(&best, into, NULL);
        memset(into + found, 0, (k - found) * sizeof *into);
    }
    if (!n)
        memset(items.view.buf, 0, users * k * sizeof(int64_t));
    Py_END_ALLOW_THREADS
    answer = PyBool_FromLong(nan);
done:
    free(heap);
    buffer_drop(&scores), buffer_drop(&items);
    return answer;
}
