/* Computes plain matrix products by CLBlast, if the build has it. */
#include "runtime/opencl/internal.h"

#include <stdlib.h>
#include <string.h>

#ifdef COUPLET_HAS_CLBLAST
#include <clblast_c.h>

/* True if the library is used. COUPLET_OPENCL_PRODUCTS=own avoids it, for devices on which it does
 * not work. */
bool couplet_opencl_has_products(void) {
    const char *wish = getenv("COUPLET_OPENCL_PRODUCTS");
    return !wish || strcmp(wish, "own") != 0;
}

static CLBlastTranspose turned(bool transposed) {
    return transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
}

/* Returns the position of an array in its allocation, in floats. */
static size_t first_float(const Memory *m, int64_t offset) {
    return (size_t)(m->first / (int64_t)sizeof(float) + offset);
}

bool opencl_product(Opencl *cl, const CoupletProduct *p, const Memory *left, const Memory *right,
                    const Memory *out) {
    const size_t left_first = first_float(left, p->left_offset);
    const size_t right_first = first_float(right, p->right_offset);
    const size_t out_first = first_float(out, p->out_offset);
    if (p->batch == 1)
        return CL(cl,
                  CLBlastSgemm(CLBlastLayoutRowMajor, turned(p->left_transposed),
                               turned(p->right_transposed), (size_t)p->rows, (size_t)p->columns,
                               (size_t)p->inner, 1, left->object, left_first, (size_t)p->left_row,
                               right->object, right_first, (size_t)p->right_row, 0, out->object,
                               out_first, (size_t)p->out_row, &cl->queue, NULL));
    return CL(cl, CLBlastSgemmStridedBatched(
                      CLBlastLayoutRowMajor, turned(p->left_transposed),
                      turned(p->right_transposed), (size_t)p->rows, (size_t)p->columns,
                      (size_t)p->inner, 1, left->object, left_first, (size_t)p->left_row,
                      (size_t)p->left_batch, right->object, right_first, (size_t)p->right_row,
                      (size_t)p->right_batch, 0, out->object, out_first, (size_t)p->out_row,
                      (size_t)p->out_batch, (size_t)p->batch, &cl->queue, NULL));
}

void opencl_forget_products(void) {
    CLBlastClearCache();
}

#else

bool couplet_opencl_has_products(void) {
    return false;
}

bool opencl_product(Opencl *cl, const CoupletProduct *p, const Memory *left, const Memory *right,
                    const Memory *out) {
    (void)p, (void)left, (void)right, (void)out;
    return couplet_device_fail(&cl->device, COUPLET_FAULT_DEVICE, -1,
                               "this build has no CLBlast, and the plan asks for it");
}

void opencl_forget_products(void) {}

#endif
