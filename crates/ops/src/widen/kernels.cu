// Between gradients of $T and of float. Halves are converted by hand, because the header for them
// comes with a toolkit, and this is compiled where the program runs.

typedef unsigned short __half;

__device__ float wide(__half x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
}

__device__ float wide(float x) { return x; }

__device__ float wide(double x) { return (float)x; }

__device__ void store(float x, __half *to) {
    unsigned short y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    *to = y;
}

__device__ void store(float x, float *to) { *to = x; }

__device__ void store(float x, double *to) { *to = x; }

extern "C" __global__ void widen(const size_t len, const $T *from, float *to) {
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) to[i] = wide(from[i]);
}

extern "C" __global__ void add_narrowed(const size_t len, const float *from, $T *to) {
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) store(wide(to[i]) + from[i], to + i);
}
