/* Least squares in one type of numbers, REAL; names end in it. Included by least_squares.c, once a type. */
#define Sixteen NAMED(Sixteen)
#define Four NAMED(Four)
#define Squares NAMED(Squares)
#define dot NAMED(dot)
#define add NAMED(add)
#define rest_times NAMED(rest_times)
#define factor NAMED(factor)
#define times NAMED(times)
#define sides NAMED(sides)
#define nearer NAMED(nearer)
#define solve NAMED(solve)
#define squares_body NAMED(squares_body)
#define squares_portable NAMED(squares_portable)
#define squares_avx2 NAMED(squares_avx2)
#define squares_avx512 NAMED(squares_avx512)
#define places NAMED(places)
#define squares_of NAMED(squares_of)

/* 16 numbers that lie anywhere; and four. */
typedef REAL Sixteen __attribute__((vector_size(LANES * sizeof(REAL)), aligned(4), may_alias));
typedef REAL Four __attribute__((vector_size(4 * sizeof(REAL))));

/* Every row w of `out` solves (sum of h v v' + rest + ridge I) w = sum of h v over its entries: v a row of the factors, h
 * its weight. Vectors are of `n` times 16 numbers. */
typedef struct {
    size_t rows, n, steps;
    const size_t *starts;
    const int32_t *columns;
    const REAL *weights; /* NULL where all are 1 */
    const Sixteen *factors;
    const REAL *rest, *ridge;
    Sixteen *out;
    Sixteen *wanted, *left, *near, *way, *turned, *diagonal; /* (n) each */
} Squares;

/* Room for vectors. */
static void places(Squares *s, void *room)
{
    Sixteen *at = room;
    s->wanted = at, s->left = at + s->n, s->near = at + 2 * s->n, s->way = at + 3 * s->n;
    s->turned = at + 4 * s->n, s->diagonal = at + 5 * s->n;
}

/* In one order on every machine. */
INLINE REAL dot(const Sixteen *a, const Sixteen *b, size_t n)
{
    Sixteen sum = a[0] * b[0];
    for (size_t i = 1; i < n; i++)
        sum += a[i] * b[i];
    Four parts[4];
    memcpy(parts, &sum, sizeof parts);
    Four four = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

/* y += x * by */
INLINE void add(Sixteen *y, const Sixteen *x, REAL by, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] * by;
}

/* y = rest x + ridge x, of 64 or 16 numbers of y at a time */
INLINE void rest_times(const Squares *s, size_t row, const Sixteen *x, Sixteen *y)
{
    const Sixteen *rest = (const Sixteen *)s->rest;
    size_t n = s->n, at = 0;
    REAL ridge = s->ridge[row];
    for (; at + WIDE <= n; at += WIDE) {
        Sixteen a = x[at] * ridge, b = x[at + 1] * ridge, c = x[at + 2] * ridge, d = x[at + 3] * ridge;
        for (size_t i = 0; i < n * LANES; i++) {
            const Sixteen *of = rest + i * n + at;
            REAL by = ((const REAL *)x)[i];
            a += of[0] * by, b += of[1] * by, c += of[2] * by, d += of[3] * by;
        }
        y[at] = a, y[at + 1] = b, y[at + 2] = c, y[at + 3] = d;
    }
    for (; at < n; at++) {
        Sixteen sum = x[at] * ridge;
        for (size_t i = 0; i < n * LANES; i++)
            sum += rest[i * n + at] * ((const REAL *)x)[i];
        y[at] = sum;
    }
}

INLINE const Sixteen *factor(const Squares *s, size_t entry) { return s->factors + (size_t)s->columns[entry] * s->n; }

INLINE void times(const Squares *s, size_t row, const Sixteen *x, Sixteen *y)
{
    rest_times(s, row, x, y);
    for (size_t i = s->starts[row]; i < s->starts[row + 1]; i++) {
        const Sixteen *v = factor(s, i);
        REAL by = dot(v, x, s->n);
        add(y, v, s->weights ? by * s->weights[i] : by, s->n);
    }
}

/* What a row has to solve: its right side, and the diagonal of its left. */
INLINE void sides(const Squares *s, size_t row)
{
    size_t n = s->n;
    memset(s->wanted, 0, n * sizeof *s->wanted);
    for (size_t i = 0; i < n * LANES; i++)
        ((REAL *)s->diagonal)[i] = s->rest[i * n * LANES + i] + s->ridge[row];
    for (size_t i = s->starts[row]; i < s->starts[row + 1]; i++) {
        const Sixteen *v = factor(s, i);
        REAL by = s->weights ? s->weights[i] : 1;
        for (size_t j = 0; j < n; j++)
            s->wanted[j] += v[j] * by, s->diagonal[j] += v[j] * v[j] * by;
    }
}

/* into = of / diagonal; returns their product */
INLINE REAL nearer(const Squares *s, const Sixteen *of, Sixteen *into)
{
    for (size_t i = 0; i < s->n; i++)
        into[i] = of[i] / s->diagonal[i];
    return dot(of, into, s->n);
}

/* Golub & Van Loan 2013, section 11.5, with the diagonal in front; it ends early where nothing is left to gain. */
INLINE void solve(const Squares *s, size_t row)
{
    size_t n = s->n;
    Sixteen *w = s->out + row * n;
    sides(s, row);
    REAL enough = nearer(s, s->wanted, s->near) * ENOUGH;
    if (!(enough > 0)) {
        memset(w, 0, n * sizeof *w);
        return;
    }
    times(s, row, w, s->turned);
    for (size_t i = 0; i < n; i++)
        s->left[i] = s->wanted[i] - s->turned[i];
    REAL size = nearer(s, s->left, s->near);
    memcpy(s->way, s->near, n * sizeof *w);
    for (size_t step = 0; step < s->steps && size > enough; step++) {
        times(s, row, s->way, s->turned);
        REAL length = size / dot(s->way, s->turned, n), before = size;
        add(w, s->way, length, n);
        add(s->left, s->turned, -length, n);
        size = nearer(s, s->left, s->near);
        for (size_t i = 0; i < n; i++)
            s->way[i] = s->near[i] + s->way[i] * (size / before);
    }
}

INLINE void squares_body(const Squares *s)
{
    for (size_t row = 0; row < s->rows; row++)
        solve(s, row);
}

static void squares_portable(const Squares *s) { squares_body(s); }
#ifdef HAVE_X86
__attribute__((target("avx2"))) static void squares_avx2(const Squares *s) { squares_body(s); }
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void squares_avx512(const Squares *s)
{
    squares_body(s);
}
#endif

static void squares_of(Level level, const Squares *s)
{
#ifdef HAVE_X86
    if (level == AVX512)
        squares_avx512(s);
    else if (level == AVX2)
        squares_avx2(s);
    else
#endif
        squares_portable(s);
    (void)level;
}

#undef Sixteen
#undef Four
#undef Squares
#undef dot
#undef add
#undef rest_times
#undef factor
#undef times
#undef sides
#undef nearer
#undef solve
#undef squares_body
#undef squares_portable
#undef squares_avx2
#undef squares_avx512
#undef places
#undef squares_of
