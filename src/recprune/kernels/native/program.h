/* A flat program: what a click model computes, step by step, for a block of rows at a time. */
#ifndef RECPRUNE_PROGRAM_H
#define RECPRUNE_PROGRAM_H

#include "kernels.h"

/* The order is that of program.py. */
typedef enum { LOOK_UP, MEAN, STANDARD, SPREAD, LAYER, PAIRS, DOT, PRODUCT, ATTEND, SUM, NORM, LOOK_BACK, RECUR, WINDOW,
               LARGEST, WEIGH, STEPS } Operation;

enum { ROWS_AT_ONCE = 48 };

#define NOWHERE ((size_t)-1)

/* A slot is a matrix of floats, a row for each row of the block. Its stride is a multiple of 16, and what lies between
 * its width and its stride is 0 and stays so. */
typedef struct {
    Operation op;
    Kind kind;             /* of the table: FLOATS, BYTES, NIBBLES or CODEBOOK */
    size_t column;         /* of the input that is looked up */
    size_t count;          /* STANDARD: columns; SPREAD: numbers; LAYER, PAIRS, ATTEND, WINDOW: vectors side by side; LARGEST:
                            * the first row; WEIGH: sets of weights */
    int64_t offset;        /* is added to an id; WINDOW: rows from one to the next */
    size_t n, d;           /* rows and columns of the table; in and out of a layer; heads and their width */
    size_t slot, into, at; /* read from, written to, from that float on; into: NOWHERE adds to the logit */
    size_t first, plus;    /* LAYER: into = first * (weight slot + bias) + plus, where they are; SPREAD: first is missing;
                            * ATTEND: keys and values */
    size_t rest;           /* ATTEND: is added to what heads give */
    int relu, tail;        /* tail: for the last row of the block alone */
    int masked;            /* WINDOW: rows of no item are zeros */
    float least;           /* NORM: is added to the variance */
    Py_buffer rows, scale; /* of the table, borrowed; obj is NULL where there is none; books are in place of a scale */
    float *numbers;        /* LAYER: panels [out / 16][in][16]; LOOK_UP, MEAN: (d, d) what rows are multiplied by, or NULL;
                            * others: weights as they came */
    float *bias;           /* LAYER: (out rounded up to 16) */
    size_t *columns;       /* STANDARD: (count) inputs; a CODEBOOK: (count + 1) edges of groups */
    size_t numbers_bytes, bias_bytes;
} Step;

/* An input: (rows,) ids or floats, or (rows, width) ids. */
typedef struct {
    const void *data;
    size_t width;
    char type; /* 'i' int32, 'l' int64, 'f' float */
} Column;

typedef struct {
    size_t begin, rows; /* of the input */
    const Column *columns;
    float *const *slots;
    const size_t *strides;
    float *logits; /* (rows) */
    float *room;   /* for one row of any table, or the keys of a head */
} Block;

INLINE size_t padded(size_t width) { return (width + LANES - 1) / LANES * LANES; }

INLINE int64_t id_at(const Column *c, size_t place)
{
    return c->type == 'i' ? ((const int32_t *)c->data)[place] : ((const int64_t *)c->data)[place];
}

/* One step for one block. -1 where an id is none of the table. */
int step_portable(const Step *, const Block *);
#ifdef HAVE_X86
int step_avx2(const Step *, const Block *);
int step_avx512(const Step *, const Block *);
#endif

#endif
