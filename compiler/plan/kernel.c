/* Returns the parts of a kernel (kernel.h) by its kind. */
#include "compiler/plan/kernel.h"

static KernelForm kernel_form(KernelKind kind) {
    switch (kind) {
    case KERNEL_COMPUTE:
        return FORM_COMPUTE;
    case KERNEL_PACK:
    case KERNEL_PRODUCT:
    case KERNEL_GATHER_PARTIALS:
        return FORM_CONTRACTION;
    case KERNEL_SWEEP:
    case KERNEL_SWEEP_JOIN:
        return FORM_SWEEP;
    case KERNEL_BUCKET_SORT:
    case KERNEL_BUCKET:
        return FORM_BUCKET;
    case KERNEL_TOPK:
    case KERNEL_CALL:
    case KERNEL_ORDER:
        break;
    }
    return FORM_NONE;
}

static bool has_form(const Kernel *k, KernelForm form) {
    return kernel_form(k->kind) == form;
}

const struct Contraction *kernel_contraction(const Kernel *k) {
    return has_form(k, FORM_CONTRACTION) ? k->as.contraction : NULL;
}

const struct Sweep *kernel_sweep(const Kernel *k) {
    return has_form(k, FORM_SWEEP) ? k->as.sweep.sweep : NULL;
}

const struct Bucket *kernel_bucket(const Kernel *k) {
    return has_form(k, FORM_BUCKET) ? k->as.bucket.bucket : NULL;
}

const struct Arguments *kernel_arguments(const Kernel *k) {
    return has_form(k, FORM_COMPUTE) ? k->as.compute.arguments : NULL;
}

const GNode *kernel_over(const Kernel *k) {
    return has_form(k, FORM_COMPUTE) ? k->as.compute.over : NULL;
}

int kernel_node_count(const Kernel *k) {
    return has_form(k, FORM_COMPUTE) ? 1 + k->as.compute.beside_count : 1;
}

const GNode *kernel_node(const Kernel *k, int number) {
    return number == 0 ? k->node : k->as.compute.beside[number - 1];
}
