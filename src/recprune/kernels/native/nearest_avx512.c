/* Nearest entries by AVX-512: sixteen floats in a register. */
#include "nearest.h"

#ifdef HAVE_X86
#include "avx512.h"

#define NEAREST nearest_avx512
#include "nearest_scan.h"
#endif
