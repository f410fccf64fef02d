/* The runtime's own kernels. An array is an allocation and the place of its first element there. */

/* worst = max(worst, 0: all are finite, 1: one is infinite, 2: one is no number) */
kernel void health(const global float *x_in, const ulong x_at, const int count, global int *worst) {
    const global float *x = x_in + x_at;
    int found = 0;
    for (int i = get_global_id(0); i < count; i += get_global_size(0)) found = max(found, isnan(x[i]) ? 2 : isinf(x[i]) ? 1 : 0);
    if (found) atomic_max(worst, found);
}

/* Row numbers[i] of `to` = row i of `from`: a work-item for each byte of a row walks the rows in order, so that of several with one number the last stays. */
kernel void rows(global uchar *to, const ulong to_at, const global uchar *from, const ulong from_at, const global int *numbers, const ulong numbers_at, const int count,
                 const int row_bytes) {
    const int byte = get_global_id(0);
    if (byte >= row_bytes) return;
    for (int i = 0; i < count; i++) to[to_at + (ulong)numbers[numbers_at + i] * row_bytes + byte] = from[from_at + (ulong)i * row_bytes + byte];
}

/* Row i of `to` = row numbers[i] of `from`: a work-item for each byte. */
kernel void gather(global uchar *to, const ulong to_at, const global uchar *from, const ulong from_at, const global int *numbers, const ulong numbers_at, const int count,
                   const int row_bytes) {
    const ulong at = get_global_id(0), row = at / row_bytes;
    if (row < (ulong)count) to[to_at + at] = from[from_at + (ulong)numbers[numbers_at + row] * row_bytes + at % row_bytes];
}

/* Rows of `from` into a ring, from row head[0] on: a work-item for each byte. */
kernel void push(global uchar *ring, const ulong ring_at, const global uchar *from, const ulong from_at, const global int *head, const ulong head_at, const int length,
                 const int count, const int row_bytes) {
    const ulong at = get_global_id(0), row = at / row_bytes;
    if (row < (ulong)count) ring[ring_at + (head[head_at] + row) % length * row_bytes + at % row_bytes] = from[from_at + at];
}

kernel void advance(global int *head, const ulong head_at, global int *fill, const ulong fill_at, const int count, const int length) {
    if (get_global_id(0) > 0) return;
    head[head_at] = (head[head_at] + count) % length;
    fill[fill_at] = min(fill[fill_at] + count, length);
}
