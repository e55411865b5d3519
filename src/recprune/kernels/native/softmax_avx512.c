/* Shares by AVX-512: sixteen floats in a register. */
#include "shares.h"

#ifdef HAVE_X86
#include <immintrin.h>

typedef float V __attribute__((vector_size(64)));
typedef int32_t VI __attribute__((vector_size(64)));
typedef uint16_t VH __attribute__((vector_size(32)));
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define WIDE 16
#define FMA(A, B, C) ((V)_mm512_fmadd_ps((__m512)(A), (__m512)(B), (__m512)(C)))
#define SHARES shares_avx512
#include "softmax.h"
#endif
