/* The functions that kernels of the OpenCL back end call. The compiler puts this text ahead of
 * their code. */

/* floor_div returns the quotient rounded down, and floor_mod its remainder. They take a divisor of
 * 0 for 1, because such a division has stopped the run, or its result is left out. */
long floor_mod(long a, long b) {
    b = b == 0 ? 1 : b;
    long r = a % b;
    return r != 0 && (r ^ b) < 0 ? r + b : r;
}

long floor_div(long a, long b) {
    b = b == 0 ? 1 : b;
    long q = a / b, r = a % b;
    return r != 0 && (r ^ b) < 0 ? q - 1 : q;
}

/* Returns 1 if position p of a row of reals comes before position q in ascending or descending
 * order, else 0. Of equal reals the one at the lower position comes first. A NaN comes last in
 * ascending order, and counts as +inf in descending order. Numbers that are no positions of the row
 * come behind all that are. */
int stands_before(const global float *x, int count, int descending, int p, int q) {
    if (p >= count || q >= count) return p < q;
    float a = x[p], b = x[q];
    if (descending) { /* a NaN counts as +inf */
        a = isnan(a) ? INFINITY : a;
        b = isnan(b) ? INFINITY : b;
    }
    if (isnan(a) || isnan(b)) return isnan(a) == isnan(b) ? p < q : isnan(b);
    return a == b ? p < q : (a < b) != descending;
}

/* Returns one of the four words of Philox 4x32-10 for (seed, step, site, element), as a real in
 * [0, 1). The number is the same as that of runtime/random.h. */
float random_unit(uint seed_low, uint seed_high, uint step, uint site, ulong element, int lane) {
    uint4 x = (uint4)((uint)element, (uint)(element >> 32), site, step);
    for (int round = 0; round < 10; round++) {
        x = (uint4)(mul_hi(0xCD9E8D57u, x.s2) ^ x.s1 ^ seed_low, 0xCD9E8D57u * x.s2,
                    mul_hi(0xD2511F53u, x.s0) ^ x.s3 ^ seed_high, 0xD2511F53u * x.s0);
        seed_low += 0x9E3779B9u;
        seed_high += 0xBB67AE85u;
    }
    uint word = lane == 0 ? x.s0 : lane == 1 ? x.s1 : lane == 2 ? x.s2 : x.s3;
    return (float)(word >> 8) * 5.9604644775390625e-8f;
}
