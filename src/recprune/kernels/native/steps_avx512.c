/* Steps of a program by AVX-512: sixteen floats in a register. */
#include "program.h"

#ifdef HAVE_X86
#include <immintrin.h>

typedef float V __attribute__((vector_size(64)));
typedef int32_t VI __attribute__((vector_size(64)));
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define WIDE 16
#define FMA(A, B, C) ((V)_mm512_fmadd_ps((__m512)(A), (__m512)(B), (__m512)(C)))
#define TALL 6
#define BROAD 4
#define STEP step_avx512
#include "steps.h"
#endif
