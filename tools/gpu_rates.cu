/* gpu_rates.cu - what an NVIDIA GPU does at most: products of bfloat16 by cuBLAS, and copies.

   nvcc -O2 -arch=native tools/gpu_rates.cu -o gpu-rates -lcublas
   ./gpu-rates                  two lines of JSON, like those of onebit-bench --json

   tools/gpu_queue.sh tells other figures as shares of these. Products: matrices of 8192 x 8192, sums
   in float32; two floating-point operations each. Copy: 2 GiB to another 2 GiB, read and written
   bytes together. Medians of 5 runs after one that is not counted. */
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 5, TIMES = 10, N = 8192 };
static const size_t MATRIX = (size_t)N * N, COPY = (size_t)2 << 30;

static void stop(const char *what, const char *why) {
    fprintf(stderr, "gpu-rates: %s: %s\n", what, why);
    exit(1);
}

static void cuda(const char *what, cudaError_t e) {
    if (e != cudaSuccess) stop(what, cudaGetErrorString(e));
}

static void *take(size_t bytes) {
    void *p = NULL;
    cuda("memory", cudaMalloc(&p, bytes));
    return p;
}

/* Numbers between -1 and 1. With zeros a GPU takes less power, and so is faster than it is. */
__global__ void fill(__nv_bfloat16 *p, size_t n, unsigned seed) {
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (size_t)gridDim.x * blockDim.x) {
        unsigned x = ((unsigned)i ^ seed) * 2654435761u;
        x = (x ^ x >> 15) * 2246822519u;
        p[i] = __float2bfloat16((float)(x >> 8) * (2.0f / 16777216) - 1);
    }
}

/* One measured thing, so often. */
typedef void work(cublasHandle_t blas, void *to, const void *a, const void *b);

static void multiply(cublasHandle_t blas, void *to, const void *a, const void *b) {
    const float one = 1, none = 0;
    if (cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, N, N, N, &one, a, CUDA_R_16BF, N, b,
                     CUDA_R_16BF, N, &none, to, CUDA_R_16BF, N, CUBLAS_COMPUTE_32F,
                     CUBLAS_GEMM_DEFAULT) != CUBLAS_STATUS_SUCCESS)
        stop("cuBLAS", "cublasGemmEx failed");
}

static void copy(cublasHandle_t blas, void *to, const void *a, const void *b) {
    (void)blas, (void)b;
    cuda("copy", cudaMemcpyAsync(to, a, COPY, cudaMemcpyDeviceToDevice, 0));
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints what a second holds of it; each: of one call. */
static void measure(const char *what, const char *unit, double each, work *body,
                    cublasHandle_t blas, void *to, const void *a, const void *b) {
    double rate[RUNS];
    cudaEvent_t start, end;
    cuda("clock", cudaEventCreate(&start)), cuda("clock", cudaEventCreate(&end));
    for (int run = -1; run < RUNS; run++) {
        float ms = 0;
        cuda("clock", cudaEventRecord(start, 0));
        for (int i = 0; i < TIMES; i++) body(blas, to, a, b);
        cuda("clock", cudaEventRecord(end, 0));
        cuda(what, cudaEventSynchronize(end));
        cuda("clock", cudaEventElapsedTime(&ms, start, end));
        if (run >= 0) rate[run] = each * TIMES / (1e-3 * ms);
    }
    cudaEventDestroy(start), cudaEventDestroy(end);
    qsort(rate, RUNS, sizeof rate[0], by_size);
    printf("{\"what\": \"%s\", \"unit\": \"%s\", \"least\": %.5g, \"median\": %.5g, "
           "\"most\": %.5g, \"runs\": %d}\n",
           what, unit, rate[0], rate[RUNS / 2], rate[RUNS - 1], RUNS);
}

int main(void) {
    cublasHandle_t blas = NULL;
    int devices = 0;
    cudaError_t e = cudaGetDeviceCount(&devices);
    if (e != cudaSuccess || !devices)
        stop("no NVIDIA GPU can be used",
             e != cudaSuccess ? cudaGetErrorString(e) : "none is here");
    void *from = take(COPY), *to = take(COPY);
    __nv_bfloat16 *a = (__nv_bfloat16 *)from, *b = a + MATRIX;
    fill<<<1024, 256>>>(a, 2 * MATRIX, 1);
    cuda("numbers", cudaDeviceSynchronize());
    if (cublasCreate(&blas) != CUBLAS_STATUS_SUCCESS) stop("cuBLAS", "cannot be opened");
    measure("products of bfloat16, 8192^3", "TFLOP/s", 2e-12 * N * N * N, multiply, blas, to, a, b);
    measure("copy memory", "GB/s", 2e-9 * (double)COPY, copy, blas, to, from, NULL);
    cublasDestroy(blas);
    cudaFree(from), cudaFree(to);
    return 0;
}
