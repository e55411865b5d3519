/* Steps of a program by AVX-512: sixteen floats in a register. */
#include "program.h"

#ifdef HAVE_X86
#include "avx512.h"

#define TALL 6
#define BROAD 4
#define STEP step_avx512
#include "steps.h"
#endif
