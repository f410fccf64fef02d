/* The functions of write_bucket.c that reduction.c calls. */
#ifndef COUPLET_COMPILER_OPENCL_WRITE_BUCKET_H
#define COUPLET_COMPILER_OPENCL_WRITE_BUCKET_H

#include "compiler/opencl/write.h"
#include "compiler/plan/bucket.h"

/* Writes the variables begin, end and listed for the output element whose indices are set. Its
 * members are listed[begin] .. listed[end - 1], places among all terms in ascending order. */
void write_members(Frame *f, const Bucket *bucket);

#endif
