/* What kernels of histories share: how they are asked, one list or many, and what they answer. */
#ifndef RECPRUNE_ASKING_H
#define RECPRUNE_ASKING_H

#include "best.h"

enum { FINE, NOT_A_NUMBER, WRONG_ITEM, DAMAGED, NO_MEMORY };

/* A kernel as it is asked. Room for a request begins with a Spare; what is free hangs in a list, which is touched with the
 * GIL held. */
typedef struct {
    void *kernel;
    size_t listed, known; /* items that are listed, and those of a history, are below */
    Spare **free;
    Spare *(*more)(const void *kernel); /* more room, or NULL without memory */
    /* NULL, or what asks memory for what a history (not checked yet) leads to, and then for what that leads to. The second
     * returns whether the answer takes so few microseconds that other threads can wait for it. */
    void (*ahead)(const void *kernel, const Buffer *history);
    int (*brief)(const void *kernel, const Buffer *history);
    /* One request; needs no GIL. history, out: ascending, its own to change; weights: NULL, or one for each of the history. */
    int (*answer)(const void *kernel, Spare *, int32_t *history, const float *weights, size_t length, int32_t *out,
                  size_t outs, Best *);
    void (*said)(int wrong, const void *kernel); /* sets the error of the kernel's own words */
} Asked;

/* asking.c */
PyObject *asked_top(const Asked *, PyObject *history, PyObject *weights, PyObject *k, PyObject *out, PyObject *items,
                    PyObject *scores);
PyObject *asked_best(const Asked *, PyObject *const *args, Py_ssize_t count);
PyObject *asked_top_of_all(const Asked *, PyObject *const *args, Py_ssize_t count);

#endif
