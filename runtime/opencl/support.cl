/* The runtime's own kernels. */

/* worst = max(worst, 0: all are finite, 1: one is infinite, 2: one is no number) */
kernel void health(const global float *x, const int count, global int *worst) {
    int found = 0;
    for (int i = get_global_id(0); i < count; i += get_global_size(0)) found = max(found, isnan(x[i]) ? 2 : isinf(x[i]) ? 1 : 0);
    if (found) atomic_max(worst, found);
}

/* Row numbers[i] of `to` = row i of `from`: a work-item for each byte of a row walks the rows in order, so that of several with one number the last stays. */
kernel void rows(global uchar *to, const global uchar *from, const ulong from_offset, const global int *numbers, const int count, const int row_bytes) {
    const int byte = get_global_id(0);
    if (byte >= row_bytes) return;
    for (int i = 0; i < count; i++) to[(ulong)numbers[i] * row_bytes + byte] = from[from_offset + (ulong)i * row_bytes + byte];
}
