/* Nearest entries by vectors of four floats, which every compiler makes of plain C. */
#include "nearest.h"
#include "portable.h"

#define NEAREST nearest_portable
#include "nearest_scan.h"
