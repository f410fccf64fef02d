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

/* Row i of `to` = row numbers[i] of `from`: a work-item for each byte. */
kernel void gather(global uchar *to, const global uchar *from, const global int *numbers, const int count, const int row_bytes) {
    const ulong at = get_global_id(0), row = at / row_bytes;
    if (row < (ulong)count) to[at] = from[(ulong)numbers[row] * row_bytes + at % row_bytes];
}

/* Rows of `from` into a ring, from row head[0] on: a work-item for each byte. */
kernel void push(global uchar *ring, const global uchar *from, const ulong from_offset, const global int *head, const int length, const int count, const int row_bytes) {
    const ulong at = get_global_id(0), row = at / row_bytes;
    if (row < (ulong)count) ring[(head[0] + row) % length * row_bytes + at % row_bytes] = from[from_offset + at];
}

kernel void advance(global int *head, global int *fill, const int count, const int length) {
    if (get_global_id(0) > 0) return;
    head[0] = (head[0] + count) % length;
    fill[0] = min(fill[0] + count, length);
}
