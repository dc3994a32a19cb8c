// The machine that translated kernels run on. Registers are unsigned integers
// that hold bits; each instruction says what it takes them for.
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned __int128 u128;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef __int128 s128;

typedef struct {
    u64 start, bytes;
} Range;

// Mirrors `Launch` in the driver.
typedef struct Launch {
    u32 grid[3], block[3], ctaid[3], tid[3];
    u8 *params;
    u64 params_bytes;
    u8 *shared;
    u64 shared_bytes, dynamic_shared;
    const u64 *tables;
    Range *sites;
    void (*find)(struct Launch *, u32 site, u32 line, u64 address, u64 bytes);
    void (*refuse)(struct Launch *, u32 why, u32 line, u64 address, u64 bytes);
    u64 lanes[32];
    u32 present, voters, votes;
    const void *kernel;
} Launch;

enum { SHARED, LOCAL, PARAM, MISALIGNED, TRAP, ASSERTION, UNWRITTEN };
enum { DONE, BLOCK, WARP };

#define INLINE static inline __attribute__((always_inline, unused))
#define RARE static __attribute__((noinline, unused))

// Memory. A site is one instruction's memory of where it last found its allocation.

INLINE void aligned(Launch *L, u32 line, u64 address, u64 bytes) {
    if (__builtin_expect(address & (bytes - 1), 0)) L->refuse(L, MISALIGNED, line, address, bytes);
}

INLINE u8 *at_global(Launch *L, u32 site, u32 line, u64 address, u64 bytes) {
    aligned(L, line, address, bytes);
    Range *r = &L->sites[site];
    if (__builtin_expect(bytes > r->bytes || address - r->start > r->bytes - bytes, 0))
        L->find(L, site, line, address, bytes);
    return (u8 *)address;
}

INLINE u8 *at_window(Launch *L, u32 why, u8 *base, u64 size, u32 line, u64 offset, u64 bytes) {
    aligned(L, line, offset, bytes);
    if (__builtin_expect(bytes > size || offset > size - bytes, 0)) L->refuse(L, why, line, offset, bytes);
    return base + offset;
}

INLINE u8 *at_generic(Launch *L, u8 *local, u64 local_bytes, u32 site, u32 line, u64 address, u64 bytes) {
    if (address - (u64)L->shared < L->shared_bytes)
        return at_window(L, SHARED, L->shared, L->shared_bytes, line, address - (u64)L->shared, bytes);
    if (address - (u64)local < local_bytes)
        return at_window(L, LOCAL, local, local_bytes, line, address - (u64)local, bytes);
    if (address - (u64)L->params < L->params_bytes)
        return at_window(L, PARAM, L->params, L->params_bytes, line, address - (u64)L->params, bytes);
    return at_global(L, site, line, address, bytes);
}

// What a load found must have been written. Halves of the word lie where their address says.
INLINE void written(Launch *L, u32 line, const void *at, u64 value, u64 bytes) {
    u64 unwritten = bytes == 8 ? (u64)POISON << 32 | POISON : bytes == 4 ? POISON : (u16)(POISON >> 8 * ((u64)at & 2));
    if (__builtin_expect(value == unwritten, 0)) L->refuse(L, UNWRITTEN, line, (u64)at, bytes);
}

// Floats. A result that is not a number has the device's one pattern.

INLINE float f32_of(u32 bits) { float x; memcpy(&x, &bits, 4); return x; }
INLINE double f64_of(u64 bits) { double x; memcpy(&x, &bits, 8); return x; }
INLINE float f16_of(u16 bits) { _Float16 x; memcpy(&x, &bits, 2); return (float)x; }
INLINE u32 raw_f32(float x) { u32 bits; memcpy(&bits, &x, 4); return bits; }
INLINE u32 f32_bits(float x) { return x != x ? 0x7fffffffu : raw_f32(x); }
INLINE u64 f64_bits(double x) { u64 bits; memcpy(&bits, &x, 8); return bits; }
INLINE u16 f16_bits(float x) { if (x != x) return 0x7fff; _Float16 h = (_Float16)x; u16 bits; memcpy(&bits, &h, 2); return bits; }
// For values that an f32 would round first.
INLINE u16 f16_bits_wide(double x) { if (x != x) return 0x7fff; _Float16 h = (_Float16)x; u16 bits; memcpy(&bits, &h, 2); return bits; }

INLINE float flush_f32(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }
INLINE float flush_f16(float x) { return fabsf(x) < 0x1p-14f ? copysignf(0, x) : x; }
INLINE double flush_f64(double x) { return x; }
INLINE double saturate(double x) { return x > 0 ? (x < 1 ? x : 1) : 0; }

#define EXTREMES(T, C)                                                                     \
    INLINE C min_##T(C a, C b) { return a != a ? b : b != b ? a : a < b || (a == b && signbit(a)) ? a : b; } \
    INLINE C max_##T(C a, C b) { return a != a ? b : b != b ? a : a > b || (a == b && !signbit(a)) ? a : b; } \
    INLINE C min_nan_##T(C a, C b) { return a != a || b != b ? (C)NAN : min_##T(a, b); }   \
    INLINE C max_nan_##T(C a, C b) { return a != a || b != b ? (C)NAN : max_##T(a, b); }
EXTREMES(f16, float)
EXTREMES(f32, float)
EXTREMES(f64, double)

// The exact value `sum + rest` to an f32 towards zero, down or up.
// `rest` is what rounding `sum` to f64 left out, so that it only decides ties.
INLINE float directed(double sum, double rest, char way) {
    float near = (float)sum;
    int high = near > sum || (near == sum && rest < 0);
    int low = near < sum || (near == sum && rest > 0);
    if (way == 'z') way = sum > 0 ? 'm' : 'p';
    if (way == 'm' && high) return nextafterf(near, -INFINITY);
    if (way == 'p' && low) return nextafterf(near, INFINITY);
    return near;
}
INLINE float fma_directed(float a, float b, float c, char way) {
    double product = (double)a * b, sum = product + c, part = sum - product;
    double rest = (product - (sum - part)) + (c - part);
    return directed(sum, rest, way);
}

// Floats to integers: towards the nearest limit, and 0 for what is not a number.
#define FLOAT_TO(T, LOW, HIGH)                                                             \
    INLINE T to_##T(double x) { return x != x ? 0 : x <= (double)LOW ? LOW : x >= (double)HIGH ? HIGH : (T)x; }
FLOAT_TO(s8, INT8_MIN, INT8_MAX)
FLOAT_TO(s16, INT16_MIN, INT16_MAX)
FLOAT_TO(s32, INT32_MIN, INT32_MAX)
FLOAT_TO(s64, INT64_MIN, INT64_MAX)
FLOAT_TO(u8, 0, UINT8_MAX)
FLOAT_TO(u16, 0, UINT16_MAX)
FLOAT_TO(u32, 0, UINT32_MAX)
FLOAT_TO(u64, 0, UINT64_MAX)

INLINE u32 ex2_approx(float x) { return f32_bits((float)exp2((double)x)); }
INLINE u32 lg2_approx(float x) { return f32_bits((float)log2((double)x)); }
INLINE double short_f64(double x) { return f64_of(f64_bits(x) & 0xffffffff00000000ull); }

// Integers. Shifts stop at the width, and a division by zero gives all ones.

#define UNSIGNED(N)                                                                        \
    INLINE u##N shl_##N(u##N a, u32 n) { return n >= N ? 0 : (u##N)(a << n); }             \
    INLINE u##N shr_u##N(u##N a, u32 n) { return n >= N ? 0 : (u##N)(a >> n); }            \
    INLINE s##N shr_s##N(s##N a, u32 n) { return (s##N)(a >> (n >= N ? N - 1 : n)); }      \
    INLINE u##N div_u##N(u##N a, u##N b) { return b ? (u##N)(a / b) : (u##N)-1; }          \
    INLINE u##N rem_u##N(u##N a, u##N b) { return b ? (u##N)(a % b) : a; }                 \
    INLINE s##N div_s##N(s##N a, s##N b) { return !b ? -1 : b == -1 ? (s##N)(0 - (u##N)a) : (s##N)(a / b); } \
    INLINE s##N rem_s##N(s##N a, s##N b) { return !b ? a : b == -1 ? 0 : (s##N)(a % b); }
UNSIGNED(16)
UNSIGNED(32)
UNSIGNED(64)

INLINE u64 mask(u32 length) { return length >= 64 ? ~0ull : (1ull << length) - 1; }
INLINE u64 bfi(u64 a, u64 b, u32 start, u32 length, u32 width) {
    start &= 255, length &= 255;
    if (start >= width) return b;
    u64 field = mask(length) << start;
    return (b & ~field) | ((a << start) & field);
}
INLINE u64 bfe(u64 a, u32 start, u32 length, u32 width, int sign) {
    start &= 255, length &= 255;
    if (!length) return 0;
    u32 top = start + length - 1 < width - 1 ? start + length - 1 : width - 1;
    u64 fill = sign && (a >> top & 1) ? ~0ull : 0;
    if (start >= width) return fill;
    u32 kept = top - start + 1;
    return ((a >> start) & mask(kept)) | (fill & ~mask(kept));
}
INLINE u32 prmt(u32 a, u32 b, u32 selector) {
    u64 bytes = (u64)b << 32 | a;
    u32 d = 0;
    for (int i = 0; i < 4; i++) {
        u32 pick = selector >> 4 * i & 15;
        u8 byte = bytes >> 8 * (pick & 7);
        if (pick & 8) byte = (s8)byte >> 7;
        d |= (u32)byte << 8 * i;
    }
    return d;
}
INLINE u32 lop3(u32 a, u32 b, u32 c, u32 table) {
    u32 d = 0;
    for (int i = 0; i < 8; i++)
        if (table >> i & 1) d |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return d;
}
INLINE u32 clz_32(u32 a) { return a ? __builtin_clz(a) : 32; }
INLINE u32 clz_64(u64 a) { return a ? __builtin_clzll(a) : 64; }
INLINE u64 brev(u64 a, u32 width) {
    u64 d = 0;
    for (u32 i = 0; i < width; i++) d |= (a >> i & 1) << (width - 1 - i);
    return d;
}

// Warps. `lanes` holds what each lane gave when the warp met.

INLINE u32 lane_of(const Launch *L, const u32 *tid) {
    return (tid[0] + L->block[0] * (tid[1] + L->block[1] * tid[2])) & 31;
}
INLINE u32 warp_of(const Launch *L, const u32 *tid) {
    return (tid[0] + L->block[0] * (tid[1] + L->block[1] * tid[2])) >> 5;
}
INLINE u32 shuffle(const Launch *L, char way, u32 lane, u32 own, u32 b, u32 c, u32 *valid) {
    u32 segment = c >> 8 & 31, clamp = c & 31, low = lane & segment, top = low | (clamp & ~segment);
    u32 from;
    b &= 31;
    switch (way) {
    case 'u': from = lane - b, *valid = (s32)from >= (s32)top; break;
    case 'd': from = lane + b, *valid = from <= top; break;
    case 'b': from = lane ^ b, *valid = from <= top; break;
    default: from = low | (b & ~segment), *valid = from <= top; break;
    }
    if (!*valid) return own;
    return (u32)L->lanes[from & 31];
}
INLINE u32 ballot(const Launch *L, u32 members) {
    u32 votes = 0;
    for (u32 i = 0; i < 32; i++)
        if ((members & L->present) >> i & 1) votes |= (u32)(L->lanes[i] & 1) << i;
    return votes;
}
