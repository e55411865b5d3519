/* The k largest of a row of numbers, of equal ones the lowest columns; NaN is none of them. */
#ifndef RECPRUNE_LARGEST_H
#define RECPRUNE_LARGEST_H

#include "kernels.h"

#include <math.h>
#include <stdlib.h>

enum { SPARE = 64 }; /* more than the k largest that are held before the others are dropped */

typedef struct {
    size_t k, room; /* room: of `near`, more than k */
    double *near;   /* (room) the largest so far */
    double *ties;   /* (as long as a row) */
} Largest;

/* Where results go. */
typedef struct {
    size_t at, room;
    int64_t *starts;
    int32_t *columns;
    void *values;
    size_t width; /* bytes of a value: a float or a double */
} Rows;

/* Room for rows of up to `longest` entries; -1 where there is none left. */
static inline int largest_ready(Largest *l, size_t k, size_t longest)
{
    l->k = k < longest ? k : longest;
    l->room = 3 * l->k + SPARE;
    l->near = malloc(l->room * sizeof *l->near), l->ties = malloc((longest + 1) * sizeof *l->ties);
    return l->near && l->ties ? 0 : -1;
}

static inline void largest_drop(Largest *l) { free(l->near), free(l->ties); }

INLINE double middle(double a, double b, double c)
{
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Puts those above a number in front, or those equal to it; returns how many. Nothing branches by what they are. */
INLINE size_t to_front(double *x, size_t n, double at, int equal)
{
    size_t front = 0;
    for (size_t i = 0; i < n; i++) {
        double one = x[i];
        x[i] = x[front], x[front] = one;
        front += equal ? one == at : one > at;
    }
    return front;
}

/* Puts the k largest of n in front, k from 1 to n, and returns the least of those. Hoare 1961, "Algorithm 65: Find". */
INLINE double in_front(double *x, size_t n, size_t k)
{
    for (;;) {
        double at = middle(x[0], x[n / 2], x[n - 1]);
        size_t above = to_front(x, n, at, 0);
        if (k <= above) {
            n = above;
            continue;
        }
        size_t more = above + to_front(x + above, n - above, at, 1);
        if (k <= more)
            return at;
        x += more, n -= more, k -= more;
    }
}

/* The k-th largest of n; minus infinity where there are fewer. */
INLINE double kth(const Largest *l, const double *x, size_t n, size_t k)
{
    double bar = -INFINITY;
    size_t count = 0, i = 0;
    for (; i < n && count < l->room; i++)
        l->near[count] = x[i], count += x[i] == x[i];
    while (count >= k) {
        bar = in_front(l->near, count, k);
        if (i == n)
            return bar;
        for (count = k; i < n && count < l->room; i++)
            l->near[count] = x[i], count += x[i] > bar;
    }
    return bar;
}

/* The column up to which entries at the bar are among the largest, `left` of them. */
INLINE int32_t last_of_ties(const Largest *l, const int32_t *columns, const double *keys, size_t n, double bar, size_t left)
{
    size_t ties = 0;
    for (size_t i = 0; i < n; i++)
        l->ties[ties] = -(double)columns[i], ties += keys[i] == bar;
    return ties > left ? (int32_t)-kth(l, l->ties, ties, left) : INT32_MAX;
}

INLINE void write_one(Rows *out, int32_t column, double key)
{
    out->columns[out->at] = column;
    if (out->width == sizeof(float))
        ((float *)out->values)[out->at++] = (float)key;
    else
        ((double *)out->values)[out->at++] = key;
}

/* Adds a row of n entries: its k largest in the order they come in; rising: the order of their columns. -1 where there is
 * no room. */
INLINE int largest_of_row(const Largest *l, const int32_t *columns, const double *keys, size_t n, int rising, Rows *out)
{
    double bar = -INFINITY;
    size_t most = n < l->k ? n : l->k, left = most;
    int32_t last = INT32_MAX;
    if (most > out->room - out->at)
        return -1;
    if (n > most) {
        bar = kth(l, keys, n, most);
        const double *above = bar > -INFINITY ? l->near : keys; /* in front there stand the largest, where there are k */
        for (size_t i = 0; i < (above == keys ? n : most); i++)
            left -= above[i] > bar;
        if (!rising)
            last = last_of_ties(l, columns, keys, n, bar, left);
    }
    for (size_t i = 0, written = 0; i < n && written < most; i++) {
        int tied = keys[i] == bar && left && columns[i] <= last;
        if (tied || keys[i] > bar)
            write_one(out, columns[i], keys[i]), written++;
        left -= (size_t)tied;
    }
    return 0;
}

/* gram.c */
int rows_take(Rows *, Buffer parts[3], PyObject *const *args, size_t rows);

#endif
