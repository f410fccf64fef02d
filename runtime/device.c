/* The shared part of all devices: notes the first fault and puts it into words. Each kind of fault
 * has its sentence and its code. formula_faults.c names the element, if the formulas of the step
 * show it. */
#include "runtime/executor.h"

#include <stdarg.h>
#include <stdio.h>

/* Rounds up to the alignment, to at least one byte, because no allocation is empty. */
int64_t couplet_device_round(int64_t bytes) {
    return (bytes / COUPLET_DEVICE_ALIGNMENT + 1) * COUPLET_DEVICE_ALIGNMENT;
}

int64_t couplet_device_own(const CoupletDevice *d, const CoupletStep *step, int64_t pieces,
                           int64_t *first) {
    *first = 0;
    if (!step->is_cut || !d->shards) return pieces;
    *first = pieces / d->shards * d->first_shard;
    return pieces / d->shards * (d->end_shard - d->first_shard);
}

void couplet_device_free(CoupletDevice *device) {
    if (device) device->calls->close(device);
}

const char *couplet_fault_sentence(int64_t kind) {
    switch (kind) {
    case COUPLET_FAULT_INDEX:
        return "an index read from data is out of range";
    case COUPLET_FAULT_EMPTY:
        return "a reduction has no term here: no index fulfils its guard";
    case COUPLET_FAULT_FEW:
        return "topk has fewer candidates here than it is asked for";
    case COUPLET_FAULT_SINGULAR:
        return "solve meets a singular matrix here: its equations have no solution, or many";
    case COUPLET_FAULT_COST:
        return "assignment needs costs that are finite numbers, and meets one here that is not";
    case COUPLET_FAULT_BETA:
        return "a beta distribution needs two positive parameters, and meets one here that is not";
    case COUPLET_FAULT_WHOLE:
        return "a whole number is outside -2147483648 to 2147483647 here, or is divided by 0";
    default:
        return "a kernel ran out of memory";
    }
}

const char *couplet_fault_code(CoupletFaultKind kind) {
    switch (kind) {
    case COUPLET_FAULT_NAN:
    case COUPLET_FAULT_INFINITE:
        return "E803";
    case COUPLET_NO_FAULT:
    case COUPLET_FAULT_MEMORY:
    case COUPLET_FAULT_DEVICE:
        return "E802";
    case COUPLET_FAULT_INDEX:
    case COUPLET_FAULT_EMPTY:
    case COUPLET_FAULT_FEW:
    case COUPLET_FAULT_SINGULAR:
    case COUPLET_FAULT_COST:
    case COUPLET_FAULT_BETA:
    case COUPLET_FAULT_WHOLE:
        break;
    }
    return "E801";
}

void couplet_fault_text(const CoupletFault *fault, const char *when, char *text, size_t bytes) {
    const char *inner = fault->inner;
    const char *advice = fault->advice;
    snprintf(text, bytes, "%s: error[%s]: %s%s%s%s%s%s%s", fault->source,
             couplet_fault_code(fault->kind), when ? when : "", when ? ": " : "", fault->sentence,
             inner ? "\n      = in the library: " : "", inner ? inner : "",
             advice ? "\n      = help: " : "", advice ? advice : "");
}

bool couplet_device_fail(CoupletDevice *device, CoupletFaultKind kind, int step, const char *format,
                         ...) {
    if (device->fault.kind != COUPLET_NO_FAULT) return false;
    device->fault.kind = kind;
    device->fault.step = step;
    va_list args;
    va_start(args, format);
    vsnprintf(device->fault.sentence, sizeof device->fault.sentence, format, args);
    va_end(args);
    return false;
}

void couplet_device_clear(CoupletDevice *device) {
    device->fault.kind = COUPLET_NO_FAULT;
    device->fault.step = -1;
    device->fault.sentence[0] = 0;
}
