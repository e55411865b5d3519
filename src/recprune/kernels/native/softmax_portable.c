/* Shares by vectors of four floats, which every compiler makes of plain C. */
#include "shares.h"
#include "portable.h"

#define TARGET 
#define SHARES shares_portable
#include "softmax.h"
