/* Shares by AVX2: eight floats in a register. */
#include "shares.h"

#ifdef HAVE_X86
#include "avx2.h"

#define SHARES shares_avx2
#include "softmax.h"
#endif
