/* The plans for one processor, before there is code for their kernels. */
#ifndef COUPLET_COMPILER_CPU_PLANS_H
#define COUPLET_COMPILER_CPU_PLANS_H

#include "compiler/cpu/cpu.h"
#include "compiler/cpu/processor.h"
#include "compiler/plan/plan.h"

struct CpuPlans {
    const Processor *processor;
    Plan *plans;
    int count;
    Kernel **kernels; /* one kernel for each symbol */
    int kernel_count;
};

#endif
