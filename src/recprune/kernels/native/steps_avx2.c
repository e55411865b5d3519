/* Steps of a program by AVX2: eight floats in a register. */
#include "program.h"

#ifdef HAVE_X86
#include <immintrin.h>

typedef float V __attribute__((vector_size(32)));
typedef int32_t VI __attribute__((vector_size(32)));
#define TARGET __attribute__((target("avx2,fma")))
#define WIDE 8
#define FMA(A, B, C) ((V)_mm256_fmadd_ps((__m256)(A), (__m256)(B), (__m256)(C)))
#define TALL 6
#define BROAD 1
#define STEP step_avx2
#include "steps.h"
#endif
