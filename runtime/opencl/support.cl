/* The kernels of the runtime itself. An array is given as an allocation, and the place of its first
 * element there. */

/* health raises *worst to 1 if an element of x is infinite, and to 2 if one is a NaN. It leaves a
 * larger *worst as it is. */
kernel void health(const global float *x_in, const ulong x_at, const int count, global int *worst) {
    const global float *x = x_in + x_at;
    int found = 0;
    for (int i = get_global_id(0); i < count; i += get_global_size(0))
        found = max(found, isnan(x[i]) ? 2 : isinf(x[i]) ? 1 : 0);
    if (found) atomic_max(worst, found);
}

/* rows copies row i of `from` to row numbers[i] of `to`. A work-item for each byte of a row walks
 * the rows in order, so of several rows with one number the last stays. */
kernel void rows(global uchar *to, const ulong to_at, const global uchar *from, const ulong from_at,
                 const global int *numbers, const ulong numbers_at, const int count,
                 const int row_bytes) {
    const int byte = get_global_id(0);
    if (byte >= row_bytes) return;
    for (int i = 0; i < count; i++)
        to[to_at + (ulong)numbers[numbers_at + i] * row_bytes + byte] =
            from[from_at + (ulong)i * row_bytes + byte];
}

/* gather copies row numbers[i] of `from` to row i of `to`, with a work-item for each byte. */
kernel void gather(global uchar *to, const ulong to_at, const global uchar *from,
                   const ulong from_at, const global int *numbers, const ulong numbers_at,
                   const int count, const int row_bytes) {
    const ulong at = get_global_id(0), row = at / row_bytes;
    if (row < (ulong)count)
        to[to_at + at] =
            from[from_at + (ulong)numbers[numbers_at + row] * row_bytes + at % row_bytes];
}

/* push copies the rows of `from` into a ring, from row head[0] on. It has a work-item for each byte
 * of them. */
kernel void push(global uchar *ring, const ulong ring_at, const global uchar *from,
                 const ulong from_at, const global int *head, const ulong head_at, const int length,
                 const int count, const int row_bytes) {
    const ulong at = get_global_id(0), row = at / row_bytes;
    if (row < (ulong)count)
        ring[ring_at + (head[head_at] + row) % length * row_bytes + at % row_bytes] =
            from[from_at + at];
}

/* advance moves the head of a ring behind the rows that were pushed, and counts the rows that are
 * filled, up to all of them. */
kernel void advance(global int *head, const ulong head_at, global int *fill, const ulong fill_at,
                    const int count, const int length) {
    if (get_global_id(0) > 0) return;
    head[head_at] = (head[head_at] + count) % length;
    fill[fill_at] = min(fill[fill_at] + count, length);
}
