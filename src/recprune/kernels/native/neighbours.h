/* An item-item matrix that answers histories, in parts: what it is made from (neighbours_made.c), the ways to add up
 * (neighbours_few.c,
 * neighbours_blocks.c, neighbours_sums.c), and how it is asked
 * (neighbours.c). */
#ifndef RECPRUNE_NEIGHBOURS_H
#define RECPRUNE_NEIGHBOURS_H

#include "asking.h"

enum { GROUP = 255 }; /* rows whose places are told in a byte, see recprune/encodings/item_bytes.py */

/* What an entry adds to a row. */
typedef struct {
    uint32_t row;
    float x;
} Part;

enum { FEW = 4096 };

enum { BLOCK = 16 * GROUP }; /* rows whose sums stay in the first cache: whole groups, whole registers */

/* Entries of a column that are still to be read. */
typedef struct {
    size_t at, end;
} Left;

/* Room to add up in; sums, touched and block are all zero whenever nobody uses them. */
typedef struct {
    Spare spare; /* first */
    float *sums;      /* (rows + padding) */
    uint8_t *touched; /* one for 16 rows */
    float *block;     /* (BLOCK + LANES) */
    Left *left;       /* (lefts) */
    size_t lefts;
    Part *parts;      /* (FEW) */
    uint16_t *slots;  /* (2 * FEW) where the part of a row is, counted from 1; 0 for nowhere */
} Room;

/* The matrix by columns: entries of an item of the history lie together. Either numbers with their rows, of our own; or
 * codes that are lent: an int8 and the place inside a group of 255 rows, with a count for every group; or all numbers of
 * a matrix that is dense, lent too. Lent bytes may change under us; they are checked as they are read. */
typedef struct {
    PyObject_HEAD
    Level level;
    size_t rows, columns, entries, groups;
    size_t *starts; /* (columns + 1) */
    Part *own;
    Py_buffer codes, near, counts; /* obj is NULL where there are no codes */
    Py_buffer dense;               /* (columns, rows) float32, or obj is NULL */
    float *scale;                  /* (rows + padding) of codes or of a dense matrix, or NULL */
    int32_t *never;                /* items that are never listed, ascending */
    size_t nevers;
    Spare *free;
} Neighbours;

INLINE size_t padded(const Neighbours *t) { return (t->rows + GROUP + 1 + LANES) / LANES * LANES; }
INLINE size_t sums_bytes(const Neighbours *t) { return padded(t) * sizeof(float); }
INLINE size_t touched_bytes(const Neighbours *t) { return (padded(t) / LANES + 8) / 8 * 8; }

/* neighbours.c */
void neighbours_drop(const Neighbours *, Room *);

/* neighbours_made.c */
PyObject *neighbours_new(PyTypeObject *, PyObject *args, PyObject *named);
void neighbours_dealloc(PyObject *);

/* neighbours_few.c: asks for the room of so many entries. How many entries a history reads, and the answer where these are few; whether that was all. */
void neighbours_few_ahead(const Room *, size_t entries);
size_t neighbours_entries(const Neighbours *, const int32_t *history, size_t length);
int neighbours_few(const Neighbours *, Room *, const int32_t *history, const float *weights, size_t length, size_t entries,
                   const int32_t *out, size_t outs, Best *, int *wrong);

/* neighbours_blocks.c: the answer by sums of a block of rows at a time; what is wrong, or FINE. */
int neighbours_blocks(const Neighbours *, Room *, const int32_t *history, const float *weights, size_t length,
                      const int32_t *out, size_t outs, Best *);

/* neighbours_sums.c: the answer by a row of all sums; what is wrong, or FINE. */
int neighbours_sums(const Neighbours *, Room *, const int32_t *history, const float *weights, size_t length,
                    const int32_t *out, size_t outs, Best *);

#endif
