/* Plain matrix products, by CLBlast where it is there. */
#include "runtime/opencl/internal.h"

#include <stdlib.h>
#include <string.h>

#ifdef COUPLET_HAS_CLBLAST
#include <clblast_c.h>

/* COUPLET_OPENCL_PRODUCTS=own leaves the library aside, on a device it does not get on with. */
bool couplet_opencl_has_products(void) {
    const char *wish = getenv("COUPLET_OPENCL_PRODUCTS");
    return !wish || strcmp(wish, "own") != 0;
}

static CLBlastTranspose turned(bool transposed) { return transposed ? CLBlastTransposeYes : CLBlastTransposeNo; }

bool opencl_product(Opencl *cl, const CoupletProduct *p, cl_mem left, cl_mem right, cl_mem out) {
    if (p->batch == 1)
        return CL(cl, CLBlastSgemm(CLBlastLayoutRowMajor, turned(p->left_transposed), turned(p->right_transposed), (size_t)p->rows, (size_t)p->columns, (size_t)p->inner, 1, left,
                                   (size_t)p->left_offset, (size_t)p->left_row, right, (size_t)p->right_offset, (size_t)p->right_row, 0, out, (size_t)p->out_offset,
                                   (size_t)p->out_row, &cl->queue, NULL));
    return CL(cl, CLBlastSgemmStridedBatched(CLBlastLayoutRowMajor, turned(p->left_transposed), turned(p->right_transposed), (size_t)p->rows, (size_t)p->columns,
                                             (size_t)p->inner, 1, left, (size_t)p->left_offset, (size_t)p->left_row, (size_t)p->left_batch, right, (size_t)p->right_offset,
                                             (size_t)p->right_row, (size_t)p->right_batch, 0, out, (size_t)p->out_offset, (size_t)p->out_row, (size_t)p->out_batch,
                                             (size_t)p->batch, &cl->queue, NULL));
}

void opencl_forget_products(void) { CLBlastClearCache(); }

#else

bool couplet_opencl_has_products(void) { return false; }

bool opencl_product(Opencl *cl, const CoupletProduct *p, cl_mem left, cl_mem right, cl_mem out) {
    (void)p, (void)left, (void)right, (void)out;
    return couplet_device_fail(&cl->device, COUPLET_FAULT_DEVICE, -1, "this build has no CLBlast, and the plan asks for it");
}

void opencl_forget_products(void) {}

#endif
