/* onebit_cuda.h - the ops of onebit.h on an NVIDIA GPU.
   SPDX-License-Identifier: MIT

   Include it in the file that holds the implementation, which nvcc compiles:

       #define ONEBIT_IMPLEMENTATION
       #include "onebit_cuda.h"                    (instead of onebit.h, which it includes)

       nvcc -O3 -arch=native -x cu program.c -o program -lcublas

   (without -arch nvcc compiles for 7.5, and attention then is float32)

   and give trainers, models and sessions an env with a device; all else stays as it is:

       onebit_env env = onebit_env_default();
       if (onebit_cuda_open(&env.device, 0) != ONEBIT_OK) puts(onebit_error_text());
       onebit_trainer_create(&trainer, &config, &options, &env);
       ...
       onebit_cuda_free(env.device);               after all that was created with it

   CONTENTS (search for the tag)
     >>device     memory, launches and their failures, the pass that is sent as a whole
     >>product    matrices of codes for cuBLAS, and the products
     >>linear     decoding from packed weights; linear layers forth and back
     >>rows       norms, quantisers, embedding, activation, loss: one row a block
     >>attention  RoPE, cache, attention forth and back
     >>optimizer  AdamW, Muon, sums of squares
     >>table      the rows of onebit_backend, in the order of onebit.h

   NUMERICS  Codes times codes are exact: int8 inputs and weights of at most 8 bits are whole
   numbers in bfloat16, whose products are exact in float32, and so are their sums below 2^24:
   ternary and binary layers of up to 132,104 inputs whatever the numbers, 8-bit ones of up to 1,040
   (more only round the last place, when all products have one sign). So tensor cores run the linear
   layers forward without a rounding of their own, and decoding adds whole numbers by __dp4a.
   Gradients, and attention while training, are products of bfloat16 with float32 sums
   (backward_bits 16) or of float32 (32); matrices of floats, blended ones of annealing, and groups
   of inputs with a scale each are products of float32. Latents, moments and the residual stream are
   float32. There are no atomic sums of floats: one seed gives one result, bit for bit, on one kind
   of GPU and one version of cuBLAS.
   MEMORY    is managed (cudaMallocManaged): the CPU reads and writes it between ops, so saving,
   reports and looking at weights have no code of their own here. Passes move only tokens, losses
   and logits, through pinned memory.
   Needs compute capability 7.5; bfloat16 products need 8.0 and are float32 below. */
#ifndef ONEBIT_CUDA_H
#define ONEBIT_CUDA_H

#if defined(__CUDACC__)
#include <cublas_v2.h>
#include <cuda_runtime.h>
#elif !defined(ONEBIT_CUDA_ON_CPU)
#error "onebit_cuda.h is compiled by nvcc: nvcc -O3 -x cu program.c -lcublas"
#endif

#if defined(ONEBIT_H)
#error "include onebit_cuda.h instead of onebit.h, not after it"
#endif
#define OB_BOTH __host__ __device__
/* nvcc's own front end does not know pragmas that the host compiler reads. */
#if defined(__CUDACC__)
#pragma nv_diag_suppress 1675, 550
#endif
#include "onebit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens GPU number index (from 0, as CUDA counts them) for one thread at a time. Takes 64 MB of it
   for cuBLAS. ONEBIT_UNSUPPORTED when there is none, or it cannot do what is needed; the error text
   says what CUDA said. */
ONEBIT_API onebit_status onebit_cuda_open(onebit_device **out, int index);

/* Closes it, when everything that was created with it is gone. NULL is fine. */
ONEBIT_API void onebit_cuda_free(onebit_device *device);

/* Its name, capability and memory as one line, for people: "NVIDIA H200 (compute 9.0, 139.8 GiB)".
   Lives as long as the device. */
ONEBIT_API const char *onebit_cuda_name(const onebit_device *device);

#ifdef __cplusplus
}
#endif
#endif /* ONEBIT_CUDA_H */

#if defined(ONEBIT_IMPLEMENTATION) && !defined(OB_CUDA_IMPLEMENTED)
#define OB_CUDA_IMPLEMENTED

/* =================================================================================================
   1 >>device   memory, launches and their failures, the pass that is sent as a whole.
   ============================================================================================== */

#define OB_CUDA_PINNED ((size_t)1 << 20)  /* bytes of a staging buffer; there are two */
#define OB_CUDA_BLAS   ((size_t)64 << 20) /* cuBLAS' work memory; it asks for 32 MiB on 9.0 */
#define OB_CUDA_MARGIN ((size_t)64 << 20) /* left free, for CUDA's own needs */
#define OB_CUDA_LANES  0xffffffffu        /* of a warp, all of them */

/* What a pass over one token is, see ob_cuda_begin. */
enum { OB_CUDA_SEND, OB_CUDA_RECORD, OB_CUDA_REPEAT };

/* A GPU, and what ops need of it. */
typedef struct ob_cuda {
    onebit_device base; /* first: a pointer to it is one to the whole */
    char name[200];
    int index, half, tensor, shared; /* half: cuBLAS multiplies bfloat16; tensor: our kernels do;
                                        shared: the CPU may touch memory while ops run on other
                                        parts of it */
    cudaStream_t stream;
    cublasHandle_t blas;
    void *blas_work;
    /* the first failure, and what was launched last */
    int failed;
    char what[200];
    const char *op;
    /* tokens on their way in, and results on their way out */
    uint8_t *pinned[2];
    cudaEvent_t sent[2];
    int next;
    /* the pass of `owner` over one token, as it was recorded */
    int pass;
    const ob_exec *owner;
    cudaGraphExec_t graph;
    int *at; /* on the device: position of that token */
} ob_cuda;

/* The device behind an exec. */
static ob_cuda *ob_cuda_of(const ob_exec *x) { return (ob_cuda *)(void *)x->env.device; }

/* Whether cuBLAS, and whether our own kernels multiply bfloat16. */
static int ob_cuda_half(const ob_exec *x) { return ob_cuda_of(x)->half; }
static int ob_cuda_tensor(const ob_exec *x) { return ob_cuda_of(x)->tensor; }

/* Remembers the first failure; later ones follow from it. */
static void ob_cuda_fail(ob_cuda *c, const char *op, const char *why) {
    if (c->failed) return;
    c->failed = 1;
    ob_print(c->what, sizeof c->what, "%s: %s", op, why);
}

/* 1 when a call of the runtime went well. */
static int ob_cuda_ok(ob_cuda *c, const char *op, cudaError_t error) {
    if (error != cudaSuccess) ob_cuda_fail(c, op, cudaGetErrorString(error));
    return error == cudaSuccess;
}

/* 1 when something may be launched: nothing has failed, and no pass is being repeated, whose ops
   were recorded. */
static int ob_cuda_ready(const ob_cuda *c) { return !c->failed && c->pass != OB_CUDA_REPEAT; }

/* After every launch. Errors of a kernel show at the next wait; its name is kept for that. Where
   the CPU may not touch memory beside running ops, this waits. */
static void ob_cuda_launched(ob_cuda *c, const char *op) {
    c->op = op;
    if (!ob_cuda_ok(c, op, cudaGetLastError())) return;
    if (!c->shared && c->pass == OB_CUDA_SEND) ob_cuda_ok(c, op, cudaStreamSynchronize(c->stream));
}

/* Launches a kernel on the exec's stream. kernel stands in parentheses when its name has a comma,
   args always. */
#if defined(ONEBIT_CUDA_ON_CPU)
#define OB_CUDA_START(kernel, blocks, threads, shared, stream, args)                               \
    ob_shim_launch(#kernel, blocks, threads, shared, stream, ob_shim_bind(kernel) args)
#else
#define OB_CUDA_START(kernel, blocks, threads, shared, stream, args)                               \
    kernel<<<blocks, threads, shared, stream>>> args
#define OB_CUDA_DYNAMIC(type, name)                                                                \
    extern __shared__ __align__(16) unsigned char ob_cuda_dynamic[];                               \
    type *name = (type *)(void *)ob_cuda_dynamic
#endif
#define OB_CUDA_LAUNCH(x, op, kernel, blocks, threads, shared, args)                               \
    do {                                                                                           \
        ob_cuda *ob_cuda_here = ob_cuda_of(x);                                                     \
        if (ob_cuda_ready(ob_cuda_here)) {                                                         \
            OB_CUDA_START(kernel, blocks, threads, shared, ob_cuda_here->stream, args);            \
            ob_cuda_launched(ob_cuda_here, op);                                                    \
        }                                                                                          \
    } while (0)

/* Blocks of so many threads for n things, at most 2^30: kernels go on from there in strides. */
static int ob_cuda_blocks(size_t n, int threads) {
    size_t blocks = (n + (size_t)threads - 1) / (size_t)threads;
    return (int)(blocks < 1 ? 1 : blocks > (size_t)1 << 20 ? (size_t)1 << 20 : blocks);
}

/* Blocks and the loop for n rows of d numbers: blockIdx.x is the row, blockIdx.y a part of its
   columns, so that no thread divides to find its place. */
static dim3 ob_cuda_row_blocks(size_t n, int d) {
    unsigned parts = (unsigned)(d + 1023) / 1024;
    return dim3((unsigned)n, parts < 1 ? 1 : parts > 1024 ? 1024 : parts, 1);
}
#define OB_CUDA_COLUMNS(i, d)                                                                      \
    for (int i = (int)(blockIdx.y * blockDim.x + threadIdx.x); i < (d);                            \
         i += (int)(gridDim.y * blockDim.x))

/* The loop of a kernel over n things. */
#define OB_CUDA_EACH(i, n)                                                                         \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                        \
         i += (size_t)gridDim.x * blockDim.x)

/* Bytes free for alloc. */
static size_t ob_cuda_left(onebit_device *device) {
    ob_cuda *c = (ob_cuda *)(void *)device;
    size_t room = 0, all = 0;
    if (!ob_cuda_ok(c, "memory", cudaMemGetInfo(&room, &all))) return 0;
    return room > OB_CUDA_MARGIN ? room - OB_CUDA_MARGIN : 0;
}

/* Managed memory could be more than the GPU has, and would then move to and fro at a hundredth of
   the speed: what does not fit is refused, so that the caller can say it beforehand. */
static void *ob_cuda_alloc(onebit_device *device, size_t bytes) {
    ob_cuda *c = (ob_cuda *)(void *)device;
    void *block = NULL;
    if (c->failed || bytes > ob_cuda_left(device)) return NULL;
    if (cudaMallocManaged(&block, bytes, cudaMemAttachGlobal) != cudaSuccess) {
        cudaGetLastError(); /* too little memory is no failure of the device */
        return NULL;
    }
    ob_cuda_ok(c, "alloc", cudaMemsetAsync(block, 0, bytes, c->stream));
    ob_cuda_ok(c, "alloc", cudaStreamSynchronize(c->stream));
    return block;
}

/* A recorded pass may have used the block. */
static void ob_cuda_forget(ob_cuda *c) {
    if (c->graph) ob_cuda_ok(c, "graph", cudaGraphExecDestroy(c->graph));
    c->graph = NULL, c->owner = NULL;
}

static void ob_cuda_release(onebit_device *device, void *block) {
    ob_cuda *c = (ob_cuda *)(void *)device;
    cudaStreamSynchronize(c->stream);
    ob_cuda_forget(c);
    ob_cuda_ok(c, "free", cudaFree(block));
}

/* Pages that the CPU wrote go back at once, and not one by one when ops meet them. */
static void ob_cuda_settle(onebit_device *device, const void *from, size_t bytes) {
    ob_cuda *c = (ob_cuda *)(void *)device;
    if (c->failed || !c->shared) return;
#if CUDART_VERSION >= 13000
    cudaMemLocation here;
    memset(&here, 0, sizeof here);
    here.type = cudaMemLocationTypeDevice, here.id = c->index;
    ob_cuda_ok(c, "settle", cudaMemPrefetchAsync(from, bytes, here, 0, c->stream));
#else
    ob_cuda_ok(c, "settle", cudaMemPrefetchAsync(from, bytes, c->index, c->stream));
#endif
}

/* The first failure stays: what came after it is not to be trusted. */
static onebit_status ob_cuda_wait(onebit_device *device) {
    ob_cuda *c = (ob_cuda *)(void *)device;
    if (!c->failed) ob_cuda_ok(c, c->op, cudaStreamSynchronize(c->stream));
    if (c->failed) return ob_fail(ONEBIT_DEVICE, "%s: %s", c->name, c->what);
    return ONEBIT_OK;
}

/* ---- Memory ops ---- */

/* In pieces through two pinned buffers: while one is on its way the other is filled, and the
   caller's array is free when this returns. */
static void ob_cuda_place(const ob_exec *x, void *to, const void *from, size_t bytes) {
    ob_cuda *c = ob_cuda_of(x);
    size_t at, n;
    for (at = 0; at < bytes && ob_cuda_ready(c); at += n) {
        int i = c->next;
        c->next = 1 - i;
        n = bytes - at < OB_CUDA_PINNED ? bytes - at : OB_CUDA_PINNED;
        if (!ob_cuda_ok(c, "place", cudaEventSynchronize(c->sent[i]))) return;
        memcpy(c->pinned[i], (const uint8_t *)from + at, n);
        ob_cuda_ok(
            c, "place",
            cudaMemcpyAsync((uint8_t *)to + at, c->pinned[i], n, cudaMemcpyDefault, c->stream));
        ob_cuda_ok(c, "place", cudaEventRecord(c->sent[i], c->stream));
    }
}

/* Through a pinned buffer as well: `to` may lie in managed memory that the CPU holds, and a copy
   between two pieces of that would pull it over. */
static void ob_cuda_fetch(const ob_exec *x, void *to, const void *from, size_t bytes) {
    ob_cuda *c = ob_cuda_of(x);
    size_t at, n;
    for (at = 0; at < bytes && ob_cuda_ready(c); at += n) {
        n = bytes - at < OB_CUDA_PINNED ? bytes - at : OB_CUDA_PINNED;
        if (!ob_cuda_ok(c, "fetch", cudaEventSynchronize(c->sent[0]))) return;
        ob_cuda_ok(c, "fetch",
                   cudaMemcpyAsync(c->pinned[0], (const uint8_t *)from + at, n, cudaMemcpyDefault,
                                   c->stream));
        if (!ob_cuda_ok(c, c->op, cudaStreamSynchronize(c->stream))) return;
        memcpy((uint8_t *)to + at, c->pinned[0], n);
    }
}

static void ob_cuda_copy(const ob_exec *x, void *to, const void *from, size_t bytes) {
    ob_cuda *c = ob_cuda_of(x);
    if (ob_cuda_ready(c) && bytes)
        ob_cuda_ok(c, "copy", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, c->stream));
}

static void ob_cuda_clear(const ob_exec *x, void *to, size_t bytes) {
    ob_cuda *c = ob_cuda_of(x);
    if (ob_cuda_ready(c) && bytes) ob_cuda_ok(c, "clear", cudaMemsetAsync(to, 0, bytes, c->stream));
}

/* ---- A pass over one token, as a whole ---- */
/* Decoding launches some 15 kernels a layer, each of a few microseconds, which is what a launch
   takes too. The first pass of a session is recorded and sent as one graph; those after it repeat
   the graph. Only the position changes from pass to pass: kernels read it from c->at. */

/* Where kernels of a recorded pass find the position; NULL = what the op was given counts. */
static const int *ob_cuda_at(const ob_exec *x) {
    const ob_cuda *c = ob_cuda_of(x);
    return c->pass == OB_CUDA_SEND ? NULL : c->at;
}

static void ob_cuda_begin(const ob_exec *x, int start) {
    ob_cuda *c = ob_cuda_of(x);
    int32_t at = start;
    ob_cuda_place(x, c->at, &at, sizeof at);
    if (c->failed || !c->shared) return; /* without shared memory nothing may run unwatched */
    if (c->owner == x && c->graph) {
        c->pass = OB_CUDA_REPEAT;
        return;
    }
    ob_cuda_forget(c);
    if (ob_cuda_ok(c, "graph", cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal)))
        c->pass = OB_CUDA_RECORD;
}

/* Turns what was recorded into c->graph. */
static void ob_cuda_recorded(ob_cuda *c, const ob_exec *x) {
    cudaGraph_t graph = NULL;
    if (!ob_cuda_ok(c, "graph", cudaStreamEndCapture(c->stream, &graph)) || !graph) return;
#if CUDART_VERSION >= 12000
    if (ob_cuda_ok(c, "graph", cudaGraphInstantiate(&c->graph, graph, 0))) c->owner = x;
#else
    if (ob_cuda_ok(c, "graph", cudaGraphInstantiateWithFlags(&c->graph, graph, 0))) c->owner = x;
#endif
    ob_cuda_ok(c, "graph", cudaGraphDestroy(graph));
}

static void ob_cuda_end(const ob_exec *x) {
    ob_cuda *c = ob_cuda_of(x);
    int pass = c->pass;
    c->pass = OB_CUDA_SEND;
    if (pass == OB_CUDA_SEND) return;
    if (pass == OB_CUDA_RECORD) ob_cuda_recorded(c, x);
    if (!c->failed) ob_cuda_ok(c, "graph", cudaGraphLaunch(c->graph, c->stream));
}

/* There is nothing to tell: tools that watch a GPU see its kernels by name. */
static void ob_cuda_layer(const ob_exec *x, int number) { (void)x, (void)number; }

/* ---- Sums over a warp and over a block ---- */
/* In fixed order: lanes by halves, then warps one after the other. */

static __device__ __forceinline__ float ob_cuda_warp_sum(float v) {
    for (int n = 16; n > 0; n /= 2) v += __shfl_xor_sync(OB_CUDA_LANES, v, n);
    return v;
}

static __device__ __forceinline__ int ob_cuda_warp_sum(int v) {
    for (int n = 16; n > 0; n /= 2) v += __shfl_xor_sync(OB_CUDA_LANES, v, n);
    return v;
}

/* A NaN is never more. */
static __device__ __forceinline__ float ob_cuda_warp_max(float v) {
    for (int n = 16; n > 0; n /= 2) {
        float other = __shfl_xor_sync(OB_CUDA_LANES, v, n);
        v = other > v ? other : v;
    }
    return v;
}

/* Of all threads of a block, in all of them; room [32], which may be used again at once. T float,
   int or double. */
template <class T> static __device__ __forceinline__ T ob_cuda_block_sum(T v, T *room) {
    int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, i;
    for (i = 16; i > 0; i /= 2) v += __shfl_xor_sync(OB_CUDA_LANES, v, i);
    if (lane == 0) room[warp] = v;
    __syncthreads();
    v = room[0];
    for (i = 1; i < (int)blockDim.x / 32; i++) v += room[i];
    __syncthreads();
    return v;
}

static __device__ __forceinline__ float ob_cuda_block_max(float v, float *room) {
    int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, i;
    v = ob_cuda_warp_max(v);
    if (lane == 0) room[warp] = v;
    __syncthreads();
    v = room[0];
    for (i = 1; i < (int)blockDim.x / 32; i++) v = room[i] > v ? room[i] : v;
    __syncthreads();
    return v;
}

/* Threads of a block for a row of d: whole warps, at most 256. */
static int ob_cuda_row_threads(int d) {
    int threads = (d + 31) / 32 * 32;
    return threads > 256 ? 256 : threads;
}

/* ---- bfloat16 ---- */

/* Two numbers as a word, the first in the low half, rounded half to even. */
static __device__ __forceinline__ uint32_t ob_cuda_pair(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#else
    return ob_bf16(low) | ob_bf16(high) << 16;
#endif
}

/* A 16 x 8 tile: c += a b over 16 pairs' halves, in the fragments of PTX mma.m16n8k16: lane 4 g + t
   has of a rows g and g + 8, columns 2t, 2t + 1 and 8 more; of b the same of column g; of c rows g
   and g + 8, columns 2t, 2t + 1. Below 8.0 lanes ask each other for the numbers. */
static __device__ __forceinline__ void ob_cuda_mma(float c[4], const uint32_t a[4],
                                                   const uint32_t b[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    int lane = (int)threadIdx.x % 32, g = lane / 4, t = lane % 4, p, i;
    for (p = 0; p < 8; p++) {
        int second = p / 4, from = p % 4; /* pair p of k lies in this register of these lanes */
        uint32_t row[2], col[2];
        row[0] = __shfl_sync(OB_CUDA_LANES, a[2 * second], 4 * g + from);
        row[1] = __shfl_sync(OB_CUDA_LANES, a[2 * second + 1], 4 * g + from);
        col[0] = __shfl_sync(OB_CUDA_LANES, b[second], 4 * (2 * t) + from);
        col[1] = __shfl_sync(OB_CUDA_LANES, b[second], 4 * (2 * t + 1) + from);
        for (i = 0; i < 4; i++) {
            c[i] += ob_bits_float(row[i / 2] << 16) * ob_bits_float(col[i % 2] << 16);
            c[i] +=
                ob_bits_float(row[i / 2] & 0xffff0000u) * ob_bits_float(col[i % 2] & 0xffff0000u);
        }
    }
#endif
}

/* =================================================================================================
   2 >>product   matrices of codes for cuBLAS, and the products.
   ============================================================================================== */

/* An operand of a product, rows of ld numbers; turned: it is read by columns. */
typedef struct ob_cuda_operand {
    const void *p;
    int ld, turned;
} ob_cuda_operand;

static ob_cuda_operand ob_cuda_plain(const void *p, int ld) {
    ob_cuda_operand o = {p, ld, 0};
    return o;
}

static ob_cuda_operand ob_cuda_turned(const void *p, int ld) {
    ob_cuda_operand o = {p, ld, 1};
    return o;
}

/* c [M][N], rows ldc apart, = add * c + a [M][K] b [K][N]; half: a and b are bfloat16, else float32
   (never TF32, which would drop 13 bits of them). cuBLAS counts along columns, so it is asked for
   the turned product b' a'. */
static void ob_cuda_product(const ob_exec *x, const char *op, float *c, int ldc, ob_cuda_operand a,
                            ob_cuda_operand b, int M, int N, int K, int half, int add) {
    ob_cuda *d = ob_cuda_of(x);
    cudaDataType type = half ? CUDA_R_16BF : CUDA_R_32F;
    float one = 1.0f, old = add ? 1.0f : 0.0f;
    cublasStatus_t status;
    if (!ob_cuda_ready(d) || M < 1 || N < 1) return;
    status =
        cublasGemmEx(d->blas, b.turned ? CUBLAS_OP_T : CUBLAS_OP_N,
                     a.turned ? CUBLAS_OP_T : CUBLAS_OP_N, N, M, K, &one, b.p, type, b.ld, a.p,
                     type, a.ld, &old, c, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    if (status != CUBLAS_STATUS_SUCCESS) ob_cuda_fail(d, op, cublasGetStatusString(status));
    else ob_cuda_launched(d, op);
}

/* Work memory of one op, from its start each time: ops follow each other on one stream. */
typedef struct ob_cuda_room {
    uint8_t *p;
    size_t left;
} ob_cuda_room;

static ob_cuda_room ob_cuda_enter(const ob_exec *x) {
    ob_cuda_room r;
    r.p = x->work, r.left = x->work_bytes;
    return r;
}

/* The next piece; what there must be follows from ob_cuda_work_bytes. */
static void *ob_cuda_take(ob_cuda_room *r, size_t bytes) {
    void *p = r->p;
    bytes = ob_round_up(bytes, 256);
    bytes = bytes < r->left ? bytes : r->left;
    r->p += bytes, r->left -= bytes;
    return p;
}

/* ---- Packed codes ---- */
/* A word of a 64-byte group holds `columns` codes of one row, four to a plane, byte by byte. Stored
   codes count from 0: code = f * stored - bias. */

template <int FORMAT> struct ob_cuda_format;
template <> struct ob_cuda_format<OB_Q8X16> {
    enum { PLANES = 1, FACTOR = 1, BIAS = 0 };
};
template <> struct ob_cuda_format<OB_T2X16> {
    enum { PLANES = 4, FACTOR = 1, BIAS = 1 };
};
template <> struct ob_cuda_format<OB_B1X16> {
    enum { PLANES = 8, FACTOR = 2, BIAS = 1 };
};
template <> struct ob_cuda_format<OB_T5X16> {
    enum { PLANES = 5, FACTOR = 1, BIAS = 1 };
};

/* The table of t5x16 in shared memory: five trits of a byte, two bits each. Bytes beyond 242 are
   five zeros, stored as 1. All threads of the block; a barrier must follow. */
static __device__ __forceinline__ void ob_cuda_trits(uint16_t *table) {
    for (int b = (int)threadIdx.x; b < 256; b += (int)blockDim.x) {
        int left = b > 242 ? 121 : b, trits = 0;
        for (int i = 0; i < 5; i++, left /= 3) trits |= left % 3 << 2 * i;
        table[b] = (uint16_t)trits;
    }
}

/* A word made ready for ob_cuda_plane. */
template <int FORMAT>
static __device__ __forceinline__ void ob_cuda_unfold(uint32_t out[2], uint32_t word,
                                                      const uint16_t *trits) {
    out[0] = word, out[1] = 0;
    if (FORMAT != OB_T5X16) return;
    out[0] = trits[word & 255u] | (uint32_t)trits[word >> 8 & 255u] << 16;
    out[1] = trits[word >> 16 & 255u] | (uint32_t)trits[word >> 24] << 16;
}

/* The four stored codes of plane p, a byte each. */
template <int FORMAT>
static __device__ __forceinline__ uint32_t ob_cuda_plane(const uint32_t word[2], int p) {
    if (FORMAT == OB_T2X16) return word[0] >> 2 * p & 0x03030303u;
    if (FORMAT == OB_B1X16) return word[0] >> p & 0x01010101u;
    if (FORMAT == OB_T5X16) {
        uint32_t a = word[0] >> 2 * p & 0x00030003u, b = word[1] >> 2 * p & 0x00030003u;
        return ((a | a >> 8) & 0x0303u) | ((b | b >> 8) & 0x0303u) << 16;
    }
    return word[0];
}

/* Code j of a plane. */
template <int FORMAT> static __device__ __forceinline__ int ob_cuda_code(uint32_t plane, int j) {
    typedef ob_cuda_format<FORMAT> F;
    if (FORMAT == OB_Q8X16) return (int8_t)(plane >> 8 * j & 255u);
    return (int)(plane >> 8 * j & 255u) * F::FACTOR - F::BIAS;
}

/* A number of a matrix of floats in blocks of 16 rows. */
static __device__ __forceinline__ float ob_cuda_number(const uint8_t *block, int format, int row,
                                                       int col) {
    size_t at = (size_t)col * 16 + (size_t)row;
    if (format == OB_F32X16) return ((const float *)(const void *)block)[at];
    return ob_half(((const uint16_t *)(const void *)block)[at]);
}

/* Where an unpacked number goes: float, or bfloat16, in which codes are exact. */
static __device__ __forceinline__ void ob_cuda_put_number(float *to, float v) { *to = v; }
static __device__ __forceinline__ void ob_cuda_put_number(uint16_t *to, float v) {
    *to = (uint16_t)(ob_float_bits(v) >> 16);
}

/* What unpacking needs to know of a matrix: rows [from, from + rows) become [rows][cols]. scale not
   NULL: numbers are multiplied by the scale of their group. */
struct ob_cuda_source {
    const uint8_t *data;
    const float *scale;
    size_t block_bytes;
    int format, from, rows, cols, group, groups; /* groups: of scales, in a row */
};

/* One word: up to 32 columns of a row. */
template <int FORMAT, class N>
static __device__ __forceinline__ void
ob_cuda_unpack_word(N *out, const ob_cuda_source &s, size_t group, int row, const uint16_t *trits) {
    typedef ob_cuda_format<FORMAT> F;
    const uint8_t *block = s.data + (size_t)((s.from + row) / 16) * s.block_bytes;
    uint32_t word[2];
    ob_cuda_unfold<FORMAT>(
        word, ((const uint32_t *)(const void *)block)[group * 16 + (size_t)((s.from + row) % 16)],
        trits);
    for (int p = 0; p < F::PLANES; p++) {
        uint32_t plane = ob_cuda_plane<FORMAT>(word, p);
        int col = ((int)group * F::PLANES + p) * 4;
        float scale = 1.0f;
        if (s.scale && col < s.cols)
            scale = s.scale[(size_t)(s.from + row) * (size_t)s.groups + (size_t)(col / s.group)];
        for (int j = 0; j < 4 && col + j < s.cols; j++)
            ob_cuda_put_number(out + (size_t)row * (size_t)s.cols + (size_t)(col + j),
                               (float)ob_cuda_code<FORMAT>(plane, j) * scale);
    }
}

/* Threads take words, 16 rows of a group side by side. Bound by the bytes written. */
template <int FORMAT, class N>
static __global__ void ob_cuda_unpack_kernel(N *out, ob_cuda_source s) {
    __shared__ uint16_t trits[256];
    int columns = 4 * ob_cuda_format<FORMAT>::PLANES;
    size_t groups = (size_t)((s.cols + columns - 1) / columns), i;
    size_t blocks = (size_t)((s.rows + 15) / 16), n = blocks * groups * 16;
    if (FORMAT == OB_T5X16) ob_cuda_trits(trits);
    __syncthreads();
    for (i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (size_t)gridDim.x * blockDim.x) {
        size_t group = i / 16 % groups;
        int row = (int)(i / 16 / groups) * 16 + (int)(i % 16);
        if (row < s.rows) ob_cuda_unpack_word<FORMAT>(out, s, group, row, trits);
    }
}

/* The same for matrices of floats. */
static __global__ void ob_cuda_unpack_floats(float *out, ob_cuda_source s) {
    OB_CUDA_EACH(i, (size_t)s.rows * (size_t)s.cols) {
        int row = s.from + (int)(i / (size_t)s.cols), col = (int)(i % (size_t)s.cols);
        out[i] =
            ob_cuda_number(s.data + (size_t)(row / 16) * s.block_bytes, s.format, row % 16, col);
    }
}

/* Rows [from, from + rows) of w, from a multiple of 16. */
static ob_cuda_source ob_cuda_source_of(const ob_weight *w, int from, int rows, int scaled) {
    ob_cuda_source s;
    s.data = (const uint8_t *)w->data, s.scale = scaled && w->group ? w->scale : NULL;
    s.block_bytes = (size_t)ob_block_bytes((ob_format)w->format, w->cols);
    s.format = w->format, s.from = from, s.rows = rows, s.cols = w->cols, s.group = w->group;
    s.groups = w->group ? (int)ob_row_groups(w->cols, w->group) : 0;
    return s;
}

template <class N> static void ob_cuda_unpack(const ob_exec *x, N *out, const ob_cuda_source &s) {
    int columns = ob_format_columns[s.format];
    int blocks = ob_cuda_blocks(
        (size_t)((s.rows + 15) / 16) * 16 * (size_t)((s.cols + columns - 1) / columns), 256);
    switch (s.format) {
    case OB_Q8X16:
        OB_CUDA_LAUNCH(x, "unpack", (ob_cuda_unpack_kernel<OB_Q8X16, N>), blocks, 256, 0, (out, s));
        break;
    case OB_T2X16:
        OB_CUDA_LAUNCH(x, "unpack", (ob_cuda_unpack_kernel<OB_T2X16, N>), blocks, 256, 0, (out, s));
        break;
    case OB_B1X16:
        OB_CUDA_LAUNCH(x, "unpack", (ob_cuda_unpack_kernel<OB_B1X16, N>), blocks, 256, 0, (out, s));
        break;
    default:
        OB_CUDA_LAUNCH(x, "unpack", (ob_cuda_unpack_kernel<OB_T5X16, N>), blocks, 256, 0, (out, s));
    }
}

/* Codes of inputs, rows of `stride` bytes, as rows of cols. */
template <class N>
static __global__ void ob_cuda_widen_kernel(N *out, const int8_t *codes, size_t stride, int cols) {
    codes += blockIdx.x * stride, out += blockIdx.x * (size_t)cols;
    OB_CUDA_COLUMNS(i, cols) ob_cuda_put_number(out + i, (float)codes[i]);
}

/* Codes of inputs for a product, behind what room holds. */
template <class N>
static ob_cuda_operand ob_cuda_inputs(const ob_exec *x, ob_cuda_room *room, const ob_input *in,
                                      const ob_weight *w, int n) {
    size_t size = (size_t)n * (size_t)w->cols;
    N *out = (N *)ob_cuda_take(room, size * sizeof(N));
    OB_CUDA_LAUNCH(x, "widen", ob_cuda_widen_kernel<N>, ob_cuda_row_blocks((size_t)n, w->cols), 256,
                   0, (out, (const int8_t *)in->codes, ob_code_stride(w->cols), w->cols));
    return ob_cuda_plain(out, w->cols);
}

/* A weight for a product: rows [from, *to) as far as room is. Dense floats lie ready. */
template <class N>
static ob_cuda_operand ob_cuda_weights(const ob_exec *x, ob_cuda_room room, const ob_weight *w,
                                       int from, int *to, int scaled) {
    size_t fit = room.left / ((size_t)w->cols * sizeof(N)) / 16 * 16;
    ob_cuda_source s;
    *to = (size_t)(w->rows - from) < fit ? w->rows : from + (int)fit;
    if (w->format == OB_DENSE) {
        *to = w->rows;
        return ob_cuda_plain((const N *)w->data + (size_t)from * (size_t)w->cols, w->cols);
    }
    s = ob_cuda_source_of(w, from, *to - from, scaled);
    if (w->format == OB_F32X16 || w->format == OB_F16X16)
        OB_CUDA_LAUNCH(x, "unpack", ob_cuda_unpack_floats,
                       ob_cuda_blocks((size_t)s.rows * (size_t)s.cols, 256), 256, 0,
                       ((float *)(void *)room.p, s));
    else ob_cuda_unpack(x, (N *)(void *)room.p, s);
    return ob_cuda_plain(room.p, w->cols);
}

/* =================================================================================================
   3 >>linear   decoding from packed weights; linear layers forth and back.
   ============================================================================================== */

#define OB_CUDA_FEW 8 /* tokens up to which weights are read packed; with more they are unpacked */

/* Matrices that read one input, in one launch: blocks of 16 rows of one after the other. */
struct ob_cuda_few {
    const uint8_t *data[OB_LINEAR_MOST];
    const float *scale[OB_LINEAR_MOST];
    float *y[OB_LINEAR_MOST];
    size_t block_bytes[OB_LINEAR_MOST];
    int rows[OB_LINEAR_MOST], format[OB_LINEAR_MOST], step[OB_LINEAR_MOST];
    int first[OB_LINEAR_MOST + 1]; /* number of each matrix's first block */
    int count, cols, group, n;
    const void *codes; /* bytes in rows of stride, or floats in rows of cols */
    const float *in_scale;
    size_t stride;
};

/* Four words of rows 4 q to 4 q + 3: one load. */
struct __align__(16) ob_cuda_rows4 {
    uint32_t word[4];
};

/* Sums of a block of 16 rows with N tokens, spread over the block's threads. Lane: rows 4 (lane %
   4) and three more of group lane / 4, so that a warp reads 512 bytes in one stream, and a word of
   the inputs serves four rows. Bound by the bytes of the weights. */
template <int FORMAT, int N>
static __device__ __forceinline__ void ob_cuda_few_sums(int sum[4][N], const ob_cuda_few &f, int m,
                                                        int block, const uint16_t *trits) {
    typedef ob_cuda_format<FORMAT> F;
    const uint8_t *data = f.data[m] + (size_t)block * f.block_bytes[m];
    int columns = 4 * F::PLANES, groups = (f.cols + columns - 1) / columns;
    int lane = (int)threadIdx.x % 32, g = (int)threadIdx.x / 4, r, t, p;
    for (; g < groups; g += (int)blockDim.x / 4) {
        ob_cuda_rows4 four =
            *(const ob_cuda_rows4 *)(const void *)(data + (size_t)g * 64 + (size_t)(lane % 4) * 16);
        uint32_t words[4][2];
        for (r = 0; r < 4; r++) ob_cuda_unfold<FORMAT>(words[r], four.word[r], trits);
        for (p = 0; p < F::PLANES; p++)
            for (t = 0; t < N; t++) {
                const int8_t *row = (const int8_t *)f.codes + (size_t)(t < f.n ? t : 0) * f.stride;
                int codes = *(const int *)(const void *)(row + (size_t)g * (size_t)columns + 4 * p);
                int all = F::BIAS ? __dp4a(codes, 0x01010101, 0) * F::BIAS : 0;
                for (r = 0; r < 4; r++)
                    sum[r][t] +=
                        __dp4a((int)ob_cuda_plane<FORMAT>(words[r], p), codes, 0) * F::FACTOR - all;
            }
    }
}

/* The same with a scale for each group of inputs: floats from the first sum of four on. */
template <int FORMAT, int N>
static __device__ __forceinline__ void ob_cuda_few_groups(float sum[4][N], const ob_cuda_few &f,
                                                          int m, int block, const uint16_t *trits) {
    typedef ob_cuda_format<FORMAT> F;
    const uint8_t *data = f.data[m] + (size_t)block * f.block_bytes[m];
    int columns = 4 * F::PLANES, groups = (f.cols + columns - 1) / columns;
    int lane = (int)threadIdx.x % 32, g = (int)threadIdx.x / 4, r, t, p;
    int row = block * 16 + lane % 4 * 4, scales = (f.cols + f.group - 1) / f.group;
    for (; g < groups; g += (int)blockDim.x / 4)
        for (r = 0; r < 4; r++) {
            uint32_t words[2];
            if (row + r >= f.rows[m]) continue;
            ob_cuda_unfold<FORMAT>(
                words,
                ((const uint32_t *)(const void *)data)[(size_t)g * 16 + (size_t)(lane % 4 * 4 + r)],
                trits);
            for (p = 0; p < F::PLANES && (g * F::PLANES + p) * 4 < f.cols; p++) {
                int col = (g * F::PLANES + p) * 4, stored = (int)ob_cuda_plane<FORMAT>(words, p);
                float scale =
                    f.scale[m][(size_t)(row + r) * (size_t)scales + (size_t)(col / f.group)];
                for (t = 0; t < N; t++) {
                    const int8_t *in =
                        (const int8_t *)f.codes + (size_t)(t < f.n ? t : 0) * f.stride + col;
                    int codes = *(const int *)(const void *)in;
                    int own = __dp4a(stored, codes, 0) * F::FACTOR;
                    if (F::BIAS) own -= __dp4a(codes, 0x01010101, 0) * F::BIAS;
                    sum[r][t] += scale * (float)own;
                }
            }
        }
}

/* Matrices of floats and inputs of floats. */
template <int N>
static __device__ __forceinline__ void ob_cuda_few_floats(float sum[4][N], const ob_cuda_few &f,
                                                          int m, int block) {
    const uint8_t *data = f.data[m] + (size_t)block * f.block_bytes[m];
    int lane = (int)threadIdx.x % 32, col = (int)threadIdx.x / 4, r, t;
    for (; col < f.cols; col += (int)blockDim.x / 4)
        for (r = 0; r < 4; r++) {
            float w = ob_cuda_number(data, f.format[m], lane % 4 * 4 + r, col);
            for (t = 0; t < N && t < f.n; t++)
                sum[r][t] += w * ((const float *)f.codes)[(size_t)t * (size_t)f.cols + (size_t)col];
        }
}

/* Adds up what lanes and warps have, for lanes 0 to 3 of warp 0; room [warps][4][4][N]. T int or
   float: integers are exact in any order, floats have this one. */
template <class T, int N>
static __device__ __forceinline__ void ob_cuda_few_join(T sum[4][N], T *room) {
    int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, r, t, i;
    for (r = 0; r < 4; r++)
        for (t = 0; t < N; t++) {
            T v = sum[r][t];
            for (i = 16; i >= 4; i /= 2) v += __shfl_xor_sync(OB_CUDA_LANES, v, i);
            if (lane < 4) room[((warp * 4 + lane) * 4 + r) * N + t] = v;
        }
    __syncthreads();
    if (threadIdx.x < 4)
        for (r = 0; r < 4; r++)
            for (t = 0; t < N; t++) {
                T v = 0;
                for (i = 0; i < (int)blockDim.x / 32; i++)
                    v += room[((i * 4 + lane) * 4 + r) * N + t];
                sum[r][t] = v;
            }
}

/* Writes the outputs of a block: y = sum * (scale_x * scale_w), as ob_settle_body. */
template <class T, int N>
static __device__ __forceinline__ void ob_cuda_few_put(const T sum[4][N], const ob_cuda_few &f,
                                                       int m, int block, int grouped) {
    int r, t, row = block * 16 + (int)threadIdx.x * 4;
    if (threadIdx.x >= 4) return;
    for (r = 0; r < 4; r++)
        for (t = 0; t < N && t < f.n; t++) {
            float scale = f.in_scale[t];
            if (row + r >= f.rows[m]) continue;
            if (!grouped) scale = __fmul_rn(scale, f.scale[m][(row + r) * f.step[m]]);
            f.y[m][(size_t)t * (size_t)f.rows[m] + (size_t)(row + r)] =
                __fmul_rn((float)sum[r][t], scale);
        }
}

/* One block of 16 rows of codes, in one format. */
template <int FORMAT, int N>
static __device__ __forceinline__ void ob_cuda_few_block(const ob_cuda_few &f, int m, int block,
                                                         void *room, const uint16_t *trits) {
    if (f.group) {
        float sum[4][N] = {};
        ob_cuda_few_groups<FORMAT, N>(sum, f, m, block, trits);
        ob_cuda_few_join<float, N>(sum, (float *)room);
        ob_cuda_few_put<float, N>(sum, f, m, block, 1);
    } else {
        int sum[4][N] = {};
        ob_cuda_few_sums<FORMAT, N>(sum, f, m, block, trits);
        ob_cuda_few_join<int, N>(sum, (int *)room);
        ob_cuda_few_put<int, N>(sum, f, m, block, 0);
    }
}

/* Blocks of 256 threads, one for each 16 rows; N >= f.n, what is beyond n counts for nothing. bytes
   * 8 / bandwidth is the floor. A sum of whole numbers holds up to 133,000 inputs of 8 bits;
   ob_cuda_few_fits sees to it. */
template <int N> static __global__ void __launch_bounds__(256) ob_cuda_few_kernel(ob_cuda_few f) {
    __shared__ uint16_t trits[256];
    __shared__ float room[8 * 4 * 4 * N];
    int m = 0, block = (int)blockIdx.x;
    while (m + 1 < f.count && block >= f.first[m + 1]) m++;
    block -= f.first[m];
    if (f.format[m] == OB_T5X16) ob_cuda_trits(trits);
    __syncthreads();
    if (f.format[m] == OB_T2X16) ob_cuda_few_block<OB_T2X16, N>(f, m, block, room, trits);
    else if (f.format[m] == OB_T5X16) ob_cuda_few_block<OB_T5X16, N>(f, m, block, room, trits);
    else if (f.format[m] == OB_B1X16) ob_cuda_few_block<OB_B1X16, N>(f, m, block, room, trits);
    else if (f.format[m] == OB_Q8X16) ob_cuda_few_block<OB_Q8X16, N>(f, m, block, room, trits);
    else {
        float sum[4][N] = {};
        ob_cuda_few_floats<N>(sum, f, m, block);
        ob_cuda_few_join<float, N>(sum, room);
        ob_cuda_few_put<float, N>(sum, f, m, block, 0);
    }
}

/* Whether weights are read as they lie, in blocks of 16 rows: codes by codes or floats by floats,
   not codes by the floats of activation_bits 0. */
static int ob_cuda_few_fits(const ob_weight *w, int n) {
    int floats = w->format == OB_F32X16 || w->format == OB_F16X16;
    return n <= OB_CUDA_FEW && w->format != OB_DENSE && w->cols <= OB_SEGMENT &&
           w->exact == !floats;
}

/* Few tokens by packed matrices. */
static void ob_cuda_linear_few(const ob_exec *x, float *const *y, const ob_input *in,
                               const ob_weight *const *w, int count, int n) {
    ob_cuda_few f;
    int i;
    memset(&f, 0, sizeof f);
    f.count = count, f.cols = w[0]->cols, f.group = w[0]->group, f.n = n;
    f.codes = in->codes, f.in_scale = in->scale, f.stride = ob_code_stride(w[0]->cols);
    for (i = 0; i < count; i++) {
        f.data[i] = (const uint8_t *)w[i]->data, f.scale[i] = w[i]->scale, f.y[i] = y[i];
        f.block_bytes[i] = (size_t)ob_block_bytes((ob_format)w[i]->format, w[i]->cols);
        f.rows[i] = w[i]->rows, f.format[i] = w[i]->format, f.step[i] = w[i]->scale_step;
        f.first[i + 1] = f.first[i] + (w[i]->rows + 15) / 16;
    }
    i = f.first[count];
    if (n == 1) OB_CUDA_LAUNCH(x, "linear_forward", ob_cuda_few_kernel<1>, i, 256, 0, (f));
    else if (n == 2) OB_CUDA_LAUNCH(x, "linear_forward", ob_cuda_few_kernel<2>, i, 256, 0, (f));
    else if (n <= 4) OB_CUDA_LAUNCH(x, "linear_forward", ob_cuda_few_kernel<4>, i, 256, 0, (f));
    else OB_CUDA_LAUNCH(x, "linear_forward", ob_cuda_few_kernel<8>, i, 256, 0, (f));
}

/* ---- Many tokens ---- */

/* y [n][rows] of a product of codes or floats becomes outputs: times scale_x * scale_w, in that
   order of rounding, as ob_settle_body and ob_scale_body. scale NULL = 1. */
static __global__ void ob_cuda_settle_kernel(float *y, const float *scale, int step,
                                             const float *in_scale, int rows) {
    float own = in_scale[blockIdx.x];
    y += blockIdx.x * (size_t)rows;
    OB_CUDA_COLUMNS(i, rows)
        y[i] = __fmul_rn(y[i], scale ? __fmul_rn(own, scale[i * step]) : own);
}

/* One matrix: inputs and weights are made operands, in parts of rows as work memory has room. Codes
   are bfloat16 where the GPU multiplies that, and floats in groups, whose scaled codes bfloat16
   would round; both are exact. */
template <class N>
static void ob_cuda_linear_many(const ob_exec *x, float *y, ob_cuda_operand a, ob_cuda_room room,
                                const ob_weight *w, const float *in_scale, int n) {
    int from, to = 0;
    for (from = 0; from < w->rows; from = to) {
        ob_cuda_operand b = ob_cuda_weights<N>(x, room, w, from, &to, 1);
        b.turned = 1;
        if (to <= from) return; /* cannot be: see ob_cuda_work_bytes */
        ob_cuda_product(x, "linear_forward", y + from, w->rows, a, b, n, to - from, w->cols,
                        sizeof(N) == 2, 0);
    }
    OB_CUDA_LAUNCH(x, "linear_forward", ob_cuda_settle_kernel,
                   ob_cuda_row_blocks((size_t)n, w->rows), 256, 0,
                   (y, w->group ? NULL : w->scale, w->scale_step, in_scale, w->rows));
}

/* y[i] [n][rows] for each of count matrices that read one input. */
static void ob_cuda_linear_forward(const ob_exec *x, float *const *y, const ob_input *in,
                                   const ob_weight *const *w, int count, int n) {
    int half = w[0]->exact && !w[0]->group && ob_cuda_half(x), few = 1, i;
    ob_cuda_room room = ob_cuda_enter(x);
    ob_cuda_operand a = ob_cuda_plain(in->codes, w[0]->cols);
    for (i = 0; i < count; i++) few = few && ob_cuda_few_fits(w[i], n);
    if (few) {
        ob_cuda_linear_few(x, y, in, w, count, n);
        return;
    }
    if (w[0]->exact && half) a = ob_cuda_inputs<uint16_t>(x, &room, in, w[0], n);
    else if (w[0]->exact) a = ob_cuda_inputs<float>(x, &room, in, w[0], n);
    for (i = 0; i < count; i++) {
        if (half) ob_cuda_linear_many<uint16_t>(x, y[i], a, room, w[i], in->scale, n);
        else ob_cuda_linear_many<float>(x, y[i], a, room, w[i], in->scale, n);
    }
}

/* All rows are read from all 8 bits: here that is as fast as in stages, and the largest logits are
   the same. */
static void ob_cuda_linear_stages(const ob_exec *x, float *y, const ob_input *in,
                                  const ob_weight *head, const ob_stages *s) {
    (void)s;
    ob_cuda_linear_forward(x, &y, in, &head, 1, 1);
}

/* ---- Gradients ---- */

/* dy [n][rows] as the left operands of both products: columns times the weight's scale for dx, rows
   times the input's scale and ste for dw. One of the two may be NULL. N: bfloat16 or float. */
template <class N>
static __global__ void ob_cuda_scale_kernel(N *by_column, N *by_row, const float *dy,
                                            const float *scale, int step, const float *in_scale,
                                            float ste, int rows) {
    size_t at = blockIdx.x * (size_t)rows;
    float own = in_scale[blockIdx.x] * ste;
    OB_CUDA_COLUMNS(i, rows) {
        float d = dy[at + (size_t)i], c = by_column ? d * scale[i * step] : 0.0f, r = d * own;
        if (sizeof(N) == 2) {
            uint32_t both = ob_cuda_pair(c, r);
            c = ob_bits_float(both << 16), r = ob_bits_float(both & 0xffff0000u);
        }
        if (by_column) ob_cuda_put_number(by_column + at + (size_t)i, c);
        if (by_row) ob_cuda_put_number(by_row + at + (size_t)i, r);
    }
}

template <class N>
static void ob_cuda_scale(const ob_exec *x, N *by_column, N *by_row, const float *dy,
                          const ob_weight *w, const ob_input *in, float ste, int n) {
    OB_CUDA_LAUNCH(x, "linear_backward", ob_cuda_scale_kernel<N>,
                   ob_cuda_row_blocks((size_t)n, w->rows), 256, 0,
                   (by_column, by_row, dy, w->scale, w->scale_step, in->scale, ste, w->rows));
}

/* dx (+)= a W, with a [n][rows]; rows of W come in parts, and their shares add up. */
template <class N>
static void ob_cuda_linear_dx(const ob_exec *x, float *dx, const void *a, const ob_weight *w, int n,
                              int add) {
    ob_cuda_room room = ob_cuda_enter(x);
    int from, to = 0;
    for (from = 0; from < w->rows; from = to, add = 1) {
        ob_cuda_operand b = ob_cuda_weights<N>(x, room, w, from, &to, 1);
        if (to <= from) return;
        ob_cuda_product(x, "linear_backward", dx, w->cols,
                        ob_cuda_plain((const N *)a + from, w->rows), b, n, w->cols, to - from,
                        sizeof(N) == 2, add);
    }
}

/* dw += a' X, with a [n][rows]. */
template <class N>
static void ob_cuda_linear_dw(const ob_exec *x, float *dw, const void *a, const ob_input *in,
                              const ob_weight *w, int n) {
    ob_cuda_room room = ob_cuda_enter(x);
    ob_cuda_operand b = ob_cuda_plain(in->codes, w->cols);
    if (w->exact) b = ob_cuda_inputs<N>(x, &room, in, w, n);
    ob_cuda_product(x, "linear_backward", dw, w->cols, ob_cuda_turned(a, w->rows), b, w->rows,
                    w->cols, n, sizeof(N) == 2, 1);
}

/* As ob_cpu_linear_backward. With x->half the operands are bfloat16, where the CPU's are: not for
   dx of groups, and not for blocks of floats. tmp [n][rows] floats is room for both operands then.
   */
static void ob_cuda_linear_backward(const ob_exec *x, float *dx, float *dw, const float *dy,
                                    const ob_input *in, const ob_weight *w, float *tmp, float ste,
                                    int n, int add) {
    int half = x->half && w->half && w->exact && ob_cuda_half(x), half_dx = half && !w->group;
    uint16_t *pairs = (uint16_t *)(void *)tmp, *second = pairs + (size_t)n * (size_t)w->rows;
    if (half)
        ob_cuda_scale(x, half_dx && dx ? pairs : (uint16_t *)NULL, dw ? second : (uint16_t *)NULL,
                      dy, w, in, ste, n);
    if (dx && half_dx) ob_cuda_linear_dx<uint16_t>(x, dx, pairs, w, n, add);
    if (dw && half) ob_cuda_linear_dw<uint16_t>(x, dw, second, in, w, n);
    if (dx && !half_dx && w->group) ob_cuda_linear_dx<float>(x, dx, dy, w, n, add);
    if (dx && !half_dx && !w->group) {
        ob_cuda_scale(x, tmp, (float *)NULL, dy, w, in, ste, n);
        ob_cuda_linear_dx<float>(x, dx, tmp, w, n, add);
    }
    if (dw && !half) {
        ob_cuda_scale(x, (float *)NULL, tmp, dy, w, in, ste, n);
        ob_cuda_linear_dw<float>(x, dw, tmp, in, w, n);
    }
}

/* =================================================================================================
   4 >>rows   norms, quantisers, embedding, activation, loss: one row a block, mostly.
   ============================================================================================== */
/* All of these are bound by the bytes that they read and write. A row's sums are over its threads
   in strides, then over lanes, then over warps. */

/* ---- Norms ---- */

/* The rstd of a row, in all threads, and the mean when there is one. */
static __device__ __forceinline__ float ob_cuda_norm_scale(const float *in, float *mean, int d,
                                                           float eps, float *room) {
    float sum = 0.0f, m = 0.0f;
    int i;
    if (mean) {
        for (i = (int)threadIdx.x; i < d; i += (int)blockDim.x) sum += in[i];
        m = ob_cuda_block_sum(sum, room) / (float)d, sum = 0.0f;
        if (threadIdx.x == 0) *mean = m;
    }
    for (i = (int)threadIdx.x; i < d; i += (int)blockDim.x) sum += (in[i] - m) * (in[i] - m);
    return 1.0f / sqrtf(ob_cuda_block_sum(sum, room) / (float)d + eps);
}

/* As ob_norm_body and ob_layer_norm_body; y may be in. */
static __global__ void ob_cuda_norm_kernel(float *y, float *rstd, float *mean, const float *in,
                                           const float *gain, int d, float eps) {
    __shared__ float room[32];
    size_t row = blockIdx.x, at = row * (size_t)d;
    float r = ob_cuda_norm_scale(in + at, mean ? mean + row : NULL, d, eps, room);
    float m = mean ? mean[row] : 0.0f;
    for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x)
        y[at + (size_t)i] = (in[at + (size_t)i] - m) * r * gain[i];
    if (threadIdx.x == 0) rstd[row] = r;
}

static void ob_cuda_norm_forward(const ob_exec *x, float *y, float *rstd, float *mean,
                                 const float *in, const float *gain, int rows, int d, float eps) {
    OB_CUDA_LAUNCH(x, "norm_forward", ob_cuda_norm_kernel, rows, ob_cuda_row_threads(d), 0,
                   (y, rstd, mean, in, gain, d, eps));
}

/* As ob_norm_grad_body and ob_layer_norm_grad_body; dx may be dy: all sums come before the first
   write, and a thread writes only what it alone has read. */
static __global__ void ob_cuda_norm_grad_kernel(float *dx, const float *dy, const float *in,
                                                const float *gain, const float *rstd,
                                                const float *mean, int d, int add) {
    __shared__ float room[32];
    size_t row = blockIdx.x, at = row * (size_t)d;
    float r = rstd[row], m = mean ? mean[row] : 0.0f, both = 0.0f, shift = 0.0f, slope;
    int i;
    for (i = (int)threadIdx.x; i < d; i += (int)blockDim.x) {
        float u = dy[at + (size_t)i] * gain[i];
        both += u * (in[at + (size_t)i] - m), shift += u;
    }
    slope = ob_cuda_block_sum(both, room) / (float)d * r * r;
    shift = mean ? ob_cuda_block_sum(shift, room) / (float)d : 0.0f;
    for (i = (int)threadIdx.x; i < d; i += (int)blockDim.x) {
        size_t j = at + (size_t)i;
        float g = r * (dy[j] * gain[i] - (in[j] - m) * slope - shift);
        dx[j] = add ? dx[j] + g : g;
    }
}

/* Sums over rows of dy * (in - mean) * rstd, or of dy when in is NULL, for a part of the rows:
   part [parts][d]. blockIdx: columns, part. */
static __global__ void ob_cuda_columns_kernel(float *part, const float *dy, const float *in,
                                              const float *rstd, const float *mean, int rows,
                                              int d) {
    int col = (int)(blockIdx.x * blockDim.x + threadIdx.x), parts = (int)gridDim.y;
    int from = (int)((long long)rows * blockIdx.y / parts), r;
    int to = (int)((long long)rows * (blockIdx.y + 1) / parts);
    float sum = 0.0f;
    if (col >= d) return;
    for (r = from; r < to; r++) {
        size_t at = (size_t)r * (size_t)d + (size_t)col;
        if (in) sum += dy[at] * (in[at] - (mean ? mean[r] : 0.0f)) * rstd[r];
        else sum += dy[at];
    }
    part[(size_t)blockIdx.y * (size_t)d + (size_t)col] = sum;
}

/* out [d] += the parts, in their order. */
static __global__ void ob_cuda_columns_join(float *out, const float *part, int parts, int d) {
    int col = (int)(blockIdx.x * blockDim.x + threadIdx.x), i;
    float sum = 0.0f;
    if (col >= d) return;
    for (i = 0; i < parts; i++) sum += part[(size_t)i * (size_t)d + (size_t)col];
    out[col] += sum;
}

#define OB_CUDA_PARTS 256 /* of rows, at most, in a sum over columns */

/* out [d] += sums over rows. Two kernels, because one thread per column would leave the GPU idle;
   their work is [parts][d]. */
static void ob_cuda_columns(const ob_exec *x, const char *op, float *out, const float *dy,
                            const float *in, const float *rstd, const float *mean, int rows,
                            int d) {
    float *part = (float *)(void *)x->work;
    int parts = (rows + 15) / 16, threads = d < 128 ? 64 : 128;
    dim3 blocks((unsigned)((d + threads - 1) / threads), 1, 1);
    parts = parts < 1 ? 1 : parts > OB_CUDA_PARTS ? OB_CUDA_PARTS : parts;
    blocks.y = (unsigned)parts;
    OB_CUDA_LAUNCH(x, op, ob_cuda_columns_kernel, blocks, threads, 0,
                   (part, dy, in, rstd, mean, rows, d));
    blocks.y = 1;
    OB_CUDA_LAUNCH(x, op, ob_cuda_columns_join, blocks, threads, 0, (out, part, parts, d));
}

/* The gain comes first, because it still needs dy when dx takes its place. */
static void ob_cuda_norm_backward(const ob_exec *x, float *dx, float *dgain, const float *dy,
                                  const float *in, const float *gain, float *rstd, float *mean,
                                  int rows, int d, int add) {
    ob_cuda_columns(x, "norm_backward", dgain, dy, in, rstd, mean, rows, d);
    OB_CUDA_LAUNCH(x, "norm_backward", ob_cuda_norm_grad_kernel, rows, ob_cuda_row_threads(d), 0,
                   (dx, dy, in, gain, rstd, mean, d, add));
}

/* ---- Inputs of linear layers ---- */

/* What a row of inputs is to become; see ob_code8_row and ob_quantize_row. */
struct ob_cuda_quantizer {
    int8_t *codes; /* of an exact weight, rows of stride bytes; else NULL */
    float *floats; /* else: rows of cols */
    float *scale;
    int32_t *sum; /* [segments] of a row */
    uint8_t *window;
    size_t stride;
    int cols, inputs, bits, segment, segments;
    float share;
};

static ob_cuda_quantizer ob_cuda_quantizer_of(const ob_input *to, const ob_weight *w) {
    ob_cuda_quantizer q;
    q.codes = w->exact ? (int8_t *)to->codes : NULL;
    q.floats = w->exact ? NULL : (float *)to->codes;
    q.scale = to->scale, q.sum = w->exact ? to->sum : NULL;
    q.window = w->bits == 1 ? to->window : NULL;
    q.stride = ob_code_stride(w->cols), q.cols = w->cols;
    q.inputs = w->inputs ? w->inputs : w->cols;
    q.bits = w->bits, q.share = w->share;
    q.segment = ob_segment_of(w), q.segments = (int)ob_segments(w);
    return q;
}

/* The column of the input that stands at column c: each group stands twice for two planes; at or
   beyond q.inputs there are zeros. */
static __device__ __forceinline__ int ob_cuda_source_column(const ob_cuda_quantizer &q, int c) {
    if (q.inputs == q.cols) return c;
    return c < q.cols ? c / (2 * q.segment) * q.segment + c % q.segment : q.inputs;
}

/* How codes of a row are made: code = round(v * inverse) of 8 bits, or the sign. */
struct ob_cuda_coder {
    float scale, inverse;
    int bits;
};

static __device__ __forceinline__ float ob_cuda_code_of(const ob_cuda_coder &c, float v) {
    if (c.bits == 1) return v < 0.0f ? -1.0f : 1.0f;
    v = ob_round(__fmul_rn(v, c.inverse));
    v = v > -127.0f ? v : -127.0f; /* NaN too */
    return v < 127.0f ? v : 127.0f;
}

/* Measures a row [n]: absmax / 127, or mean|v|. What is no number shows in the scale. */
static __device__ __forceinline__ ob_cuda_coder ob_cuda_coder_of(const float *in, int n, int bits,
                                                                 float *room) {
    float most = 1e-5f, sum = 0.0f;
    ob_cuda_coder c;
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        float a = ob_absf(in[i]);
        most = a > most ? a : most;
        sum += bits == 1 ? a : in[i] * 0.0f;
    }
    sum = ob_cuda_block_sum(sum, room);
    most = ob_cuda_block_max(most, room);
    c.bits = bits;
    c.inverse = __fdiv_rn(127.0f, most);
    c.scale = bits == 1 ? __fdiv_rn(sum, (float)n) : __fadd_rn(__fdiv_rn(most, 127.0f), sum);
    return c;
}

/* Bytes of a row, its sums by segments, and zeros behind them. One segment is summed up by all
   threads, several by a warp each. */
static __device__ __forceinline__ void ob_cuda_code_row(const ob_cuda_quantizer &q,
                                                        const ob_cuda_coder &c, const float *in,
                                                        size_t row, int *room) {
    int8_t *codes = q.codes + row * q.stride;
    int own = 0, i, k, source;
    for (i = (int)threadIdx.x; i < (int)q.stride; i += (int)blockDim.x) {
        source = i < q.cols ? ob_cuda_source_column(q, i) : q.inputs;
        k = source < q.inputs ? (int)ob_cuda_code_of(c, in[source]) : 0;
        codes[i] = (int8_t)k;
        own += k;
    }
    if (q.segments == 1) {
        own = ob_cuda_block_sum(own, room);
        if (threadIdx.x == 0) q.sum[row] = own;
        return;
    }
    __syncthreads();
    for (k = (int)threadIdx.x / 32; k < q.segments; k += (int)blockDim.x / 32) {
        int end = (k + 1) * q.segment < q.cols ? (k + 1) * q.segment : q.cols;
        for (own = 0, i = k * q.segment + (int)threadIdx.x % 32; i < end; i += 32) own += codes[i];
        own = ob_cuda_warp_sum(own);
        if (threadIdx.x % 32 == 0) q.sum[row * (size_t)q.segments + (size_t)k] = own;
    }
}

/* Floats of a row: itself, codes, or a blend of the two (annealing). */
static __device__ __forceinline__ void
ob_cuda_float_row(const ob_cuda_quantizer &q, const ob_cuda_coder &c, const float *in, size_t row) {
    float *out = q.floats + row * (size_t)q.cols;
    for (int i = (int)threadIdx.x; i < q.cols; i += (int)blockDim.x) {
        int source = ob_cuda_source_column(q, i);
        float v = source < q.inputs ? in[source] : 0.0f, code = v;
        if (q.bits && source < q.inputs) {
            code = ob_cuda_code_of(c, v);
            if (q.share != 1.0f) code = q.share * c.scale * code + (1.0f - q.share) * v;
        }
        out[i] = code;
    }
}

/* A row of numbers into q, by all threads of the block. */
static __device__ __forceinline__ void
ob_cuda_quantize_row(const ob_cuda_quantizer &q, const float *in, size_t row, float *room) {
    ob_cuda_coder c = {1.0f, 0.0f, 0};
    if (q.bits) c = ob_cuda_coder_of(in, q.inputs, q.bits, room);
    for (int i = (int)threadIdx.x; q.window && i < q.inputs; i += (int)blockDim.x)
        q.window[row * (size_t)q.inputs + (size_t)i] = ob_absf(in[i]) <= 2.0f * c.scale;
    if (q.codes) ob_cuda_code_row(q, c, in, row, (int *)(void *)room);
    else ob_cuda_float_row(q, c, in, row);
    if (threadIdx.x == 0) q.scale[row] = q.codes || q.share == 1.0f ? c.scale : 1.0f;
}

static __global__ void ob_cuda_quantize_kernel(ob_cuda_quantizer q, const float *in) {
    __shared__ float room[32];
    ob_cuda_quantize_row(q, in + (size_t)blockIdx.x * (size_t)q.inputs, blockIdx.x, room);
}

static void ob_cuda_quantize(const ob_exec *x, const ob_input *to, const float *in,
                             const ob_weight *w, int rows) {
    ob_cuda_quantizer q = ob_cuda_quantizer_of(to, w);
    OB_CUDA_LAUNCH(x, "quantize", ob_cuda_quantize_kernel, rows, ob_cuda_row_threads(q.inputs), 0,
                   (q, in));
}

/* dx, in place: what is outside of the window of signs passes by the float's share alone. */
static __global__ void ob_cuda_window_kernel(float *dx, const uint8_t *window, float share,
                                             size_t n) {
    OB_CUDA_EACH(i, n) dx[i] *= window[i] ? 1.0f : share;
}

static void ob_cuda_quantize_backward(const ob_exec *x, float *dx, uint8_t *window,
                                      const ob_weight *w, int rows, int d) {
    size_t n = (size_t)rows * (size_t)d;
    if (w->bits != 1) return;
    OB_CUDA_LAUNCH(x, "quantize_backward", ob_cuda_window_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (dx, window, 1.0f - w->share, n));
}

/* Norm and quantiser in one: the normed row stays in shared memory, and only codes leave. */
static __global__ void ob_cuda_norm_quantize_kernel(ob_cuda_quantizer q, float *rstd, float *mean,
                                                    const float *in, const float *gain, int d,
                                                    float eps) {
    __shared__ float room[32];
    OB_CUDA_DYNAMIC(float, normed);
    size_t row = blockIdx.x, at = row * (size_t)d;
    float r = ob_cuda_norm_scale(in + at, mean ? mean + row : NULL, d, eps, room);
    float m = mean ? mean[row] : 0.0f;
    for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x)
        normed[i] = (in[at + (size_t)i] - m) * r * gain[i];
    if (threadIdx.x == 0) rstd[row] = r;
    __syncthreads();
    ob_cuda_quantize_row(q, normed, row, room);
}

#define OB_CUDA_ROW_MOST 12000 /* floats of a row that shared memory holds: 48 KB, less its rooms */

/* y [rows][d] is work for rows that are too long. */
static void ob_cuda_norm_quantize(const ob_exec *x, const ob_input *to, float *y, float *rstd,
                                  float *mean, const float *in, const float *gain,
                                  const ob_weight *w, int rows, int d, float eps) {
    ob_cuda_quantizer q = ob_cuda_quantizer_of(to, w);
    if (d > OB_CUDA_ROW_MOST) {
        ob_cuda_norm_forward(x, y, rstd, mean, in, gain, rows, d, eps);
        ob_cuda_quantize(x, to, y, w, rows);
        return;
    }
    OB_CUDA_LAUNCH(x, "norm_quantize", ob_cuda_norm_quantize_kernel, rows, ob_cuda_row_threads(d),
                   (size_t)d * sizeof(float), (q, rstd, mean, in, gain, d, eps));
}

/* ---- Weights to codes ---- */

/* Sum and maximum of |w| of each row, clamped. A warp to a row. */
static __global__ void ob_cuda_magnitude_kernel(float *sum, float *largest, const float *w,
                                                float clamp, int rows, int cols) {
    int row = (int)(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32),
        lane = (int)threadIdx.x % 32;
    float total = 0.0f, most = 0.0f;
    if (row >= rows) return; /* of a warp all or none */
    for (int i = lane; i < cols; i += 32) {
        float a = ob_absf(w[(size_t)row * (size_t)cols + (size_t)i]);
        a = a > clamp ? clamp : a;
        total += a, most = a > most ? a : most;
    }
    total = ob_cuda_warp_sum(total), most = ob_cuda_warp_max(most);
    if (lane == 0) sum[row] = total, largest[row] = most;
}

/* Scales from those: one for each row of 8 bits, else one for all, from a double sum. One block. */
static __global__ void ob_cuda_scales_kernel(float *scale, const float *largest, ob_quantizer z,
                                             int rows, int cols) {
    __shared__ double room[32];
    double sum = 0.0;
    int r;
    for (r = (int)threadIdx.x; r < rows; r += (int)blockDim.x) {
        sum += scale[r];
        if (z.mode == ONEBIT_8BIT) scale[r] = ob_row_scale(&z, largest[r]);
    }
    if (z.mode == ONEBIT_8BIT) return;
    sum = ob_cuda_block_sum(sum, room);
    if (threadIdx.x == 0)
        scale[0] = ob_tensor_scale(&z, (float)(sum / ((double)rows * (double)cols)));
}

/* One round of the median: counters of the byte at `shift` among numbers whose higher bytes are
   *prefix. Whole numbers, so atomics change nothing. */
static __global__ void ob_cuda_median_count(unsigned long long *count, const float *w, float clamp,
                                            const uint32_t *prefix, int shift, size_t n) {
    __shared__ unsigned own[256];
    for (int i = (int)threadIdx.x; i < 256; i += (int)blockDim.x) own[i] = 0;
    __syncthreads();
    OB_CUDA_EACH(i, n) {
        uint32_t bits = ob_float_bits(ob_clampf(w[i], -clamp, clamp)) & 0x7FFFFFFFu;
        if (bits >> shift >> 8 == *prefix) atomicAdd(own + (bits >> shift & 255u), 1u);
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < 256; i += (int)blockDim.x)
        if (own[i]) atomicAdd(count + i, (unsigned long long)own[i]);
}

/* The byte in which the rank falls; counters are cleared for the next round, and after the last the
   scale is made. One thread. */
static __global__ void ob_cuda_median_narrow(unsigned long long *count, uint32_t *prefix,
                                             unsigned long long *rank, float *scale, ob_quantizer z,
                                             int shift) {
    uint32_t byte = 0;
    if (threadIdx.x > 0) return;
    while (byte < 255 && *rank >= count[byte]) *rank -= count[byte++];
    *prefix = *prefix << 8 | byte;
    for (int i = 0; i < 256; i++) count[i] = 0;
    if (shift == 0) *scale = ob_tensor_scale(&z, ob_bits_float(*prefix));
}

/* Before the first round. */
static __global__ void ob_cuda_median_start(unsigned long long *count, uint32_t *prefix,
                                            unsigned long long *rank, size_t n) {
    for (int i = (int)threadIdx.x; i < 256; i += (int)blockDim.x) count[i] = 0;
    if (threadIdx.x == 0) *prefix = 0, *rank = (n - 1) / 2;
}

static void ob_cuda_median(const ob_exec *x, float *scale, const float *w, const ob_quantizer *z,
                           size_t n) {
    ob_cuda_room room = ob_cuda_enter(x);
    unsigned long long *count = (unsigned long long *)ob_cuda_take(&room, 256 * 8);
    unsigned long long *rank = (unsigned long long *)ob_cuda_take(&room, 8);
    uint32_t *prefix = (uint32_t *)ob_cuda_take(&room, 4);
    int shift, blocks = ob_cuda_blocks(n, 4096);
    OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_median_start, 1, 256, 0, (count, prefix, rank, n));
    for (shift = 24; shift >= 0; shift -= 8) {
        OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_median_count, blocks, 256, 0,
                       (count, w, ob_clamp_bound(z), prefix, shift, n));
        OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_median_narrow, 1, 32, 0,
                       (count, prefix, rank, scale, *z, shift));
    }
}

/* The lower median of |w| of a warp's n numbers: bit by bit from the top, how many have this prefix
   and a 0 next. */
static __device__ __forceinline__ float ob_cuda_group_median(const float *w, int n, float clamp) {
    uint32_t prefix = 0;
    int rank = (n - 1) / 2, lane = (int)threadIdx.x % 32, bit, i, zeros;
    for (bit = 30; bit >= 0; bit--) {
        for (zeros = 0, i = lane; i < n; i += 32) {
            uint32_t bits = ob_float_bits(ob_clampf(w[i], -clamp, clamp)) & 0x7FFFFFFFu;
            zeros += bits >> bit == prefix << 1;
        }
        zeros = ob_cuda_warp_sum(zeros);
        prefix <<= 1;
        if (rank >= zeros) rank -= zeros, prefix |= 1u;
    }
    return ob_bits_float(prefix);
}

/* Scales [rows][groups]. A warp to a group. */
static __global__ void ob_cuda_group_scales(float *scale, const float *w, ob_quantizer z,
                                            int groups, int cols, size_t n) {
    size_t g = (size_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    int lane = (int)threadIdx.x % 32, from, count, i;
    float clamp = ob_clamp_bound(&z), sum = 0.0f;
    if (g >= n) return;
    from = (int)(g % (size_t)groups) * z.group;
    count = cols - from < z.group ? cols - from : z.group;
    w += g / (size_t)groups * (size_t)cols + (size_t)from;
    for (i = lane; i < count; i += 32) {
        float a = ob_absf(w[i]);
        sum += a > clamp ? clamp : a;
    }
    sum = ob_cuda_warp_sum(sum) / (float)count;
    if (z.median) sum = ob_cuda_group_median(w, count, clamp);
    if (lane == 0) scale[g] = ob_tensor_scale(&z, sum);
}

/* Codes of four columns of a row as bytes in their place, or as floats. Threads run over rows
   first, so that 16 of them write a group of 64 bytes. */
static __global__ void ob_cuda_codes_kernel(void *codes, int format, const float *scale, int step,
                                            const float *w, ob_quantizer z, int rows, int cols) {
    size_t quads = (size_t)((cols + 3) / 4), blocks = (size_t)((rows + 15) / 16);
    int groups = z.group ? (cols + z.group - 1) / z.group : 0;
    OB_CUDA_EACH(i, blocks * quads * 16) {
        int row = (int)(i / 16 / quads) * 16 + (int)(i % 16), col = (int)(i / 16 % quads) * 4, j;
        uint32_t word = 0;
        for (j = 0; j < 4; j++) {
            size_t at = (size_t)row * (size_t)cols + (size_t)(col + j);
            float s, v;
            if (row >= rows || col + j >= cols) continue;
            s = groups ? scale[(size_t)row * (size_t)groups + (size_t)((col + j) / z.group)]
                       : scale[(size_t)row * (size_t)step];
            ob_quantize_body(&v, w + at, 1, &z, s);
            if (format == OB_DENSE) ((float *)codes)[at] = v;
            word |= (uint32_t)(uint8_t)(int8_t)(int)v << 8 * j;
        }
        if (format != OB_DENSE) ((uint32_t *)codes)[i] = word;
    }
}

/* f32 and f16 have the scale 1. */
static __global__ void ob_cuda_one_kernel(float *scale) {
    if (threadIdx.x == 0) *scale = 1.0f;
}

/* As ob_cpu_quantize_weight; a scale may differ from the CPU's in its last place, and a code then
   where a weight lies between two. */
static void ob_cuda_quantize_weight(const ob_exec *x, void *codes, int format, float *scale,
                                    float *largest, const float *w, const ob_quantizer *z, int rows,
                                    int cols) {
    size_t n = (size_t)rows * (size_t)cols, groups = z->group ? ob_row_groups(cols, z->group) : 0;
    if (z->group)
        OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_group_scales,
                       ob_cuda_blocks((size_t)rows * groups, 8), 256, 0,
                       (scale, w, *z, (int)groups, cols, (size_t)rows * groups));
    else if (!ob_mode_is_integer(z->mode))
        OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_one_kernel, 1, 32, 0, (scale));
    else if (z->median && z->mode != ONEBIT_8BIT) ob_cuda_median(x, scale, w, z, n);
    else {
        OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_magnitude_kernel, (rows + 7) / 8, 256, 0,
                       (scale, largest, w, ob_clamp_bound(z), rows, cols));
        OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_scales_kernel, 1, 1024, 0,
                       (scale, largest, *z, rows, cols));
    }
    OB_CUDA_LAUNCH(x, "quantize_weight", ob_cuda_codes_kernel, ob_cuda_blocks((n + 3) / 4, 256),
                   256, 0, (codes, format, scale, z->mode == ONEBIT_8BIT, w, *z, rows, cols));
}

/* ---- Embedding ---- */

/* Number of row `row`, column col, without its scale. */
static __device__ __forceinline__ float ob_cuda_embedded(const uint8_t *data, size_t block_bytes,
                                                         int format, int row, int col, int cols,
                                                         const uint16_t *trits) {
    const uint8_t *block = data + (size_t)(row / 16) * block_bytes;
    int columns = format == OB_T2X16 ? 16 : format == OB_B1X16 ? 32 : format == OB_T5X16 ? 20 : 4;
    uint32_t word[2], raw;
    int plane = col % columns / 4, j = col % 4;
    if (format == OB_DENSE)
        return ((const float *)(const void *)data)[(size_t)row * (size_t)cols + (size_t)col];
    if (format == OB_F32X16 || format == OB_F16X16)
        return ob_cuda_number(block, format, row % 16, col);
    raw =
        ((const uint32_t *)(const void *)block)[(size_t)(col / columns) * 16 + (size_t)(row % 16)];
    if (format == OB_T2X16) {
        ob_cuda_unfold<OB_T2X16>(word, raw, trits);
        return (float)ob_cuda_code<OB_T2X16>(ob_cuda_plane<OB_T2X16>(word, plane), j);
    }
    if (format == OB_B1X16) {
        ob_cuda_unfold<OB_B1X16>(word, raw, trits);
        return (float)ob_cuda_code<OB_B1X16>(ob_cuda_plane<OB_B1X16>(word, plane), j);
    }
    if (format == OB_T5X16) {
        ob_cuda_unfold<OB_T5X16>(word, raw, trits);
        return (float)ob_cuda_code<OB_T5X16>(ob_cuda_plane<OB_T5X16>(word, plane), j);
    }
    return (float)(int8_t)(raw >> 8 * j & 255u);
}

static __global__ void ob_cuda_embed_kernel(float *out, const int32_t *ids, const uint8_t *data,
                                            size_t block_bytes, int format, const float *scale,
                                            int step, int group, int cols) {
    __shared__ uint16_t trits[256];
    int row = ids[blockIdx.x], groups = group ? (cols + group - 1) / group : 0;
    if (format == OB_T5X16) ob_cuda_trits(trits);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < cols; i += (int)blockDim.x) {
        size_t at = groups ? (size_t)row * (size_t)groups + (size_t)(i / group)
                           : (size_t)row * (size_t)step;
        out[(size_t)blockIdx.x * (size_t)cols + (size_t)i] =
            ob_cuda_embedded(data, block_bytes, format, row, i, cols, trits) * scale[at];
    }
}

static void ob_cuda_embed_forward(const ob_exec *x, float *out, const int32_t *ids,
                                  const ob_weight *w, int rows) {
    size_t bytes =
        w->format == OB_DENSE ? 0 : (size_t)ob_block_bytes((ob_format)w->format, w->cols);
    if (rows < 1) return;
    OB_CUDA_LAUNCH(x, "embed_forward", ob_cuda_embed_kernel, rows, ob_cuda_row_threads(w->cols), 0,
                   (out, ids, (const uint8_t *)w->data, bytes, w->format, w->scale, w->scale_step,
                    w->group, w->cols));
}

#define OB_CUDA_LIST 512 /* rows with one id that are added up at a time */

/* Puts the numbers of rows [*from, rows) that have this id into list, in order, until it is full;
   *from moves on. Gives how many. All threads; they look at as many rows at a time as they are. */
static __device__ int ob_cuda_rows_with(int32_t *list, uint8_t *same, const int32_t *ids, int id,
                                        int *from, int rows) {
    int count = 0, i, threads = (int)blockDim.x;
    while (*from < rows && count + threads <= OB_CUDA_LIST) {
        int r = *from + (int)threadIdx.x;
        same[threadIdx.x] = r < rows && ids[r] == id;
        __syncthreads();
        for (i = 0; i < threads; i++) {
            if (!same[i]) continue;
            if (threadIdx.x == 0) list[count] = *from + i;
            count++;
        }
        __syncthreads();
        *from += threads;
    }
    return count;
}

/* dw[id] += ste * dx of all rows with that id, in their order, by the block of the first of them.
   Reads all ids once per row: n^2 comparisons, 0.1 ms for 16,384 rows, and no atomics. */
static __global__ void ob_cuda_embed_grad_kernel(float *dw, const int32_t *ids, const float *dx,
                                                 float ste, int rows, int d) {
    __shared__ int32_t list[OB_CUDA_LIST];
    __shared__ uint8_t same[256];
    __shared__ int room[32];
    int row = (int)blockIdx.x, id = ids[row], from = row, count = 0, i, k;
    for (i = (int)threadIdx.x; i < row; i += (int)blockDim.x) count += ids[i] == id;
    if (ob_cuda_block_sum(count, room)) return;
    while (from < rows) {
        count = ob_cuda_rows_with(list, same, ids, id, &from, rows);
        for (i = (int)threadIdx.x; i < d; i += (int)blockDim.x) {
            float *out = dw + (size_t)id * (size_t)d + (size_t)i, sum = *out;
            for (k = 0; k < count; k++) sum += ste * dx[(size_t)list[k] * (size_t)d + (size_t)i];
            *out = sum;
        }
        __syncthreads();
    }
}

static void ob_cuda_embed_backward(const ob_exec *x, float *dw, const int32_t *ids, const float *dx,
                                   float ste, int rows, int d) {
    OB_CUDA_LAUNCH(x, "embed_backward", ob_cuda_embed_grad_kernel, rows, 256, 0,
                   (dw, ids, dx, ste, rows, d));
}

/* ---- Bias, activation, residual, softcap ---- */

static __global__ void ob_cuda_bias_kernel(float *y, const float *bias, int d, size_t n) {
    OB_CUDA_EACH(i, n) y[i] += bias[i % (size_t)d];
}

static void ob_cuda_bias_forward(const ob_exec *x, float *y, const float *bias, int rows, int d) {
    size_t n = (size_t)rows * (size_t)d;
    OB_CUDA_LAUNCH(x, "bias_forward", ob_cuda_bias_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (y, bias, d, n));
}

static void ob_cuda_bias_backward(const ob_exec *x, float *dbias, const float *dy, int rows,
                                  int d) {
    ob_cuda_columns(x, "bias_backward", dbias, dy, NULL, NULL, NULL, rows, d);
}

static __global__ void ob_cuda_act_kernel(float *h, const float *gate, const float *up, int act,
                                          size_t n) {
    OB_CUDA_EACH(i, n) ob_act_body(h + i, gate + i, up ? up + i : NULL, act, 1);
}

static void ob_cuda_act_forward(const ob_exec *x, float *h, const float *gate, const float *up,
                                int act, int rows, int d) {
    size_t n = (size_t)rows * (size_t)d;
    OB_CUDA_LAUNCH(x, "act_forward", ob_cuda_act_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (h, gate, up, act, n));
}

static __global__ void ob_cuda_act_grad_kernel(float *dgate, float *dup, const float *dh,
                                               const float *gate, const float *up, int act,
                                               size_t n) {
    OB_CUDA_EACH(i, n) {
        float slope, d = dh[i], a = ob_act_slope(gate[i], act, &slope);
        if (up) {
            dup[i] = d * a;
            d *= up[i];
        }
        dgate[i] = d * slope;
    }
}

static void ob_cuda_act_backward(const ob_exec *x, float *dgate, float *dup, const float *dh,
                                 const float *gate, const float *up, int act, int rows, int d) {
    size_t n = (size_t)rows * (size_t)d;
    OB_CUDA_LAUNCH(x, "act_backward", ob_cuda_act_grad_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (dgate, dup, dh, gate, up, act, n));
}

/* in NULL = zeros. */
static __global__ void ob_cuda_residual_kernel(float *out, const float *in, const float *y, float r,
                                               size_t n) {
    OB_CUDA_EACH(i, n) out[i] = __fadd_rn(in ? in[i] : 0.0f, __fmul_rn(r, y[i]));
}

static void ob_cuda_residual(const ob_exec *x, float *out, const float *in, const float *y, float r,
                             int rows, int d) {
    size_t n = (size_t)rows * (size_t)d;
    OB_CUDA_LAUNCH(x, "residual", ob_cuda_residual_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (out, in, y, r, n));
}

static __global__ void ob_cuda_softcap_kernel(float *logits, float cap, size_t n) {
    OB_CUDA_EACH(i, n) {
        float e = ob_exp(-2.0f * ob_absf(logits[i]) / cap), t = (1.0f - e) / (1.0f + e);
        logits[i] = logits[i] < 0.0f ? -cap * t : cap * t;
    }
}

static void ob_cuda_softcap(const ob_exec *x, float *logits, float cap, size_t n) {
    OB_CUDA_LAUNCH(x, "softcap", ob_cuda_softcap_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (logits, cap, n));
}

/* ---- Loss ---- */

/* Largest of a row and the sum of exponentials from it, in all threads. */
static __device__ __forceinline__ float ob_cuda_softmax_sums(const float *row, int V, float *most,
                                                             float *room) {
    float m = row[0], sum = 0.0f;
    int i;
    for (i = (int)threadIdx.x; i < V; i += (int)blockDim.x) m = row[i] > m ? row[i] : m;
    m = ob_cuda_block_max(m, room);
    for (i = (int)threadIdx.x; i < V; i += (int)blockDim.x) sum += expf(row[i] - m);
    *most = m;
    return ob_cuda_block_sum(sum, room);
}

/* As ob_loss_row: a row's loss and the gradient of its logits, which are never held for more rows
   than the head's part. Three readings of V floats, of which the second cache serves two. */
static __global__ void ob_cuda_loss_kernel(float *dlogits, double *row_loss, double *row_uniform,
                                           const float *logits, const int32_t *targets,
                                           float factor, float cap, float smoothing, int V) {
    __shared__ float room[32];
    __shared__ double wide[32];
    size_t at = (size_t)blockIdx.x * (size_t)V;
    int target = targets[blockIdx.x], i;
    float most = 0.0f, sum = 1.0f, inverse, lse;
    double total = 0.0;
    if (target >= 0) sum = ob_cuda_softmax_sums(logits + at, V, &most, room);
    inverse = 1.0f / sum, lse = most + logf(sum);
    for (i = (int)threadIdx.x; i < V; i += (int)blockDim.x) {
        float l = logits[at + (size_t)i], d = 0.0f;
        if (target >= 0) {
            d = expf(l - most) * inverse - smoothing / (float)V;
            if (i == target) d -= 1.0f - smoothing;
            d *= factor;
            if (cap > 0.0f) d *= 1.0f - (l / cap) * (l / cap);
            total += l;
        }
        dlogits[at + (size_t)i] = d;
    }
    if (smoothing > 0.0f) total = ob_cuda_block_sum(total, wide);
    if (threadIdx.x > 0) return;
    row_loss[blockIdx.x] = target < 0 ? 0.0 : (double)lse - (double)logits[at + (size_t)target];
    if (smoothing > 0.0f && target >= 0) row_uniform[blockIdx.x] = (double)lse - total / V;
}

static void ob_cuda_loss(const ob_exec *x, float *dlogits, double *row_loss, double *row_uniform,
                         const float *logits, const int32_t *targets, float factor, float cap,
                         float smoothing, int rows, int V) {
    OB_CUDA_LAUNCH(x, "loss", ob_cuda_loss_kernel, rows, ob_cuda_row_threads(V), 0,
                   (dlogits, row_loss, row_uniform, logits, targets, factor, cap, smoothing, V));
}

/* As ob_score_row. */
static __global__ void ob_cuda_score_kernel(double *nats, double *kl, const float *logits,
                                            const float *reference, const int32_t *targets, int V) {
    __shared__ float room[32];
    __shared__ double wide[32];
    size_t at = (size_t)blockIdx.x * (size_t)V;
    int target = targets[blockIdx.x], i;
    float most = 0.0f, own = 0.0f, sum = 1.0f, all = 1.0f;
    double lse, kept, total = 0.0;
    if (target >= 0) sum = ob_cuda_softmax_sums(logits + at, V, &most, room);
    if (target >= 0 && reference) all = ob_cuda_softmax_sums(reference + at, V, &own, room);
    lse = (double)(most + logf(sum)), kept = (double)(own + logf(all));
    if (target >= 0 && reference)
        for (i = (int)threadIdx.x; i < V; i += (int)blockDim.x) {
            size_t j = at + (size_t)i;
            total += (double)(expf(reference[j] - own) / all) *
                     ((double)reference[j] - (double)logits[j]);
        }
    total = ob_cuda_block_sum(total, wide);
    if (threadIdx.x > 0) return;
    nats[blockIdx.x] = target < 0 ? 0.0 : lse - (double)logits[at + (size_t)target];
    kl[blockIdx.x] = target < 0 || !reference ? 0.0 : total + lse - kept;
}

static void ob_cuda_score(const ob_exec *x, double *nats, double *kl, const float *logits,
                          const float *reference, const int32_t *targets, float *work, int rows,
                          int V) {
    (void)work;
    OB_CUDA_LAUNCH(x, "score", ob_cuda_score_kernel, rows, ob_cuda_row_threads(V), 0,
                   (nats, kl, logits, reference, targets, V));
}

/* =================================================================================================
   5 >>attention   RoPE, cache, attention forth and back.
   ============================================================================================== */

/* ---- Attention on the device ----------------------------------------------------------------- */
/* Kernels take the position from ob_cuda_at where a pass is recorded; no grid and no loop outside
   of a kernel depends on it then. ob_attention goes to kernels by value; its job is not used there.

   Three families:
   rows    float32, any d up to 1024, floats or codes in the cache: sessions, and training where
           bfloat16 is not wanted
   flash   bfloat16 products with float32 sums (Dao et al. 2022, 2023): training with x->half
   grad32, grad16   their gradients: dq, and dk and dv, each by who owns them, never added up by two
           blocks, so nothing depends on the order in which blocks run. */

#if defined(__CUDACC__)
#define OB_CUDA_UNROLL   _Pragma("unroll")
#define OB_CUDA_UNROLL_R _Pragma("unroll (R > 8 ? 4 : 8)")
#define OB_CUDA_UNROLL_2 _Pragma("unroll 2")
#else
#define OB_CUDA_UNROLL
#define OB_CUDA_UNROLL_R
#define OB_CUDA_UNROLL_2
#endif

/* Older devices get empty kernels: without the instruction they would be slower than float32, and
   their assembler needs minutes. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define OB_CUDA_TENSOR 0
#else
#define OB_CUDA_TENSOR 1
#endif

#define OB_CUDA_LOWEST (-3.0e38f) /* below every score, and less itself it is 0, not NaN */
#define OB_CUDA_LOG2E  1.44269504f
#define OB_CUDA_LN2    0.69314718f

/* Numbers that move together: one load of 16 or 8 bytes. */
struct __align__(16) ob_cuda_quad {
    float x[4];
};
struct __align__(16) ob_cuda_words {
    uint32_t x[4];
};
struct __align__(8) ob_cuda_two {
    float x, y;
};
struct __align__(8) ob_cuda_two_words {
    uint32_t x, y;
};

/* Four numbers of a panel, in floats or in codes; p is aligned to four of them. */
static __device__ __forceinline__ ob_cuda_quad ob_cuda_quad_at(const float *p) {
    return *(const ob_cuda_quad *)(const void *)p;
}
static __device__ __forceinline__ ob_cuda_quad ob_cuda_quad_at(const int8_t *p) {
    uint32_t word = *(const uint32_t *)(const void *)p;
    ob_cuda_quad q;
    OB_CUDA_UNROLL
    for (int e = 0; e < 4; e++) q.x[e] = (float)(int8_t)(uint8_t)(word >> 8 * e);
    return q;
}

/* ob_wide of the host. */
static __host__ __device__ __forceinline__ size_t ob_cuda_wide(int n) {
    return ((size_t)n + OB_KEYS - 1) / OB_KEYS * OB_KEYS;
}

/* ---- RoPE and the way into the cache --------------------------------------------------------- */

/* ob_rope_row: a block per row, threads over its pairs. 8 bytes read and written per number, so
   memory bounds it; products are rounded one by one, as on the CPU. */
static __global__ void ob_cuda_rope_kernel(float *v, const float *table, int T, const int *at,
                                           int start, int heads, int d, float direction) {
    int half = d / 2, row = (int)blockIdx.x, n;
    const float *c = table + (size_t)(start + (at ? *at : 0) + row % T) * (size_t)d, *s = c + half;
    v += (size_t)row * (size_t)heads * (size_t)d;
    for (n = (int)threadIdx.x; n < heads * half; n += (int)blockDim.x) {
        int i = n % half;
        float *p = v + (size_t)(n / half) * (size_t)d + i;
        float a = p[0], b = p[half], cosine = c[i], sine = s[i] * direction;
        p[0] = __fadd_rn(__fmul_rn(a, cosine), -__fmul_rn(b, sine));
        p[half] = __fadd_rn(__fmul_rn(b, cosine), __fmul_rn(a, sine));
    }
}

/* v [rows][heads][d] turned in place; token r stands at position start + r % T. */
static void ob_cuda_rope(const ob_exec *x, float *v, const float *table, int rows, int T, int start,
                         int heads, int d, float direction) {
    const int *at = ob_cuda_at(x);
    int threads = heads * d / 2 >= 256 ? 256 : 64;
    if (rows < 1 || d < 2) return;
    OB_CUDA_LAUNCH(x, "rope", ob_cuda_rope_kernel, rows, threads, 0,
                   (v, table, T, at, at ? 0 : start, heads, d, direction));
}

/* What a block of cache_store works on: one matrix of one head, a panel of 32 positions. */
struct ob_cuda_store {
    const float *from; /* row of position 0 of the new ones */
    size_t row;        /* floats from one position to the next */
    int start, T, d, panel;
};

/* Number i of position t of the sequence; 0 where nothing is stored. */
static __device__ __forceinline__ float ob_cuda_store_get(const ob_cuda_store &s, int t, int i) {
    if (t < s.start || t >= s.start + s.T || i >= s.d) return 0.0f;
    return s.from[(size_t)(t - s.start) * s.row + (size_t)i];
}

/* Scales of the block's positions as ob_code8_body has them, and 127 / most into inverse [32]. Warp
   w takes positions w, w + 8 ... What is not finite makes the scale no number. */
static __device__ void ob_cuda_store_scales(const ob_cuda_store &s, float *scale, float *inverse) {
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, j, i;
    for (j = warp; j < OB_KEYS; j += 8) {
        int t = s.panel * OB_KEYS + j;
        float most = 1e-5f, bad = 0.0f;
        for (i = lane; i < s.d; i += 32) {
            float v = ob_cuda_store_get(s, t, i), size = v < 0.0f ? -v : v;
            most = size > most ? size : most; /* NaN is not more */
            bad += v * 0.0f;
        }
        most = ob_cuda_warp_max(most), bad = ob_cuda_warp_sum(bad);
        if (lane == 0) inverse[j] = __fdiv_rn(127.0f, most);
        if (lane == 0 && t >= s.start && t < s.start + s.T)
            scale[t] = __fadd_rn(__fdiv_rn(most, 127.0f), bad);
    }
}

/* The number as it is kept: itself, or its code (ob_round and two selects, NaN becomes -127). */
static __device__ __forceinline__ void ob_cuda_store_put(float *p, float v, float) { *p = v; }
static __device__ __forceinline__ void ob_cuda_store_put(int8_t *p, float v, float inverse) {
    const float magic = 12582912.0f;
    v = __fadd_rn(__fadd_rn(__fmul_rn(v, inverse), magic), -magic);
    v = v > -127.0f ? v : -127.0f;
    *p = (int8_t)(int)(v < 127.0f ? v : 127.0f);
}

/* Keys of a panel, [d][32]: 32 x 32 numbers at a time are turned in shared memory, so that reads
   run along d and writes along positions. */
template <class N>
static __device__ void ob_cuda_store_keys(const ob_cuda_store &s, N *keys, const float *inverse) {
    __shared__ float turn[32][33];
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, c, j;
    int t = s.panel * OB_KEYS + lane, stored = t >= s.start && t < s.start + s.T;
    for (c = 0; c < s.d; c += 32) {
        for (j = warp; j < 32; j += 8)
            turn[j][lane] = ob_cuda_store_get(s, s.panel * OB_KEYS + j, c + lane);
        __syncthreads();
        for (j = warp; j < 32; j += 8)
            if (stored && c + j < s.d)
                ob_cuda_store_put(keys + ((size_t)s.panel * (size_t)s.d + (size_t)(c + j)) * 32 +
                                      lane,
                                  turn[lane][j], inverse[lane]);
        __syncthreads();
    }
}

/* Values, [wide / 32][cap][32], with zeros behind d. */
template <class N>
static __device__ void ob_cuda_store_values(const ob_cuda_store &s, N *values, int cap,
                                            const float *inverse) {
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, c, j;
    for (j = warp; j < OB_KEYS; j += 8) {
        int t = s.panel * OB_KEYS + j;
        if (t < s.start || t >= s.start + s.T) continue;
        for (c = 0; c < s.d; c += 32)
            ob_cuda_store_put(values + ((size_t)(c / 32) * (size_t)cap + (size_t)t) * 32 + lane,
                              ob_cuda_store_get(s, t, c + lane), inverse[j]);
    }
}

/* Blocks: head (b * K + kh), panel behind that of start, keys or values. 256 threads. Bound by 8
   bytes per number (5 with codes), but at T = 1 by the launch. */
template <class N>
static __global__ void ob_cuda_store_kernel(ob_cache cache, const float *k, const float *v, int T,
                                            const int *at, int start, int K, int d, int cap) {
    __shared__ float inverse[OB_KEYS];
    size_t head = blockIdx.x, b = head / (size_t)K, kh = head % (size_t)K;
    int values = (int)blockIdx.z;
    ob_cuda_store s;
    s.start = start + (at ? *at : 0), s.T = T, s.d = d, s.row = (size_t)K * (size_t)d;
    s.panel = s.start / OB_KEYS + (int)blockIdx.y;
    s.from = (values ? v : k) + (b * (size_t)T * (size_t)K + kh) * (size_t)d;
    if (cache.k_scale)
        ob_cuda_store_scales(s, (values ? cache.v_scale : cache.k_scale) + head * (size_t)cap,
                             inverse);
    __syncthreads();
    if (values)
        ob_cuda_store_values(s, (N *)cache.v + head * (size_t)cap * ob_cuda_wide(d), cap, inverse);
    else ob_cuda_store_keys(s, (N *)cache.k + head * ob_cuda_wide(cap) * (size_t)d, inverse);
}

/* k, v [B*T][K][d] go to positions start .. start + T - 1, in at most (T + 62) / 32 panels. */
static void ob_cuda_cache_store(const ob_exec *x, const ob_cache *cache, const float *k,
                                const float *v, int B, int T, int start, int K, int d, int cap) {
    const int *at = ob_cuda_at(x);
    dim3 blocks((unsigned)(B * K), (unsigned)((T + 2 * OB_KEYS - 2) / OB_KEYS), 2);
    if (B < 1 || T < 1) return;
    start = at ? 0 : start;
    if (cache->k_scale)
        OB_CUDA_LAUNCH(x, "cache_store", ob_cuda_store_kernel<int8_t>, blocks, 256, 0,
                       (*cache, k, v, T, at, start, K, d, cap));
    else
        OB_CUDA_LAUNCH(x, "cache_store", ob_cuda_store_kernel<float>, blocks, 256, 0,
                       (*cache, k, v, T, at, start, K, d, cap));
}

/* ---- Attention in float32, forward ----------------------------------------------------------- */
/* The rows of a key head are its T * G pairs of a position and one of G = H / K query heads, row r
   being position r / G and head r % G: neighbours share the keys that they see, so a block of R
   rows reads every key and value once, for decode (all of a group) as for a prompt. 4 warps take
   128 keys at a time, a panel of 32 each; each lane loads 4 keys of one dim, or 4 dims of one
   value, so that a warp reads 512 bytes (128 of codes) side by side. The softmax runs along: most
   is the largest score so far, sums count from it, and are taken down when it grows.

   blockIdx: (head b * K + kh, block of rows from the last, split of the keys). Splits are what
   fills the device when few rows meet a long context; a second kernel joins them in order. Decode
   is bound by the bytes of the cache, 2 * K * d * 4 (or 1) per position and sequence; prompts by
   the float32 rate, 2 * 2 * H * d operations per pair of a position and a key. */

#define OB_CUDA_TILE_KEYS  128
#define OB_CUDA_MAX_SPLITS 64
#define OB_CUDA_FILL       512 /* blocks of 128 threads that fill a device: four on each of 128 */

/* The sums of 4 lanes, 8 apart, of 4 things each: every lane keeps one, number ob_cuda_own. Half of
   what is held is given away at each step: 3 exchanges instead of 8. */
static __device__ __forceinline__ int ob_cuda_own(int lane) {
    return 4 * (lane & 7) + (lane & 16 ? 2 : 0) + (lane & 8 ? 1 : 0);
}
static __device__ __forceinline__ float ob_cuda_fold(float a, float b, float c, float d, int lane) {
    int high = lane & 16, odd = lane & 8;
    float even_sum = (high ? c : a) + __shfl_xor_sync(0xffffffffu, high ? a : c, 16);
    float odd_sum = (high ? d : b) + __shfl_xor_sync(0xffffffffu, high ? b : d, 16);
    return (odd ? odd_sum : even_sum) + __shfl_xor_sync(0xffffffffu, odd ? even_sum : odd_sum, 8);
}

/* Which row of q, o and lse row r of key head kh is. */
static __device__ __forceinline__ size_t ob_cuda_row(const ob_attention &a, int b, int kh, int r) {
    int G = a.H / a.K;
    return (size_t)(b * a.T + r / G) * (size_t)a.H + (size_t)(kh * G + r % G);
}

/* q [d][R] = the block's rows times 1 / sqrt d, and how many keys each sees; rows behind the last
   are zeros and see none. */
template <int R>
static __device__ void ob_cuda_rows_load(float *q, int *seen, const ob_attention &a, int b, int kh,
                                         int first, int start) {
    int G = a.H / a.K, rows = a.T * G, n;
    float scale = 1.0f / sqrtf((float)a.d);
    for (n = (int)threadIdx.x; n < a.d * R; n += 128) {
        int r = n / a.d, i = n % a.d;
        q[i * R + r] = first + r < rows
                           ? a.q[ob_cuda_row(a, b, kh, first + r) * (size_t)a.d + (size_t)i] * scale
                           : 0.0f;
    }
    if ((int)threadIdx.x < R) {
        int r = first + (int)threadIdx.x;
        seen[threadIdx.x] = r < rows ? start + r / G + 1 : 0;
    }
}

/* s[r] = q_r times key ob_cuda_own(lane) of a panel [d][32]. */
template <int R, class N>
static __device__ __forceinline__ void ob_cuda_rows_scores(float s[R], const float *q,
                                                           const N *panel, int d, int lane) {
    float sum[4][R];
    int r, e, i;
    OB_CUDA_UNROLL
    for (r = 0; r < 4 * R; r++) sum[r / R][r % R] = 0.0f;
    OB_CUDA_UNROLL_R
    for (i = lane / 8; i < d; i += 4) {
        ob_cuda_quad k = ob_cuda_quad_at(panel + i * OB_KEYS + lane % 8 * 4);
        OB_CUDA_UNROLL
        for (r = 0; r < R; r++) {
            OB_CUDA_UNROLL
            for (e = 0; e < 4; e++) sum[e][r] += q[i * R + r] * k.x[e];
        }
    }
    OB_CUDA_UNROLL
    for (r = 0; r < R; r++) s[r] = ob_cuda_fold(sum[0][r], sum[1][r], sum[2][r], sum[3][r], lane);
}

/* o[e][r] += p_r times 4 values, of a panel [cap][32] from position t on; of the block's 128 keys,
   every parts-th four from the part-th on, less those from n on. p is [128][R]. */
template <int R, class N>
static __device__ __forceinline__ void ob_cuda_rows_mix(float o[4][R], const float *p,
                                                        const N *panel, int t, int n, int part,
                                                        int parts, int lane) {
    int k, r, e;
    panel += (size_t)t * 32 + (size_t)(lane % 8 * 4);
    n = n - t < OB_CUDA_TILE_KEYS ? n - t : OB_CUDA_TILE_KEYS;
    OB_CUDA_UNROLL_R
    for (k = 4 * part + lane / 8; k < n; k += 4 * parts) {
        ob_cuda_quad v = ob_cuda_quad_at(panel + k * 32);
        OB_CUDA_UNROLL
        for (r = 0; r < R; r++) {
            OB_CUDA_UNROLL
            for (e = 0; e < 4; e++) o[e][r] += p[k * R + r] * v.x[e];
        }
    }
}

/* One step of the softmax: s become exp(score - most), most and sum move on, and fall[r] is what
   sums made before are worth now. best [4][R] passes the warps' largest around; the caller has a
   barrier between this step and the next. */
template <int R>
static __device__ __forceinline__ void ob_cuda_rows_softmax(float s[R], float most[R], float sum[R],
                                                            float fall[R], float *best, int lane,
                                                            int warp) {
    int r;
    OB_CUDA_UNROLL
    for (r = 0; r < R; r++) {
        float top = ob_cuda_warp_max(s[r]);
        if (lane == 0) best[warp * R + r] = top;
    }
    __syncthreads();
    OB_CUDA_UNROLL
    for (r = 0; r < R; r++) {
        float next = fmaxf(fmaxf(fmaxf(best[r], best[R + r]), best[2 * R + r]), best[3 * R + r]);
        next = fmaxf(next, most[r]);
        fall[r] = expf(most[r] - next);
        s[r] = expf(s[r] - next);
        sum[r] = sum[r] * fall[r] + s[r];
        most[r] = next;
    }
}

/* Writes 32 * columns dims from `from` on of the block's rows, adding up the parts of warps in p
   [4][32][R]: divided by total into o; or, with splits, as they are into work, where a row and
   split has d + 2 floats, the last two for most and total. */
template <int R>
static __device__ void ob_cuda_rows_put(const ob_attention &a, float *work, const float *p,
                                        const float *total, int b, int kh, int first, int from,
                                        int columns) {
    int n, w, i, r, splits = (int)gridDim.z;
    for (n = (int)threadIdx.x; n < R * 32 * columns; n += 128) {
        float v = 0.0f;
        size_t row;
        r = n / (32 * columns), i = n % (32 * columns);
        if (first + r >= a.T * (a.H / a.K) || from + i >= a.d) continue;
        for (w = 0; w < 4; w += columns) v += p[(w * 32 + i) * R + r];
        row = ob_cuda_row(a, b, kh, first + r);
        if (splits == 1) a.o[row * (size_t)a.d + (size_t)(from + i)] = v / total[r];
        else work[(row * (size_t)splits + blockIdx.z) * (size_t)(a.d + 2) + (size_t)(from + i)] = v;
    }
}

/* The rest of rows_put: the largest score and the total of each row, by one thread each. */
static __device__ __forceinline__ void ob_cuda_rows_end(const ob_attention &a, float *work,
                                                        size_t row, float most, float total) {
    size_t splits = gridDim.z;
    if (splits > 1) {
        work += (row * splits + blockIdx.z + 1) * (size_t)(a.d + 2) - 2;
        work[0] = most, work[1] = total;
    } else if (a.lse) {
        a.lse[row] = most + logf(total);
    }
}

/* R rows, up to 4 * NP panels of values: warp w owns panels w, w + 4 ... or, when there are but one
   or two of them, panel w % columns and a part of the keys. 128 threads. */
template <int R, int NP, class N>
static __global__ void __launch_bounds__(128)
    ob_cuda_rows_kernel(ob_attention a, const int *at, float *work) {
    __shared__ __align__(16) float q[NP * 128 * R], p[OB_CUDA_TILE_KEYS * R];
    __shared__ float best[4 * R], total[R];
    __shared__ int seen[R];
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, own = ob_cuda_own(lane);
    int head = (int)blockIdx.x, b = head / a.K, kh = head % a.K, G = a.H / a.K;
    int first = (int)(gridDim.y - 1 - blockIdx.y) * R, start = a.start + (at ? *at : 0);
    int last = first + R < a.T * G ? first + R - 1 : a.T * G - 1, n = start + last / G + 1;
    int panels = (a.d + 31) / 32, columns = panels > 2 ? 4 : panels, codes = a.cache.k_scale != 0;
    int64_t tiles = (n + OB_CUDA_TILE_KEYS - 1) / OB_CUDA_TILE_KEYS;
    int tile = (int)(tiles * blockIdx.z / gridDim.z);
    int to = (int)(tiles * (blockIdx.z + 1) / gridDim.z);
    const N *keys = (const N *)a.cache.k + (size_t)head * ob_cuda_wide(a.cap) * (size_t)a.d;
    const N *values = (const N *)a.cache.v + (size_t)head * (size_t)a.cap * ob_cuda_wide(a.d);
    const float *k_scale = a.cache.k_scale + (size_t)head * (size_t)a.cap;
    const float *v_scale = a.cache.v_scale + (size_t)head * (size_t)a.cap;
    float o[NP][4][R], s[R], fall[R], most[R], sum[R];
    int r, c, e;
    OB_CUDA_UNROLL
    for (r = 0; r < R; r++) {
        most[r] = OB_CUDA_LOWEST, sum[r] = 0.0f;
        OB_CUDA_UNROLL
        for (e = 0; e < 4 * NP; e++) o[e / 4][e % 4][r] = 0.0f;
    }
    ob_cuda_rows_load<R>(q, seen, a, b, kh, first, start);
    __syncthreads();
    for (; tile < to; tile++) {
        int t = tile * OB_CUDA_TILE_KEYS, panel = t + warp * OB_KEYS, j = panel + own;
        float ks = codes && j < n ? k_scale[j] : 1.0f, vs = codes && j < n ? v_scale[j] : 1.0f;
        if (panel < n)
            ob_cuda_rows_scores<R, N>(s, q, keys + (size_t)panel * (size_t)a.d, a.d, lane);
        OB_CUDA_UNROLL
        for (r = 0; r < R; r++) s[r] = j < seen[r] ? s[r] * ks : -INFINITY;
        ob_cuda_rows_softmax<R>(s, most, sum, fall, best, lane, warp);
        OB_CUDA_UNROLL
        for (r = 0; r < R; r++) {
            p[(warp * 32 + own) * R + r] = s[r] * vs;
            OB_CUDA_UNROLL
            for (e = 0; e < 4 * NP; e++) o[e / 4][e % 4][r] *= fall[r];
        }
        __syncthreads();
        OB_CUDA_UNROLL
        for (c = 0; c < NP; c++)
            if (warp % columns + 4 * c < panels)
                ob_cuda_rows_mix<R, N>(
                    o[c], p, values + (size_t)(warp % columns + 4 * c) * (size_t)a.cap * 32, t, n,
                    warp / columns, 4 / columns, lane);
    }
    __syncthreads(); /* best and p have been read */
    OB_CUDA_UNROLL
    for (r = 0; r < R; r++) {
        sum[r] = ob_cuda_warp_sum(sum[r]);
        if (lane == 0) best[warp * R + r] = sum[r];
    }
    __syncthreads();
    OB_CUDA_UNROLL
    for (r = 0; r < R; r++)
        if ((int)threadIdx.x == r) {
            total[r] = ((best[r] + best[R + r]) + best[2 * R + r]) + best[3 * R + r];
            if (first + r < a.T * G)
                ob_cuda_rows_end(a, work, ob_cuda_row(a, b, kh, first + r), most[r], total[r]);
        }
    OB_CUDA_UNROLL
    for (c = 0; c < NP; c++) {
        OB_CUDA_UNROLL
        for (r = 0; r < R; r++)
            p[(warp * 32 + own) * R + r] =
                ob_cuda_fold(o[c][0][r], o[c][1][r], o[c][2][r], o[c][3][r], lane);
        __syncthreads();
        ob_cuda_rows_put<R>(a, work, p, total, b, kh, first, 128 * c, columns);
        __syncthreads();
    }
}

/* A block per row adds up its splits, in order. Bound by splits * (d + 2) * 4 bytes, mostly of the
   second cache. 128 threads. */
static __global__ void ob_cuda_join_kernel(ob_attention a, const float *work, int splits) {
    __shared__ float weight[OB_CUDA_MAX_SPLITS];
    size_t row = blockIdx.x, step = (size_t)(a.d + 2);
    const float *part = work + row * (size_t)splits * step, *end = part + a.d;
    int lane = (int)threadIdx.x % 32, s, i;
    float top = OB_CUDA_LOWEST, total = 0.0f;
    for (s = lane; s < splits; s += 32) top = fmaxf(top, end[(size_t)s * step]);
    top = ob_cuda_warp_max(top);
    s = (int)threadIdx.x;
    if (s < splits) weight[s] = expf(end[(size_t)s * step] - top);
    __syncthreads();
    for (s = 0; s < splits; s++) total += weight[s] * end[(size_t)s * step + 1];
    for (i = (int)threadIdx.x; i < a.d; i += 128) {
        float sum = 0.0f;
        for (s = 0; s < splits; s++)
            if (weight[s] != 0.0f) sum += weight[s] * part[(size_t)s * step + (size_t)i];
        a.o[row * (size_t)a.d + (size_t)i] = sum / total;
    }
    if (a.lse && threadIdx.x == 0) a.lse[row] = top + logf(total);
}

/* Rows of a block: those of decode if they are few, and fewer for wide heads, whose sums take more
   registers. */
static int ob_cuda_rows_of(int rows, int d) {
    return d > 128 || rows <= 4 ? 4 : rows <= 8 ? 8 : 16;
}

/* Work memory that attention of B * T positions wants, in bytes: of forward the parts of splits
   (rows * splits <= OB_CUDA_FILL * R, see ob_cuda_splits; with less there are fewer splits), of
   backward a sum per row, which it cannot do without. */
static size_t ob_cuda_attention_bytes(int B, int T, int H, int d) {
    size_t rows = (size_t)B * (size_t)T * (size_t)H, parts = rows * OB_CUDA_MAX_SPLITS;
    size_t most = OB_CUDA_FILL * (d > 128 ? 4 : 16);
    size_t bytes = (parts < most ? parts : most) * (size_t)(d + 2) * sizeof(float);
    return ob_round_up(bytes > rows * sizeof(float) ? bytes : rows * sizeof(float), 64);
}

/* Parts that the keys are cut into: as many as fill the device, as the cache has tiles for, and as
   work memory has room for. Depends on no position, for the sake of graphs. */
static int ob_cuda_splits(const ob_exec *x, const ob_attention *a, int R) {
    size_t rows = (size_t)a->B * (size_t)a->T * (size_t)a->H, tiles, room;
    size_t blocks = (size_t)a->B * (size_t)a->K * (size_t)((a->T * (a->H / a->K) + R - 1) / R);
    size_t splits = OB_CUDA_FILL / blocks;
    tiles = ((size_t)a->cap + OB_CUDA_TILE_KEYS - 1) / OB_CUDA_TILE_KEYS;
    room = x->work_bytes / (rows * (size_t)(a->d + 2) * sizeof(float));
    splits = splits < tiles ? splits : tiles;
    splits = splits < room ? splits : room;
    splits = splits < OB_CUDA_MAX_SPLITS ? splits : OB_CUDA_MAX_SPLITS;
    return splits > 1 ? (int)splits : 1;
}

/* Forward in float32, N the type of the cache. */
template <class N>
static void ob_cuda_attention_rows(const ob_exec *x, const ob_attention *a, const int *at) {
    int rows = a->T * (a->H / a->K), R = ob_cuda_rows_of(rows, a->d);
    int splits = ob_cuda_splits(x, a, R);
    float *work = (float *)(void *)x->work;
    dim3 blocks((unsigned)(a->B * a->K), (unsigned)((rows + R - 1) / R), (unsigned)splits);
    const char *name = "attention_forward";
    if (a->d > 128)
        OB_CUDA_LAUNCH(x, name, (ob_cuda_rows_kernel<4, 8, N>), blocks, 128, 0, (*a, at, work));
    else if (R == 4)
        OB_CUDA_LAUNCH(x, name, (ob_cuda_rows_kernel<4, 1, N>), blocks, 128, 0, (*a, at, work));
    else if (R == 8)
        OB_CUDA_LAUNCH(x, name, (ob_cuda_rows_kernel<8, 1, N>), blocks, 128, 0, (*a, at, work));
    else OB_CUDA_LAUNCH(x, name, (ob_cuda_rows_kernel<16, 1, N>), blocks, 128, 0, (*a, at, work));
    if (splits > 1)
        OB_CUDA_LAUNCH(x, name, ob_cuda_join_kernel, a->B * a->T * a->H, 128, 0,
                       (*a, work, splits));
}

/* ---- Attention in bfloat16: what its kernels share ------------------------------------------- */
/* D is d up to 32, 64, 96 or 128, filled with zeros. A block has 4 warps of 16 rows, which stay in
   registers as A fragments; the columns come by in tiles of N, as B fragments in shared memory,
   laid out so that the two words of a lane stand side by side and no two lanes of half a warp meet
   in a bank: word h of fragment (k / 16, t) and column n at (((k / 16) * 4 + t) * (columns + 4) +
   n) * 2 + h. A product of 16 x 8 x 16 reads 256 bytes of it, two cycles of an SM, which is what an
   A100 takes for the product itself; and each tile of floats comes from the second cache once per
   64 rows. These two bound the kernels (by count; not measured), newer tensor cores do not. */

#define OB_CUDA_ROWS 64 /* of a block of 128 threads */

/* Rows of d floats: number i of row t stands at p[i / 32 * panel + t * row + i % 32]. So lie both
   q, k, o [B*T][heads][d] (panel 32) and the values of a cache. */
struct ob_cuda_view {
    const float *p;
    size_t row, panel;
};

/* Head h of sequence b of x [B*T][heads][d]. */
static __device__ __forceinline__ ob_cuda_view ob_cuda_view_of(const float *x, int b, int T,
                                                               int heads, int h, int d) {
    ob_cuda_view v;
    v.p = x + ((size_t)b * (size_t)T * (size_t)heads + (size_t)h) * (size_t)d;
    v.row = (size_t)heads * (size_t)d, v.panel = 32;
    return v;
}

/* The values of a key head. */
static __device__ __forceinline__ ob_cuda_view ob_cuda_values_of(const ob_attention &a, int b,
                                                                 int kh) {
    ob_cuda_view v;
    v.p = (const float *)a.cache.v + (size_t)(b * a.K + kh) * (size_t)a.cap * ob_cuda_wide(a.d);
    v.row = 32, v.panel = (size_t)a.cap * 32;
    return v;
}

/* Number i of row t, zero outside. */
static __device__ __forceinline__ float ob_cuda_one_at(const ob_cuda_view &v, int t, int i, int T,
                                                       int d) {
    if (t >= T || i >= d) return 0.0f;
    return v.p[(size_t)(i / 32) * v.panel + (size_t)t * v.row + (size_t)(i % 32)];
}

/* Numbers i and i + 1 (i even, d even) of row t. */
static __device__ __forceinline__ ob_cuda_two ob_cuda_two_at(const ob_cuda_view &v, int t, int i,
                                                             int T, int d) {
    ob_cuda_two zero = {0.0f, 0.0f};
    if (t >= T || i >= d) return zero;
    return *(const ob_cuda_two *)(const void *)(v.p + (size_t)(i / 32) * v.panel +
                                                (size_t)t * v.row + (size_t)(i % 32));
}
static __device__ __forceinline__ uint32_t ob_cuda_pair_at(const ob_cuda_view &v, int t, int i,
                                                           int T, int d) {
    ob_cuda_two x = ob_cuda_two_at(v, t, i, T, d);
    return ob_cuda_pair(x.x, x.y);
}

/* A fragments of 16 rows from `row` on, along d. */
template <int D>
static __device__ __forceinline__ void
ob_cuda_fragments(uint32_t a[D / 16][4], const ob_cuda_view &v, int row, int T, int d, int lane) {
    int k, g = row + lane / 4, t = lane % 4 * 2;
    OB_CUDA_UNROLL
    for (k = 0; k < D / 16; k++) {
        a[k][0] = ob_cuda_pair_at(v, g, 16 * k + t, T, d);
        a[k][1] = ob_cuda_pair_at(v, g + 8, 16 * k + t, T, d);
        a[k][2] = ob_cuda_pair_at(v, g, 16 * k + t + 8, T, d);
        a[k][3] = ob_cuda_pair_at(v, g + 8, 16 * k + t + 8, T, d);
    }
}

/* Words of a tile with k along d and N rows as columns; with k across, N rows, d as columns. */
#define OB_CUDA_ALONG(D, N)  ((D) / 4 * ((N) + 4) * 2)
#define OB_CUDA_ACROSS(D, N) ((N) / 4 * ((D) + 4) * 2)

/* Fills one with k along d: columns are rows [from, from + N). Four lanes read 64 bytes of one. */
template <int D, int N>
static __device__ __forceinline__ void ob_cuda_along(uint32_t *tile, const ob_cuda_view &v,
                                                     int from, int T, int d) {
    int j;
    OB_CUDA_UNROLL_2
    for (j = 0; j < D / 4 * N / 128; j++) {
        int i = (int)threadIdx.x + 128 * j, t = i % 4, n = i / 4 % N, k = i / (4 * N);
        ob_cuda_two_words w;
        w.x = ob_cuda_pair_at(v, from + n, 16 * k + 2 * t, T, d);
        w.y = ob_cuda_pair_at(v, from + n, 16 * k + 2 * t + 8, T, d);
        *(ob_cuda_two_words *)(void *)(tile + ((k * 4 + t) * (N + 4) + n) * 2) = w;
    }
}

/* Fills one with k along rows [from, from + N): a thread pairs up two dims of four rows. */
template <int D, int N>
static __device__ __forceinline__ void ob_cuda_across(uint32_t *tile, const ob_cuda_view &v,
                                                      int from, int T, int d) {
    int j;
    OB_CUDA_UNROLL_2
    for (j = 0; j < N / 4 * (D / 2) / 128; j++) {
        int i = (int)threadIdx.x + 128 * j, n = i % (D / 2) * 2, t = i / (D / 2) % 4;
        int k = i / (D * 2), r = from + 16 * k + 2 * t;
        ob_cuda_two a = ob_cuda_two_at(v, r, n, T, d), b = ob_cuda_two_at(v, r + 1, n, T, d);
        ob_cuda_two c = ob_cuda_two_at(v, r + 8, n, T, d), e = ob_cuda_two_at(v, r + 9, n, T, d);
        ob_cuda_words w;
        w.x[0] = ob_cuda_pair(a.x, b.x), w.x[1] = ob_cuda_pair(c.x, e.x);
        w.x[2] = ob_cuda_pair(a.y, b.y), w.x[3] = ob_cuda_pair(c.y, e.y);
        *(ob_cuda_words *)(void *)(tile + ((k * 4 + t) * (D + 4) + n) * 2) = w;
    }
}

/* c += a b for one 16 x 8 x 16, b the columns from n on of fragment k of a tile. */
static __device__ __forceinline__ void ob_cuda_product(float c[4], const uint32_t a[4],
                                                       const uint32_t *tile, int k, int columns,
                                                       int n, int lane) {
    ob_cuda_two_words w =
        *(const ob_cuda_two_words *)(const void *)(tile + ((k * 4 + lane % 4) * (columns + 4) + n +
                                                           lane / 4) *
                                                              2);
    uint32_t b[2];
    b[0] = w.x, b[1] = w.y;
    ob_cuda_mma(c, a, b);
}

/* s [16][N] = 16 rows times the N columns of a tile along d. */
template <int D, int N>
static __device__ __forceinline__ void
ob_cuda_scores(float s[N / 8][4], const uint32_t a[D / 16][4], const uint32_t *tile, int lane) {
    int k, n;
    OB_CUDA_UNROLL
    for (n = 0; n < N / 8; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0.0f;
    OB_CUDA_UNROLL
    for (k = 0; k < D / 16; k++) {
        OB_CUDA_UNROLL
        for (n = 0; n < N / 8; n++) ob_cuda_product(s[n], a[k], tile, k, N, 8 * n, lane);
    }
}

/* o [16][D] += p [16][N] times a tile across d: sums of one product are the A of the next. */
template <int D, int N>
static __device__ __forceinline__ void ob_cuda_mix(float o[D / 8][4], const float p[N / 8][4],
                                                   const uint32_t *tile, int lane) {
    int k, n;
    OB_CUDA_UNROLL
    for (k = 0; k < N / 16; k++) {
        uint32_t a[4];
        a[0] = ob_cuda_pair(p[2 * k][0], p[2 * k][1]);
        a[1] = ob_cuda_pair(p[2 * k][2], p[2 * k][3]);
        a[2] = ob_cuda_pair(p[2 * k + 1][0], p[2 * k + 1][1]);
        a[3] = ob_cuda_pair(p[2 * k + 1][2], p[2 * k + 1][3]);
        OB_CUDA_UNROLL
        for (n = 0; n < D / 8; n++) ob_cuda_product(o[n], a, tile, k, D, 8 * n, lane);
    }
}

/* Writes 16 rows of sums from `row` on, those of the upper and lower eight times f0 and f1. */
template <int D>
static __device__ __forceinline__ void ob_cuda_put(float *p, size_t step, const float o[D / 8][4],
                                                   int row, int T, int d, float f0, float f1,
                                                   int lane) {
    int n, g = row + lane / 4;
    OB_CUDA_UNROLL
    for (n = 0; n < D / 8; n++) {
        int i = 8 * n + lane % 4 * 2;
        ob_cuda_two a = {o[n][0] * f0, o[n][1] * f0}, b = {o[n][2] * f1, o[n][3] * f1};
        if (i < d && g < T) *(ob_cuda_two *)(void *)(p + (size_t)g * step + (size_t)i) = a;
        if (i < d && g + 8 < T)
            *(ob_cuda_two *)(void *)(p + (size_t)(g + 8) * step + (size_t)i) = b;
    }
}

/* ---- Attention in bfloat16, forward ---------------------------------------------------------- */

#define OB_CUDA_FLASH_KEYS 64

/* Softmax of a tile: s become exp2(s * scale - most) of the keys that are seen, o and sum are taken
   down where most grows. most and sum are of rows g and g + 8; sum is of this lane's columns.
   ahead: the tile's first key less the warp's first row; row r sees column c if c + ahead <= r. */
template <int D, int N>
static __device__ __forceinline__ void ob_cuda_flash_softmax(float s[N / 8][4], float o[D / 8][4],
                                                             float most[2], float sum[2],
                                                             float scale, int ahead, int lane) {
    int n, e, h;
    OB_CUDA_UNROLL
    for (h = 0; h < 2; h++) {
        int last = lane / 4 + 8 * h - ahead - lane % 4 * 2; /* of 8 n + e % 2 */
        float top = most[h], fall;
        OB_CUDA_UNROLL
        for (n = 0; n < 2 * (N / 8); n++) {
            e = 2 * h + n % 2;
            s[n / 2][e] = n / 2 * 8 + n % 2 <= last ? s[n / 2][e] * scale : -INFINITY;
            top = fmaxf(top, s[n / 2][e]);
        }
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
        fall = exp2f(most[h] - top), most[h] = top, sum[h] *= fall;
        OB_CUDA_UNROLL
        for (n = 0; n < 2 * (N / 8); n++) {
            e = 2 * h + n % 2;
            s[n / 2][e] = exp2f(s[n / 2][e] - top);
            sum[h] += s[n / 2][e];
        }
        OB_CUDA_UNROLL
        for (n = 0; n < D / 8; n++) o[n][2 * h] *= fall, o[n][2 * h + 1] *= fall;
    }
}

/* A block per 64 queries of a head, of each head the last ones first, as they have most to do; keys
   come in tiles of 64 up to the diagonal. Operations: 2 * T^2 * D per head; 35 KB at D = 128. */
template <int D>
static __global__ void __launch_bounds__(128) ob_cuda_flash_kernel(ob_attention a) {
#if OB_CUDA_TENSOR
    const int N = OB_CUDA_FLASH_KEYS;
    __shared__ __align__(16) uint32_t keys[OB_CUDA_ALONG(D, N)], values[OB_CUDA_ACROSS(D, N)];
    int lane = (int)threadIdx.x % 32, tiles = (a.T + OB_CUDA_ROWS - 1) / OB_CUDA_ROWS, c, h, n;
    int head = (int)blockIdx.x / tiles, from = (tiles - 1 - (int)blockIdx.x % tiles) * OB_CUDA_ROWS;
    int b = head / a.H, row = from + (int)threadIdx.x / 32 * 16, kh = head % a.H / (a.H / a.K);
    ob_cuda_view k = ob_cuda_view_of(a.k, b, a.T, a.K, kh, a.d), v = ob_cuda_values_of(a, b, kh);
    size_t at = (size_t)b * (size_t)a.T * (size_t)a.H + (size_t)(head % a.H);
    float scale = OB_CUDA_LOG2E / sqrtf((float)a.d), o[D / 8][4], s[N / 8][4], most[2], sum[2];
    uint32_t q[D / 16][4];
    ob_cuda_fragments<D>(q, ob_cuda_view_of(a.q, b, a.T, a.H, head % a.H, a.d), row, a.T, a.d,
                         lane);
    most[0] = most[1] = OB_CUDA_LOWEST, sum[0] = sum[1] = 0.0f;
    OB_CUDA_UNROLL
    for (n = 0; n < D / 8; n++) o[n][0] = o[n][1] = o[n][2] = o[n][3] = 0.0f;
    for (c = 0; c < from + OB_CUDA_ROWS && c < a.T; c += N) {
        __syncthreads();
        ob_cuda_along<D, N>(keys, k, c, a.T, a.d);
        ob_cuda_across<D, N>(values, v, c, a.T, a.d);
        __syncthreads();
        ob_cuda_scores<D, N>(s, q, keys, lane);
        ob_cuda_flash_softmax<D, N>(s, o, most, sum, scale, c - row, lane);
        ob_cuda_mix<D, N>(o, s, values, lane);
    }
    OB_CUDA_UNROLL
    for (h = 0; h < 2; h++) {
        int r = row + lane / 4 + 8 * h;
        sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 1);
        sum[h] += __shfl_xor_sync(0xffffffffu, sum[h], 2);
        if (r < a.T && lane % 4 == 0 && a.lse)
            a.lse[at + (size_t)r * (size_t)a.H] = most[h] * OB_CUDA_LN2 + logf(sum[h]);
    }
    ob_cuda_put<D>(a.o + at * (size_t)a.d, (size_t)a.H * (size_t)a.d, o, row, a.T, a.d,
                   1.0f / sum[0], 1.0f / sum[1], lane);
#endif
}

/* Whether the kernels of bfloat16 serve: whole sequences, floats in the cache, and all keys in
   a->k, from where they are read (the same numbers, in rows, as gradients need them). */
static int ob_cuda_attention_half(const ob_exec *x, const ob_attention *a) {
    return x->half && ob_cuda_tensor(x) && a->d <= 128 && a->d % 2 == 0 && a->start == 0 && a->k &&
           a->lse && !a->cache.k_scale && !ob_cuda_at(x);
}

/* Calls f<D> for the head's width. */
#define OB_CUDA_BY_WIDTH(f, d, arguments)                                                          \
    do {                                                                                           \
        if ((d) <= 32) f<32> arguments;                                                            \
        else if ((d) <= 64) f<64> arguments;                                                       \
        else if ((d) <= 96) f<96> arguments;                                                       \
        else f<128> arguments;                                                                     \
    } while (0)

template <int D> static void ob_cuda_flash(const ob_exec *x, const ob_attention *a) {
    OB_CUDA_LAUNCH(x, "attention_forward", ob_cuda_flash_kernel<D>,
                   (a->T + OB_CUDA_ROWS - 1) / OB_CUDA_ROWS * a->B * a->H, 128, 0, (*a));
}

/* As ob_cpu_attention_forward; float32, but bfloat16 in training with x->half and d <= 128. Uses
   x->work, see ob_cuda_attention_bytes. */
static void ob_cuda_attention_forward(const ob_exec *x, ob_attention *a) {
    const int *at = ob_cuda_at(x);
    ob_attention moved = *a;
    if (a->B < 1 || a->T < 1) return;
    if (at) moved.start = 0;
    if (ob_cuda_attention_half(x, a)) OB_CUDA_BY_WIDTH(ob_cuda_flash, a->d, (x, a));
    else if (a->cache.k_scale) ob_cuda_attention_rows<int8_t>(x, &moved, at);
    else ob_cuda_attention_rows<float>(x, &moved, at);
}

/* ---- Attention, backward --------------------------------------------------------------------- */
/* With P = exp(S - lse) and dS = P (dP - total), see ob_attention_grad_block: rows of a block are
   queries for dq, keys for dk and dv, and the columns that come by are the others; S and dP, or
   their transposes, are made again from

                 rows     columns          out
       dq        q, d_o   k, v             dS k / sqrt d
       dk, dv    k, v     q, d_o           dS^T q / sqrt d, P^T d_o

   (the latter over all query heads of the group), so one text serves all; WHAT says which. */

#define OB_CUDA_DQ 1
#define OB_CUDA_DK 2
#define OB_CUDA_DV 4

/* Rows and columns of a block that has query head h. */
struct ob_cuda_sides {
    ob_cuda_view row1, row2, column1, column2;
};
static __device__ __forceinline__ ob_cuda_sides ob_cuda_sides_of(const ob_attention &a, int b,
                                                                 int h, int queries) {
    int kh = h / (a.H / a.K);
    ob_cuda_view q = ob_cuda_view_of(a.q, b, a.T, a.H, h, a.d);
    ob_cuda_view g = ob_cuda_view_of(a.d_o, b, a.T, a.H, h, a.d);
    ob_cuda_view k = ob_cuda_view_of(a.k, b, a.T, a.K, kh, a.d), v = ob_cuda_values_of(a, b, kh);
    ob_cuda_sides s;
    s.row1 = queries ? q : k, s.row2 = queries ? g : v;
    s.column1 = queries ? k : q, s.column2 = queries ? v : g;
    return s;
}

/* total [rows] = sum of d_o * o over d: a warp per row, 128 threads. 8 bytes a number bound it.
   half: d_o as dP has it, rounded, so that the two cancel where a key has all of P. */
static __global__ void ob_cuda_total_kernel(float *total, const float *d_o, const float *o,
                                            size_t rows, int d, int half) {
    size_t row = (size_t)blockIdx.x * 4 + threadIdx.x / 32, at = row * (size_t)d;
    float sum = 0.0f;
    int i;
    for (i = (int)threadIdx.x % 32; i < d && row < rows; i += 32) {
        float v = d_o[at + (size_t)i];
        uint32_t word = ob_cuda_pair(0.0f, v);
        if (half) memcpy(&v, &word, sizeof v);
        sum += v * o[at + (size_t)i];
    }
    sum = ob_cuda_warp_sum(sum);
    if (threadIdx.x % 32 == 0 && row < rows) total[row] = sum;
}

/* lse (times factor) and total of n queries of head h from `from` on; 0 behind the last. */
static __device__ __forceinline__ void ob_cuda_query_sums(float *lse, float *sums,
                                                          const ob_attention &a, const float *total,
                                                          int b, int h, int from, int n,
                                                          float factor) {
    int i = (int)threadIdx.x;
    size_t at = ((size_t)b * (size_t)a.T + (size_t)(from + i)) * (size_t)a.H + (size_t)h;
    if (i >= n) return;
    lse[i] = from + i < a.T ? a.lse[at] * factor : 0.0f;
    sums[i] = from + i < a.T ? total[at] : 0.0f;
}

/* Where a row of a gradient goes, and how far apart they are. */
static __device__ __forceinline__ float *ob_cuda_grad_at(const ob_attention &a, int b, int head,
                                                         int what, size_t *step) {
    int heads = what == OB_CUDA_DQ ? a.H : a.K;
    float *p = what == OB_CUDA_DQ ? a.dq : what == OB_CUDA_DK ? a.dk : a.dv;
    *step = (size_t)heads * (size_t)a.d;
    return p + ((size_t)b * (size_t)a.T * (size_t)heads + (size_t)head) * (size_t)a.d;
}

#define OB_CUDA_GRAD_KEYS 32

/* s and dp become P and dS; lse (in powers of 2) and sums lie by row or column, whichever the
   queries are. row and column are this warp's and tile's first. */
template <int N, int WHAT>
static __device__ __forceinline__ void
ob_cuda_grad_scores(float s[N / 8][4], float dp[N / 8][4], const float *lse, const float *sums,
                    int row, int column, int T, float scale, int lane) {
    int n, e;
    OB_CUDA_UNROLL
    for (n = 0; n < N / 8; n++) {
        OB_CUDA_UNROLL
        for (e = 0; e < 4; e++) {
            int r = lane / 4 + e / 2 * 8, c = 8 * n + lane % 4 * 2 + e % 2;
            int at = WHAT == OB_CUDA_DQ ? r : c, query = at + (WHAT == OB_CUDA_DQ ? row : column);
            int key = WHAT == OB_CUDA_DQ ? column + c : row + r;
            float p = key <= query && query < T ? exp2f(s[n][e] * scale - lse[at]) : 0.0f;
            s[n][e] = p;
            if (WHAT != OB_CUDA_DV) dp[n][e] = p * (dp[n][e] - sums[at]);
        }
    }
}

/* A block per 64 rows of a head. The columns are seen in order, so sums have one order. Operations
   per head: T^2 * D for each product of 2 for DV, 3 for DQ and DK, 4 for DK | DV. */
template <int D, int WHAT>
static __global__ void __launch_bounds__(128, 2)
    ob_cuda_grad16_kernel(ob_attention a, const float *total) {
#if OB_CUDA_TENSOR
    const int N = OB_CUDA_GRAD_KEYS, queries = WHAT == OB_CUDA_DQ, two = WHAT != OB_CUDA_DV;
    __shared__ __align__(16) uint32_t along1[OB_CUDA_ALONG(D, N)];
    __shared__ __align__(16) uint32_t along2[two ? OB_CUDA_ALONG(D, N) : 4];
    __shared__ __align__(16) uint32_t across1[two ? OB_CUDA_ACROSS(D, N) : 4];
    __shared__ __align__(16) uint32_t across2[WHAT & OB_CUDA_DV ? OB_CUDA_ACROSS(D, N) : 4];
    __shared__ float lse[OB_CUDA_ROWS], sums[OB_CUDA_ROWS];
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, G = a.H / a.K, c, h, n;
    int tiles = (a.T + OB_CUDA_ROWS - 1) / OB_CUDA_ROWS, tile = (int)blockIdx.x % tiles;
    int heads = queries ? a.H : a.K, head = (int)blockIdx.x / tiles % heads;
    int b = (int)blockIdx.x / tiles / heads;
    int from = (queries ? tiles - 1 - tile : tile) * OB_CUDA_ROWS, row = from + warp * 16;
    int to = queries && from + OB_CUDA_ROWS < a.T ? from + OB_CUDA_ROWS : a.T;
    float scale = 1.0f / sqrtf((float)a.d), s[N / 8][4], dp[N / 8][4];
    float out1[D / 8][4], out2[D / 8][4];
    uint32_t row1[D / 16][4], row2[D / 16][4];
    ob_cuda_sides side = ob_cuda_sides_of(a, b, queries ? head : head * G, queries);
    size_t step;
    float *p;
    OB_CUDA_UNROLL
    for (n = 0; n < D / 2; n++) out1[n / 4][n % 4] = out2[n / 4][n % 4] = 0.0f;
    ob_cuda_fragments<D>(row1, side.row1, row, a.T, a.d, lane);
    if (two) ob_cuda_fragments<D>(row2, side.row2, row, a.T, a.d, lane);
    if (queries)
        ob_cuda_query_sums(lse, sums, a, total, b, head, from, OB_CUDA_ROWS, OB_CUDA_LOG2E);
    for (h = queries ? head : head * G; h < (queries ? head + 1 : head * G + G); h++) {
        side = ob_cuda_sides_of(a, b, h, queries);
        for (c = queries ? 0 : from; c < to; c += N) {
            __syncthreads();
            ob_cuda_along<D, N>(along1, side.column1, c, a.T, a.d);
            if (two) ob_cuda_along<D, N>(along2, side.column2, c, a.T, a.d);
            if (two) ob_cuda_across<D, N>(across1, side.column1, c, a.T, a.d);
            if (WHAT & OB_CUDA_DV) ob_cuda_across<D, N>(across2, side.column2, c, a.T, a.d);
            if (!queries) ob_cuda_query_sums(lse, sums, a, total, b, h, c, N, OB_CUDA_LOG2E);
            __syncthreads();
            ob_cuda_scores<D, N>(s, row1, along1, lane);
            if (two) ob_cuda_scores<D, N>(dp, row2, along2, lane);
            ob_cuda_grad_scores<N, WHAT>(s, dp, queries ? lse + warp * 16 : lse,
                                         queries ? sums + warp * 16 : sums, row, c, a.T,
                                         scale * OB_CUDA_LOG2E, lane);
            if (two) ob_cuda_mix<D, N>(out1, dp, across1, lane);
            if (WHAT & OB_CUDA_DV) ob_cuda_mix<D, N>(out2, s, across2, lane);
        }
    }
    if (two) {
        p = ob_cuda_grad_at(a, b, head, WHAT & ~OB_CUDA_DV, &step);
        ob_cuda_put<D>(p, step, out1, row, a.T, a.d, scale, scale, lane);
    }
    if (WHAT & OB_CUDA_DV) {
        p = ob_cuda_grad_at(a, b, head, OB_CUDA_DV, &step);
        ob_cuda_put<D>(p, step, out2, row, a.T, a.d, 1.0f, 1.0f, lane);
    }
#endif
}

/* dk and dv together share their scores, at the price of registers: up to 64 dims it fits. */
template <int D>
static void ob_cuda_grad16(const ob_exec *x, const ob_attention *a, const float *total) {
    int tiles = (a->T + OB_CUDA_ROWS - 1) / OB_CUDA_ROWS * a->B, keys = tiles * a->K;
    const int both = D <= 64 ? OB_CUDA_DK | OB_CUDA_DV : OB_CUDA_DK;
    const int rest = D <= 64 ? both : OB_CUDA_DV; /* no kernel that nobody calls */
    OB_CUDA_LAUNCH(x, "attention_backward", (ob_cuda_grad16_kernel<D, OB_CUDA_DQ>), tiles * a->H,
                   128, 0, (*a, total));
    OB_CUDA_LAUNCH(x, "attention_backward", (ob_cuda_grad16_kernel<D, both>), keys, 128, 0,
                   (*a, total));
    if (rest == OB_CUDA_DV)
        OB_CUDA_LAUNCH(x, "attention_backward", (ob_cuda_grad16_kernel<D, rest>), keys, 128, 0,
                       (*a, total));
}

/* ---- Attention, backward in float32 ---------------------------------------------------------- */
/* Tiles of 64 rows and 64 columns by 256 threads, 4 x 4 each: thread (y, x) has rows 4 y and
   columns 4 x. Dims come by 16 at a time. A block makes 128 dims of the output; wider heads take
   more blocks, each of which makes the scores again, and so do dq, dk and dv: 8 products where 5
   would do. The float32 rate bounds it, 4 quads loaded for 32 products. */

#define OB_CUDA_STEP 68 /* floats from dim to dim of a tile of 64 */

/* tile [16][64]: dims [i0, i0 + 16) of rows [from, from + 64), zeros outside. */
static __device__ __forceinline__ void ob_cuda_dims_load(float *tile, const ob_cuda_view &v,
                                                         int from, int i0, int T, int d) {
    int n;
    for (n = (int)threadIdx.x; n < 16 * 64; n += 256) {
        int i = n % 16, t = n / 16;
        tile[i * OB_CUDA_STEP + t] = ob_cuda_one_at(v, from + t, i0 + i, T, d);
    }
}

/* s[i][j] += product of rows 4 y + i and columns 4 x + j over 16 numbers. */
static __device__ __forceinline__ void ob_cuda_outer(float s[4][4], const float *rows,
                                                     const float *columns, int step, int n) {
    int y = (int)threadIdx.x / 16 * 4, x = (int)threadIdx.x % 16 * 4, k, e;
    OB_CUDA_UNROLL_2
    for (k = 0; k < n; k++) {
        ob_cuda_quad a = ob_cuda_quad_at(rows + k * OB_CUDA_STEP + y);
        ob_cuda_quad b = ob_cuda_quad_at(columns + k * step + x);
        OB_CUDA_UNROLL
        for (e = 0; e < 16; e++) s[e / 4][e % 4] += a.x[e / 4] * b.x[e % 4];
    }
}

/* Scores of 64 rows and columns: s and, but for DV, dp. room is [4][16][OB_CUDA_STEP]. */
template <int WHAT>
static __device__ void ob_cuda_grad32_scores(float s[4][4], float dp[4][4], float *room,
                                             const ob_cuda_sides &side, int from, int c, int T,
                                             int d) {
    const int tile = 16 * OB_CUDA_STEP;
    int i, e;
    for (e = 0; e < 16; e++) s[e / 4][e % 4] = dp[e / 4][e % 4] = 0.0f;
    for (i = 0; i < d; i += 16) {
        __syncthreads();
        ob_cuda_dims_load(room, side.row1, from, i, T, d);
        ob_cuda_dims_load(room + tile, side.column1, c, i, T, d);
        if (WHAT != OB_CUDA_DV) {
            ob_cuda_dims_load(room + 2 * tile, side.row2, from, i, T, d);
            ob_cuda_dims_load(room + 3 * tile, side.column2, c, i, T, d);
        }
        __syncthreads();
        ob_cuda_outer(s, room, room + tile, OB_CUDA_STEP, 16);
        if (WHAT != OB_CUDA_DV)
            ob_cuda_outer(dp, room + 2 * tile, room + 3 * tile, OB_CUDA_STEP, 16);
    }
}

/* p [64 columns][OB_CUDA_STEP] = P for DV, else dS. */
template <int WHAT>
static __device__ void ob_cuda_grad32_softmax(float *p, const float s[4][4], const float dp[4][4],
                                              const ob_attention &a, const float *total, int b,
                                              int h, int from, int c, float scale) {
    int y = (int)threadIdx.x / 16 * 4, x = (int)threadIdx.x % 16 * 4, e;
    OB_CUDA_UNROLL
    for (e = 0; e < 16; e++) {
        int row = from + y + e % 4, column = c + x + e / 4;
        int query = WHAT == OB_CUDA_DQ ? row : column, key = WHAT == OB_CUDA_DQ ? column : row;
        float v = 0.0f;
        if (key <= query && query < a.T) {
            size_t at = ((size_t)b * (size_t)a.T + (size_t)query) * (size_t)a.H + (size_t)h;
            v = expf(s[e % 4][e / 4] * scale - a.lse[at]);
            if (WHAT != OB_CUDA_DV) v *= dp[e % 4][e / 4] - total[at];
        }
        p[(x + e / 4) * OB_CUDA_STEP + y + e % 4] = v;
    }
}

/* out[h] += p times dims i0 + 64 h + 4 x of the 64 columns from c on. room is [16][128 + 4]. */
static __device__ void ob_cuda_grad32_mix(float out[2][4][4], const float *p, float *room,
                                          const ob_cuda_view &v, int c, int i0, int T, int d) {
    const int step = 132;
    int k, n;
    for (k = 0; k < 64; k += 16) {
        __syncthreads();
        for (n = (int)threadIdx.x; n < 16 * 128; n += 256) {
            int i = n % 128, t = n / 128;
            room[t * step + i] = ob_cuda_one_at(v, c + k + t, i0 + i, T, d);
        }
        __syncthreads();
        ob_cuda_outer(out[0], p + k * OB_CUDA_STEP, room, step, 16);
        if (i0 + 64 < d) ob_cuda_outer(out[1], p + k * OB_CUDA_STEP, room + 64, step, 16);
    }
}

/* 256 threads, 35 KB. blockIdx.y: which 128 dims of the output. */
template <int WHAT>
static __global__ void __launch_bounds__(256, 1)
    ob_cuda_grad32_kernel(ob_attention a, const float *total) {
    __shared__ __align__(16) float room[4 * 16 * OB_CUDA_STEP], p[64 * OB_CUDA_STEP];
    const int queries = WHAT == OB_CUDA_DQ;
    int tiles = (a.T + 63) / 64, tile = (int)blockIdx.x % tiles, G = a.H / a.K, i0, c, h, e;
    int heads = queries ? a.H : a.K, head = (int)blockIdx.x / tiles % heads;
    int b = (int)blockIdx.x / tiles / heads, from = (queries ? tiles - 1 - tile : tile) * 64;
    int y = (int)threadIdx.x / 16 * 4, x = (int)threadIdx.x % 16 * 4;
    int to = queries && from + 64 < a.T ? from + 64 : a.T;
    float s[4][4], dp[4][4], out[2][4][4], scale = 1.0f / sqrtf((float)a.d), *grad;
    size_t step;
    i0 = (int)blockIdx.y * 128;
    for (e = 0; e < 32; e++) out[e / 16][e / 4 % 4][e % 4] = 0.0f;
    for (h = queries ? head : head * G; h < (queries ? head + 1 : head * G + G); h++) {
        ob_cuda_sides side = ob_cuda_sides_of(a, b, h, queries);
        for (c = queries ? 0 : from; c < to; c += 64) {
            ob_cuda_grad32_scores<WHAT>(s, dp, room, side, from, c, a.T, a.d);
            ob_cuda_grad32_softmax<WHAT>(p, s, dp, a, total, b, h, from, c, scale);
            ob_cuda_grad32_mix(out, p, room, WHAT == OB_CUDA_DV ? side.column2 : side.column1, c,
                               i0, a.T, a.d);
        }
    }
    grad = ob_cuda_grad_at(a, b, head, WHAT, &step);
    OB_CUDA_UNROLL
    for (e = 0; e < 32; e++) {
        int t = from + y + e / 4 % 4, i = i0 + e / 16 * 64 + x + e % 4;
        float v = out[e / 16][e / 4 % 4][e % 4] * (WHAT == OB_CUDA_DV ? 1.0f : scale);
        if (t < a.T && i < a.d) grad[(size_t)t * step + (size_t)i] = v;
    }
}

static void ob_cuda_grad32(const ob_exec *x, const ob_attention *a, const float *total) {
    int tiles = (a->T + 63) / 64 * a->B;
    dim3 queries((unsigned)(tiles * a->H), (unsigned)((a->d + 127) / 128), 1), keys = queries;
    keys.x = (unsigned)(tiles * a->K);
    OB_CUDA_LAUNCH(x, "attention_backward", ob_cuda_grad32_kernel<OB_CUDA_DQ>, queries, 256, 0,
                   (*a, total));
    OB_CUDA_LAUNCH(x, "attention_backward", ob_cuda_grad32_kernel<OB_CUDA_DK>, keys, 256, 0,
                   (*a, total));
    OB_CUDA_LAUNCH(x, "attention_backward", ob_cuda_grad32_kernel<OB_CUDA_DV>, keys, 256, 0,
                   (*a, total));
}

/* As ob_cpu_attention_backward: writes dq, dk, dv. Needs B * T * H floats of x->work. */
static void ob_cuda_attention_backward(const ob_exec *x, ob_attention *a) {
    size_t rows = (size_t)a->B * (size_t)a->T * (size_t)a->H;
    float *total = (float *)(void *)x->work;
    int half = ob_cuda_attention_half(x, a);
    if (a->B < 1 || a->T < 1) return;
    OB_CUDA_LAUNCH(x, "attention_backward", ob_cuda_total_kernel, (int)((rows + 3) / 4), 128, 0,
                   (total, a->d_o, a->o, rows, a->d, half));
    if (half) OB_CUDA_BY_WIDTH(ob_cuda_grad16, a->d, (x, a, total));
    else ob_cuda_grad32(x, a, total);
}

/* =================================================================================================
   6 >>optimizer   AdamW, Muon, sums of squares.
   ============================================================================================== */

#define OB_CUDA_TENSORS 128 /* in one launch: their addresses are arguments, at most 4 KB */
#define OB_CUDA_SLICES  32  /* of a tensor, each a block's */

/* Some tensors and their sizes. */
struct ob_cuda_tensors {
    const float *p[OB_CUDA_TENSORS];
    size_t n[OB_CUDA_TENSORS];
};

/* Sum of squares of slice blockIdx.x of tensor blockIdx.y, in double. */
static __global__ void ob_cuda_squares_kernel(double *part, ob_cuda_tensors t) {
    __shared__ double room[32];
    const float *v = t.p[blockIdx.y];
    double sum = 0.0;
    OB_CUDA_EACH(i, t.n[blockIdx.y]) sum += (double)v[i] * (double)v[i];
    sum = ob_cuda_block_sum(sum, room);
    if (threadIdx.x == 0) part[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

/* sum[tensor] of its slices, in order. A thread to a tensor. */
static __global__ void ob_cuda_squares_join(double *sum, const double *part, int count) {
    int t = (int)(blockIdx.x * blockDim.x + threadIdx.x), i;
    double all = 0.0;
    if (t >= count) return;
    for (i = 0; i < OB_CUDA_SLICES; i++) all += part[t * OB_CUDA_SLICES + i];
    sum[t] = all;
}

static void ob_cuda_squares(const ob_exec *x, double *sum, float *const *grad, const size_t *size,
                            int count) {
    double *part = (double *)(void *)x->work;
    ob_cuda_tensors t;
    int from, i, n;
    for (from = 0; from < count; from += n) {
        n = count - from < OB_CUDA_TENSORS ? count - from : OB_CUDA_TENSORS;
        memset(&t, 0, sizeof t);
        for (i = 0; i < n; i++) t.p[i] = grad[from + i], t.n[i] = size[from + i];
        OB_CUDA_LAUNCH(x, "squares", ob_cuda_squares_kernel, dim3(OB_CUDA_SLICES, (unsigned)n, 1),
                       256, 0, (part, t));
        OB_CUDA_LAUNCH(x, "squares", ob_cuda_squares_join, 1, OB_CUDA_TENSORS, 0,
                       (sum + from, part, n));
    }
}

static __global__ void ob_cuda_mask_kernel(float *grad, const float *value, float c, size_t n) {
    OB_CUDA_EACH(i, n) if (ob_absf(value[i]) > c) grad[i] = 0.0f;
}

static void ob_cuda_mask(const ob_exec *x, float *grad, const float *value, float c, size_t n) {
    OB_CUDA_LAUNCH(x, "mask", ob_cuda_mask_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (grad, value, c, n));
}

/* The numbers of a step that kernels want. */
struct ob_cuda_step {
    float *value, *first, *second;
    const float *grad;
    float clip, rate, root, decay, bound, beta1, beta2, eps, mu;
};

static ob_cuda_step ob_cuda_step_of(const ob_step *s) {
    ob_cuda_step c;
    c.value = s->value, c.first = s->first, c.second = s->second, c.grad = s->grad;
    c.clip = s->clip, c.rate = s->rate, c.root = s->root, c.decay = s->decay, c.bound = s->bound;
    c.beta1 = s->beta1, c.beta2 = s->beta2, c.eps = s->eps, c.mu = s->mu;
    return c;
}

static __device__ __forceinline__ float ob_cuda_clip(float v, float bound) {
    return bound > 0.0f ? ob_clampf(v, -bound, bound) : v;
}

/* As ob_adamw_body, and the clip of latents. Reads and writes 28 bytes a weight. */
static __global__ void ob_cuda_adamw_kernel(ob_cuda_step s, size_t n) {
    OB_CUDA_EACH(i, n) {
        float d = s.grad[i] * s.clip, m = s.beta1 * s.first[i] + (1.0f - s.beta1) * d;
        float v = s.beta2 * s.second[i] + (1.0f - s.beta2) * d * d;
        s.first[i] = m, s.second[i] = v;
        s.value[i] =
            ob_cuda_clip(s.value[i] * s.decay - s.rate * m / (sqrtf(v * s.root) + s.eps), s.bound);
    }
}

static void ob_cuda_adamw(const ob_exec *x, ob_step *s) {
    size_t n = (size_t)s->rows * (size_t)s->cols;
    OB_CUDA_LAUNCH(x, "adamw", ob_cuda_adamw_kernel, ob_cuda_blocks(n, 256), 256, 0,
                   (ob_cuda_step_of(s), n));
}

/* ---- Muon, see ob_cpu_muon ---- */

/* Momentum, and the matrix u to be orthogonalised, turned when it is tall. */
static __global__ void ob_cuda_momentum_kernel(float *u, ob_cuda_step s, int cols, size_t down,
                                               size_t right, size_t n) {
    OB_CUDA_EACH(i, n) {
        float g = (1.0f - s.mu) * s.clip * s.grad[i], m = s.mu * s.first[i] + g;
        s.first[i] = m;
        u[i / (size_t)cols * down + i % (size_t)cols * right] = g + s.mu * m;
    }
}

/* u / (|u| + 1e-7), with |u|^2 in *square. */
static __global__ void ob_cuda_unit_kernel(float *u, const double *square, size_t n) {
    float f = (float)(1.0 / (sqrt(*square) + 1e-7));
    OB_CUDA_EACH(i, n) u[i] *= f;
}

/* y = a y + b v. */
static __global__ void ob_cuda_mix_kernel(float *y, const float *v, float a, float b, size_t n) {
    OB_CUDA_EACH(i, n) y[i] = a * y[i] + b * v[i];
}

static __global__ void ob_cuda_turned_step_kernel(ob_cuda_step s, const float *u, int cols,
                                                  size_t down, size_t right, size_t n) {
    OB_CUDA_EACH(i, n)
    s.value[i] = ob_cuda_clip(s.value[i] * s.decay -
                                  s.rate * u[i / (size_t)cols * down + i % (size_t)cols * right],
                              s.bound);
}

/* As ob_newton_schulz, with products of float32. */
static void ob_cuda_newton_schulz(const ob_exec *x, const ob_step *s, int r, int c) {
    float *m = s->work[0], *next = s->work[1], *A = s->work[2], *B = s->work[3];
    size_t n = (size_t)r * (size_t)c, square = (size_t)r * (size_t)r;
    double *norm = (double *)(void *)x->work + OB_CUDA_SLICES * OB_CUDA_TENSORS;
    ob_cuda_operand M = ob_cuda_plain(m, c), a = ob_cuda_plain(A, r), b = ob_cuda_plain(B, r);
    int i, blocks = ob_cuda_blocks(n, 256);
    ob_cuda_squares(x, norm, &m, &n, 1);
    OB_CUDA_LAUNCH(x, "muon", ob_cuda_unit_kernel, blocks, 256, 0, (m, norm, n));
    for (i = 0; i < s->iterations; i++) {
        ob_cuda_product(x, "muon", A, r, M, ob_cuda_turned(m, c), r, r, c, 0, 0);
        ob_cuda_product(x, "muon", B, r, a, a, r, r, r, 0, 0);
        OB_CUDA_LAUNCH(x, "muon", ob_cuda_mix_kernel, ob_cuda_blocks(square, 256), 256, 0,
                       (B, A, 2.0315f, -4.7750f, square));
        ob_cuda_product(x, "muon", next, c, b, M, r, c, r, 0, 0);
        OB_CUDA_LAUNCH(x, "muon", ob_cuda_mix_kernel, blocks, 256, 0, (m, next, 3.4445f, 1.0f, n));
    }
}

static void ob_cuda_muon(const ob_exec *x, ob_step *s) {
    size_t rows = (size_t)s->rows, cols = (size_t)s->cols, n = rows * cols;
    int tall = rows > cols, blocks = ob_cuda_blocks(n, 256);
    size_t down = tall ? 1 : cols, right = tall ? rows : 1;
    ob_cuda_step step = ob_cuda_step_of(s);
    float *u = s->work[0];
    OB_CUDA_LAUNCH(x, "muon", ob_cuda_momentum_kernel, blocks, 256, 0,
                   (u, step, s->cols, down, right, n));
    ob_cuda_newton_schulz(x, s, tall ? s->cols : s->rows, tall ? s->rows : s->cols);
    OB_CUDA_LAUNCH(x, "muon", ob_cuda_turned_step_kernel, blocks, 256, 0,
                   (step, u, s->cols, down, right, n));
}

/* =================================================================================================
   7 >>table   the rows of onebit_backend, in the order of onebit.h, and what opens a device.
   ============================================================================================== */

#define OB_CUDA_ROW(name, parameters, arguments) ob_cuda_##name,
static const onebit_backend ob_cuda_backend = {ONEBIT_OPS(OB_CUDA_ROW, OB_CUDA_ROW)};
#undef OB_CUDA_ROW

#define OB_CUDA_SLAB ((size_t)128 << 20) /* bytes of unpacked weights at a time */

/* The largest matrix that is a linear layer's, in numbers. */
static size_t ob_cuda_largest(const onebit_config *config) {
    size_t most = 0, n;
    ob_tensor t;
    int i;
    for (i = 0; ob_tensor_at(config, i, &t); i++) {
        n = ob_round_up((size_t)t.rows, 16) * (size_t)t.cols;
        if (t.mode >= 0 && n > most && (t.kind != OB_ROLE_EMBEDDING || config->tie_word_embeddings))
            most = n;
    }
    return most;
}

/* Ops use the work memory from its start, so the most greedy one decides: a linear layer with its
   inputs, as floats at worst, and a slab of weights; attention; sums over columns, of heads too;
   sums of squares. */
static size_t ob_cuda_work_bytes(onebit_device *device, const onebit_config *config, size_t N,
                                 int T, int grad) {
    size_t number = ((const ob_cuda *)(void *)device)->half ? 2 : 4, widest = ob_widest(config);
    size_t slab = ob_cuda_largest(config) * sizeof(float);
    size_t columns = OB_CUDA_PARTS * widest * sizeof(float), most, other;
    if (config->scale_group || config->embedding_group) number = 4;
    if (config->weight_planes == 2) widest = (size_t)ob_planes_cols(config, (int)widest);
    most = 16 * widest * sizeof(float); /* at the least 16 rows of weights */
    slab = slab > OB_CUDA_SLAB ? (most > OB_CUDA_SLAB ? most : OB_CUDA_SLAB) : slab;
    most = ob_round_up(N * widest * number, 256) + slab;
    other = ob_cuda_attention_bytes((int)(N / (size_t)(grad ? T : 1)), grad ? T : 1,
                                    config->num_heads, config->head_dim);
    most = other > most ? other : most;
    most = columns > most ? columns : most;
    other = (OB_CUDA_SLICES * OB_CUDA_TENSORS + 1) * sizeof(double) + 4096;
    return ob_round_up(other > most ? other : most, 256);
}

/* Says what the runtime said; for what goes wrong while a device is opened. */
static onebit_status ob_cuda_refuse(const char *what, const char *why) {
    cudaGetLastError();
    return ob_fail(ONEBIT_UNSUPPORTED, "no NVIDIA GPU can be used: %s (%s)", what, why);
}

/* Whether GPU number index can do what is needed. */
static onebit_status ob_cuda_look(ob_cuda *c, int index) {
    cudaDeviceProp p;
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) return ob_cuda_refuse("none was found", cudaGetErrorString(error));
    if (index < 0 || index >= count)
        return ob_fail(ONEBIT_UNSUPPORTED, "there is no GPU number %d, only 0 to %d", index,
                       count - 1);
    error = cudaSetDevice(index);
    if (error == cudaSuccess) error = cudaGetDeviceProperties(&p, index);
    if (error != cudaSuccess) return ob_cuda_refuse("it does not start", cudaGetErrorString(error));
    ob_print(c->name, sizeof c->name, "%.100s (compute %d.%d, %.1f GiB)", p.name, p.major, p.minor,
             (double)p.totalGlobalMem / (1024.0 * 1024.0 * 1024.0));
    if (p.major * 10 + p.minor < 75)
        return ob_fail(ONEBIT_UNSUPPORTED, "%s: compute capability 7.5 or more is needed", c->name);
    if (!p.managedMemory)
        return ob_fail(ONEBIT_UNSUPPORTED, "%s: it has no managed memory", c->name);
    c->index = index, c->half = p.major >= 8, c->shared = p.concurrentManagedAccess;
    return ONEBIT_OK;
}

/* The architecture that kernels were compiled for, which may be less than what the GPU is: the
   driver translates. What was left out then, such as products of bfloat16 below 8.0, stays so. */
static __global__ void ob_cuda_built_kernel(int *built) {
#if defined(__CUDA_ARCH__)
    if (threadIdx.x == 0) *built = __CUDA_ARCH__;
#else
    if (threadIdx.x == 0) *built = 800; /* the stand-in does them all */
#endif
}

/* Asks it; fails where nothing was compiled that this GPU can run. */
static int ob_cuda_built(ob_cuda *c) {
    int built = 0, *at = c->at;
    size_t n = strlen(c->name);
    OB_CUDA_START(ob_cuda_built_kernel, 1, 32, 0, c->stream, (at));
    if (!ob_cuda_ok(c, "the code for this GPU", cudaGetLastError()) ||
        !ob_cuda_ok(c, "open", cudaMemcpyAsync(c->pinned[0], at, sizeof built, cudaMemcpyDefault,
                                               c->stream)) ||
        !ob_cuda_ok(c, "the code for this GPU", cudaStreamSynchronize(c->stream)))
        return 0;
    memcpy(&built, c->pinned[0], sizeof built);
    c->tensor = c->half && built >= 800;
    if (c->half && !c->tensor)
        ob_print(c->name + n, sizeof c->name - n, ", built for %d.%d: nvcc -arch=native is faster",
                 built / 100, built / 10 % 10);
    return 1;
}

/* Stream, cuBLAS with work memory of its own (without, a recorded pass could not hold it), pinned
   buffers. */
static int ob_cuda_start(ob_cuda *c) {
    int i, ok = ob_cuda_ok(c, "open", cudaStreamCreate(&c->stream));
    for (i = 0; i < 2 && ok; i++)
        ok = ob_cuda_ok(c, "open", cudaMallocHost((void **)&c->pinned[i], OB_CUDA_PINNED)) &&
             ob_cuda_ok(c, "open", cudaEventCreateWithFlags(&c->sent[i], cudaEventDisableTiming));
    ok = ok && ob_cuda_ok(c, "open", cudaMalloc((void **)&c->at, sizeof *c->at)) &&
         ob_cuda_ok(c, "open", cudaMalloc(&c->blas_work, OB_CUDA_BLAS));
    if (!ok) return 0;
    if (cublasCreate(&c->blas) != CUBLAS_STATUS_SUCCESS ||
        cublasSetStream(c->blas, c->stream) != CUBLAS_STATUS_SUCCESS ||
        cublasSetWorkspace(c->blas, c->blas_work, OB_CUDA_BLAS) != CUBLAS_STATUS_SUCCESS)
        ob_cuda_fail(c, "open", "cuBLAS does not start");
    return !c->failed && ob_cuda_built(c);
}

/* Takes half-opened ones too. */
ONEBIT_API void onebit_cuda_free(onebit_device *device) {
    ob_cuda *c = (ob_cuda *)(void *)device;
    int i;
    if (!c) return;
    if (c->stream) cudaStreamSynchronize(c->stream);
    if (c->graph) cudaGraphExecDestroy(c->graph);
    if (c->blas) cublasDestroy(c->blas);
    cudaFree(c->blas_work), cudaFree(c->at);
    for (i = 0; i < 2; i++) {
        if (c->sent[i]) cudaEventDestroy(c->sent[i]);
        cudaFreeHost(c->pinned[i]);
    }
    if (c->stream) cudaStreamDestroy(c->stream);
    free(c);
}

/* One struct, from malloc: a device comes before every env. */
ONEBIT_API onebit_status onebit_cuda_open(onebit_device **out, int index) {
    ob_cuda *c;
    onebit_status status;
    if (!out) return ob_fail(ONEBIT_USAGE, "onebit_cuda_open: out is NULL");
    *out = NULL;
    c = (ob_cuda *)calloc(1, sizeof *c);
    if (!c) return ob_fail(ONEBIT_MEMORY, "onebit_cuda_open: no memory");
    status = ob_cuda_look(c, index);
    if (status == ONEBIT_OK && !ob_cuda_start(c))
        status = ob_fail(ONEBIT_UNSUPPORTED, "%s: %s", c->name, c->what);
    if (status != ONEBIT_OK) {
        onebit_cuda_free(&c->base);
        return status;
    }
    c->op = "start";
    c->base.name = c->name, c->base.ops = &ob_cuda_backend;
    c->base.alloc = ob_cuda_alloc, c->base.release = ob_cuda_release;
    c->base.room = ob_cuda_left, c->base.work_bytes = ob_cuda_work_bytes;
    c->base.settle = ob_cuda_settle, c->base.wait = ob_cuda_wait;
    *out = &c->base;
    return ONEBIT_OK;
}

/* As found when it was opened. */
ONEBIT_API const char *onebit_cuda_name(const onebit_device *device) {
    return device ? device->name : "";
}

#endif /* ONEBIT_IMPLEMENTATION */
