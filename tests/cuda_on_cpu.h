/* cuda_on_cpu.h - CUDA in small, on the CPU: runs the kernels of onebit_cuda.h for tests.

   Include it before onebit.h and onebit_cuda.h, in C++11 or later, gcc or clang, on Linux. It
   supplies the words of device code, and what the library calls of the CUDA runtime and of cuBLAS.
   Every thread of a block is a fiber with a stack of its own; barriers and warp collectives are
   meetings of fibers; a block runs to its end before the next begins. One thread of the host at a
   time may use it. Beside wrong results it shows, with a message and abort():

     threads of a block at different barriers, or ended while others wait at one;
     a warp collective that not all 32 lanes reach, or that they reach at different lines;
     a launch beyond the limits of threads, blocks, shared memory; a runtime call in a kernel.

   AddressSanitizer sees accesses outside of an allocation or of shared memory, and the host's to
   memory of cudaMalloc. Memory is first full of NaN (bytes ff), never of zeros; shared memory is so
   again for every block (static __shared__ is found by the program's symbol table: a stripped
   program keeps there what the block before left).

   A test may set, read and call:

     ob_shim_order        1: lanes, warps, blocks run backwards, which shows a missing barrier
     ob_shim_lazy         1: streams work only while the host waits, which shows a missing wait
     ob_shim_fail_at      n: the n-th call of the runtime from now (launches too) fails; then 0
     ob_shim_fail_error   how it fails; a function of cuBLAS gives CUBLAS_STATUS_EXECUTION_FAILED
     ob_shim_device       the cudaDeviceProp of the devices
     ob_shim_devices      how many there are, 1
     ob_shim_free_bytes   what cudaMemGetInfo says; cudaMalloc of more fails
     ob_shim_calls, ob_shim_launches, ob_shim_live
                          calls of the runtime, kernels run, objects and allocations alive */
#ifndef CUDA_ON_CPU_H
#define CUDA_ON_CPU_H
#define ONEBIT_CUDA_ON_CPU 1

#ifdef __CUDACC__
#error "cuda_on_cpu.h stands in for nvcc; leave it out"
#endif
#include <fcntl.h>
#include <functional>
#include <link.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

/* ---- words of device code ---- */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((abi_tag("ob_shim_shared"))) /* see ob_shim_find_rooms */
#define OB_CUDA_DYNAMIC(type, name) type *name = (type *)ob_shim()->dynamic
#define threadIdx (ob_shim()->me->at)
#define blockIdx (ob_shim()->block)
#define blockDim (ob_shim()->block_size)
#define gridDim (ob_shim()->grid_size)

struct uint3 {
    unsigned x, y, z;
};
struct dim3 : uint3 {
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : uint3{a, b, c} {}
};

/* ---- fibers ---- */

#define OB_SHIM_STACK 131072 /* bytes, and those below that may not be touched */
#define OB_SHIM_GUARD 65536
#define OB_SHIM_ALL 0xffffffffu

/* A thread of the block, or the host. sp: where its stack stood when it gave way. low, size: its
   stack, and fake, for AddressSanitizer. does, file, line: what it waits at, for messages. */
struct ob_shim_fiber {
    void *sp, *fake;
    const void *low;
    size_t size;
    uint3 at;
    int index, line;
    const char *does, *file;
};

/* Where the lanes of a warp or the threads of a block meet: how many wait, who came first, and a
   bit that changes with each meeting. */
struct ob_shim_meeting {
    int arrived;
    unsigned turn;
    ob_shim_fiber *first;
};

/* All of a running kernel; zero at first, so that no guard slows the access. ready: the warps with
   lanes that could run, and those lanes. slots: what lanes hand over, in turns, so that a lane may
   be at the next collective while others still read. */
struct ob_shim_machine {
    ob_shim_fiber host, fibers[1024], *me, *last; /* who runs, who ran before */
    ob_shim_meeting warps[32], all;
    unsigned ready_warps, ready[32];
    unsigned long long slots[2][1024];
    int threads, done, backwards;
    const char *kernel;
    uint3 block, grid_size, block_size;
    void *dynamic;
    const std::function<void()> *body;
};

/* The one machine. */
inline ob_shim_machine *ob_shim(void) {
    static ob_shim_machine machine;
    return &machine;
}

/* Ends the program with a message about the kernel that runs. */
__attribute__((noreturn, format(printf, 1, 2))) inline void ob_shim_die(const char *format, ...) {
    const ob_shim_machine *s = ob_shim();
    va_list list;
    fflush(stdout);
    fprintf(stderr, "cuda_on_cpu: ");
    if (s->me)
        fprintf(stderr, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): ", s->kernel, s->block.x,
                s->block.y, s->block.z, s->me->at.x, s->me->at.y, s->me->at.z);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\n");
    abort();
}

/* ob_shim_swap(&a, b) puts the registers that a call must keep on the stack, its place into a, and
   goes on where b stands. ucontext can do that too, but with a system call at each switch. A new
   stack holds FRAME words, of which word ENTRY is the address to start at. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(OB_SHIM_UCONTEXT)
#define OB_SHIM_FRAME 8
#define OB_SHIM_ENTRY 6
__asm__(".pushsection .text\n.p2align 4\n.type ob_shim_swap, @function\nob_shim_swap:\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n"
        ".size ob_shim_swap, . - ob_shim_swap\n.popsection\n");
#elif defined(__aarch64__) && !defined(OB_SHIM_UCONTEXT)
#define OB_SHIM_FRAME 20
#define OB_SHIM_ENTRY 11
#define OB_SHIM_PAIRS(op)                                                                          \
    op " x19, x20, [sp]\n" op " x21, x22, [sp, 16]\n" op " x23, x24, [sp, 32]\n"                   \
    op " x25, x26, [sp, 48]\n" op " x27, x28, [sp, 64]\n" op " x29, x30, [sp, 80]\n"               \
    op " d8, d9, [sp, 96]\n" op " d10, d11, [sp, 112]\n" op " d12, d13, [sp, 128]\n"               \
    op " d14, d15, [sp, 144]\n"
__asm__(".pushsection .text\n.p2align 4\n.type ob_shim_swap, %function\nob_shim_swap:\n"
        "sub sp, sp, 160\n" OB_SHIM_PAIRS("stp") "mov x9, sp\n str x9, [x0]\n mov sp, x1\n"
        OB_SHIM_PAIRS("ldp") "add sp, sp, 160\n ret\n"
        ".size ob_shim_swap, . - ob_shim_swap\n.popsection\n");
#endif

#ifdef OB_SHIM_FRAME
extern "C" void ob_shim_swap(void **from, void *to);
#else
inline void ob_shim_swap(void **from, void *to) {
    if (!*from) *from = calloc(1, sizeof(ucontext_t));
    swapcontext((ucontext_t *)*from, (ucontext_t *)to);
}
#endif

/* The end of a switch: tells AddressSanitizer on which stack the program stands now, and learns the
   bounds of the one before, which for the host nobody else knows. */
inline void ob_shim_landed(void *fake) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, &ob_shim()->last->low, &ob_shim()->last->size);
#endif
    (void)fake;
}

/* From the fiber that runs to another one; returns when somebody switches back. */
inline void ob_shim_switch(ob_shim_fiber *to) {
    ob_shim_fiber *from = ob_shim()->me;
    if (to == from) return;
    ob_shim()->last = from;
    ob_shim()->me = to;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&from->fake, to->low, to->size);
#endif
    ob_shim_swap(&from->sp, to->sp);
    ob_shim_landed(from->fake);
}

/* What a fiber does, in words. */
inline std::string ob_shim_where(const ob_shim_fiber *f) {
    char text[400];
    int n = snprintf(text, 100, "thread (%u,%u,%u) %s", f->at.x, f->at.y, f->at.z, f->does);
    if (f->line) snprintf(text + n, 300, ", %.250s:%d", f->file, f->line);
    return text;
}

/* No fiber can run, yet not all have ended: shows a meeting, of a warp if there is one, and the
   first thread that is missing there. */
inline void ob_shim_stuck(void) {
    ob_shim_machine *s = ob_shim();
    ob_shim_fiber *f = s->fibers;
    int warp = 0;
    while (warp < s->threads / 32 && !s->warps[warp].arrived) warp++;
    ob_shim_fiber *first = warp < s->threads / 32 ? s->warps[warp].first : s->all.first;
    if (warp < s->threads / 32) f += 32 * warp;
    while (f->does == first->does) f++;
    s->me = first;
    ob_shim_die("%s, but %s", ob_shim_where(first).c_str(), ob_shim_where(f).c_str());
}

/* The number of the first bit that is set, or the last when all is backwards; bits is not 0. */
inline int ob_shim_pick(unsigned bits) {
    return ob_shim()->backwards ? 31 - __builtin_clz(bits) : __builtin_ctz(bits);
}

/* Gives way to the first lane that can run of the first warp that has one; to the host when all
   are done. */
inline void ob_shim_rest(void) {
    ob_shim_machine *s = ob_shim();
    if (s->ready_warps) {
        int warp = ob_shim_pick(s->ready_warps), lane = ob_shim_pick(s->ready[warp]);
        s->ready[warp] &= ~(1u << lane);
        if (!s->ready[warp]) s->ready_warps &= ~(1u << warp);
        ob_shim_switch(&s->fibers[warp * 32 + lane]);
    } else if (s->done == s->threads) {
        ob_shim_switch(&s->host);
    } else {
        ob_shim_stuck();
    }
}

/* Lets all lanes of some warps run. */
inline void ob_shim_release(int warp, int warps) {
    for (int end = warp + warps; warp < end; warp++) {
        ob_shim()->ready[warp] = OB_SHIM_ALL;
        ob_shim()->ready_warps |= 1u << warp;
    }
}

/* The life of a fiber: a thread of each block, again and again, so that stacks (and the fake stacks
   of AddressSanitizer) are made once. */
inline void ob_shim_life(void) {
    ob_shim_landed(NULL);
    for (;;) {
        ob_shim_fiber *f = ob_shim()->me;
        (*ob_shim()->body)();
        f->does = "has ended";
        f->line = 0;
        ob_shim()->done++;
        ob_shim_rest();
    }
}

/* Gives fiber i its stack. The tops differ by some cache lines, or the fibers would push each other
   out of the cache. */
inline void ob_shim_birth(int i) {
    ob_shim_fiber *f = &ob_shim()->fibers[i];
    int may = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_ANONYMOUS;
    char *low = (char *)mmap(NULL, OB_SHIM_GUARD + OB_SHIM_STACK, may, kind, -1, 0);
    if (low == (char *)MAP_FAILED || mprotect(low, OB_SHIM_GUARD, PROT_NONE) != 0)
        ob_shim_die("no memory for the stack of a fiber");
    f->index = i;
    f->low = low + OB_SHIM_GUARD;
    f->size = OB_SHIM_STACK - (size_t)(i % 61) * 64;
#ifdef OB_SHIM_FRAME
    void **frame = (void **)(low + OB_SHIM_GUARD + f->size) - OB_SHIM_FRAME;
    frame[OB_SHIM_ENTRY] = (void *)ob_shim_life;
    f->sp = frame;
#else
    ucontext_t *u = (ucontext_t *)(f->sp = calloc(1, sizeof(*u)));
    getcontext(u);
    u->uc_stack.ss_sp = low + OB_SHIM_GUARD;
    u->uc_stack.ss_size = f->size;
    makecontext(u, ob_shim_life, 0);
#endif
}

/* ---- meetings ---- */

/* The running fiber waits at a meeting, of its warp or of the block; the last to come lets all go,
   so that what follows runs in order again. */
inline void ob_shim_meet(bool whole_block, const char *does, const char *file, int line) {
    ob_shim_machine *s = ob_shim();
    ob_shim_fiber *f = s->me;
    if (!f) ob_shim_die("%s:%d: device code on the host", file, line);
    int warp = f->index / 32;
    ob_shim_meeting *m = whole_block ? &s->all : &s->warps[warp];
    f->does = does;
    f->file = file;
    f->line = line;
    if (!m->arrived) m->first = f;
    else if (m->first->line != line || (m->first->file != file && strcmp(m->first->file, file)))
        ob_shim_die("%s, but %s", ob_shim_where(f).c_str(), ob_shim_where(m->first).c_str());
    if (++m->arrived == (whole_block ? s->threads : 32)) {
        m->arrived = 0;
        m->turn ^= 1;
        if (whole_block) ob_shim_release(0, s->threads / 32);
        else ob_shim_release(warp, 1);
    }
    ob_shim_rest();
    f->does = "runs";
}

inline void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
    ob_shim_meet(true, "waits at __syncthreads", file, line);
}

inline void __syncwarp(unsigned mask = OB_SHIM_ALL, const char *file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
    if (mask != OB_SHIM_ALL) ob_shim_die("%s:%d: the mask is not all lanes", file, line);
    ob_shim_meet(false, "waits at a warp collective", file, line);
}

/* Hands a value of up to 8 bytes over; gives the one of a lane, counted modulo 32. */
template <typename T>
inline T __shfl_sync(unsigned mask, T value, int lane, const char *file = __builtin_FILE(),
                     int line = __builtin_LINE()) {
    static_assert(sizeof(T) <= 8, "a shuffle carries at most 8 bytes");
    if (!ob_shim()->me) ob_shim_die("%s:%d: device code on the host", file, line);
    int own = ob_shim()->me->index;
    unsigned long long *slots = ob_shim()->slots[ob_shim()->warps[own / 32].turn];
    memcpy(&slots[own], &value, sizeof(T));
    __syncwarp(mask, file, line);
    memcpy(&value, &slots[own / 32 * 32 + (lane & 31)], sizeof(T));
    return value;
}

/* The value of the lane whose number differs in the bits of n (0..31). */
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int n, const char *file = __builtin_FILE(),
                         int line = __builtin_LINE()) {
    return __shfl_sync(mask, value, (int)threadIdx.x ^ n, file, line);
}

/* ---- arithmetic ---- */

/* Rounded once, never contracted: volatile keeps the compiler from joining two of them. */
#define OB_SHIM_ROUNDED(name, op)                                                                  \
    inline float name(float a, float b) {                                                          \
        volatile float r = a op b;                                                                 \
        return r;                                                                                  \
    }
OB_SHIM_ROUNDED(__fmul_rn, *)
OB_SHIM_ROUNDED(__fadd_rn, +)
OB_SHIM_ROUNDED(__fsub_rn, -)
OB_SHIM_ROUNDED(__fdiv_rn, /)
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }

/* c plus the products of four signed bytes each of a and b. */
inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 32; i += 8) c += (int8_t)(a >> i & 255) * (int8_t)(b >> i & 255);
    return c;
}

/* The bits of a float, and back. */
inline unsigned __float_as_uint(float a) {
    unsigned r;
    memcpy(&r, &a, sizeof(r));
    return r;
}
inline float __uint_as_float(unsigned a) {
    float r;
    memcpy(&r, &a, sizeof(r));
    return r;
}

/* ---- blocks ---- */

/* Where a static __shared__ variable lies. */
struct ob_shim_room {
    char *at;
    size_t size;
};

/* dl_iterate_phdr's first answer is the program itself: how far it was moved. */
inline int ob_shim_moved(struct dl_phdr_info *info, size_t, void *base) {
    *(size_t *)base = (size_t)info->dlpi_addr;
    return 1;
}

/* The static shared variables of the program: __shared__ puts a tag into their names, which is
   looked for in the symbol table. */
inline std::vector<ob_shim_room> ob_shim_find_rooms(void) {
    std::vector<ob_shim_room> rooms;
    struct stat info;
    size_t base = 0;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info) != 0) ob_shim_die("cannot read /proc/self/exe");
    void *image = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (image == MAP_FAILED) ob_shim_die("cannot map /proc/self/exe");
    dl_iterate_phdr(ob_shim_moved, &base);
    const char *bytes = (const char *)image;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(bytes + ((const ElfW(Ehdr) *)image)->e_shoff);
    for (int i = 0; i < ((const ElfW(Ehdr) *)image)->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB) continue;
        const ElfW(Sym) *symbol = (const ElfW(Sym) *)(bytes + sections[i].sh_offset);
        const char *names = bytes + sections[sections[i].sh_link].sh_offset;
        for (size_t n = sections[i].sh_size / sizeof(*symbol); n > 0; n--, symbol++) {
            const char *name = names + symbol->st_name;
            if (strncmp(name, "_ZZ", 3) != 0 || !strstr(name, "B14ob_shim_shared")) continue;
            rooms.push_back(ob_shim_room{(char *)(base + symbol->st_value), symbol->st_size});
        }
    }
    munmap(image, (size_t)info.st_size);
    close(file);
    return rooms;
}

/* Fills a variable with NaN, not by memset: for clang the red zone belongs to its size. */
__attribute__((noinline, no_sanitize("address"))) inline void ob_shim_spoil(char *p, size_t n) {
    for (; n && ((size_t)p & 7); n--) *(volatile char *)p++ = -1;
    for (; n >= 8; n -= 8, p += 8) *(volatile uint64_t *)p = ~(uint64_t)0;
    for (; n; n--) *(volatile char *)p++ = -1;
}

/* Place i in a box of this size, x fastest. */
inline uint3 ob_shim_place(unsigned long long i, const uint3 &size) {
    return uint3{(unsigned)(i % size.x), (unsigned)(i / size.x % size.y),
                 (unsigned)(i / size.x / size.y)};
}

/* Runs a kernel: block after block, each from shared memory full of NaN. */
inline void ob_shim_run(const char *name, dim3 grid, dim3 block, size_t shared, int backwards,
                        const std::function<void()> &body) {
    static const std::vector<ob_shim_room> rooms = ob_shim_find_rooms();
    ob_shim_machine *s = ob_shim();
    unsigned long long blocks = (unsigned long long)grid.x * grid.y * grid.z;
    s->threads = (int)(block.x * block.y * block.z);
    s->backwards = backwards;
    s->kernel = name;
    s->grid_size = grid;
    s->block_size = block;
    s->body = &body;
    s->dynamic = malloc(shared);
    for (int i = 0; i < s->threads; i++) {
        if (!s->fibers[i].sp) ob_shim_birth(i);
        s->fibers[i].at = ob_shim_place((unsigned)i, block);
    }
    for (unsigned long long i = 0; i < blocks; i++) {
        memset(s->dynamic, 255, shared);
        for (const ob_shim_room &room : rooms) ob_shim_spoil(room.at, room.size);
        s->block = ob_shim_place(backwards ? blocks - 1 - i : i, grid);
        s->done = 0;
        s->me = &s->host;
        ob_shim_release(0, s->threads / 32);
        ob_shim_rest();
    }
    s->me = NULL;
    free(s->dynamic);
}

/* ---- CUDA runtime: words ---- */

#ifndef CUDART_VERSION
/* Fibers do not interrupt each other, so a plain addition is whole. */
template <class T> inline T atomicAdd(T *p, T v) {
    T old = *p;
    *p += v;
    return old;
}

/* A kernel that waits for its arguments, and then holds them: they are evaluated at the launch, as
   nvcc's are, not when a recorded launch runs. */
template <class... P> struct ob_shim_kernel {
    void (*kernel)(P...);
    std::function<void()> operator()(P... p) const {
        void (*k)(P...) = kernel;
        return [=]() { k(p...); };
    }
};
template <class... P> inline ob_shim_kernel<P...> ob_shim_bind(void (*kernel)(P...)) {
    ob_shim_kernel<P...> k = {kernel};
    return k;
}

#define CUDART_VERSION 13000
#endif
#define OB_SHIM_VALUE(name, value) name = value,
#define OB_SHIM_NAME(name, value)                                                                  \
    case name: return #name;
#define OB_SHIM_ERRORS(each)                                                                       \
    each(cudaSuccess, 0) each(cudaErrorInvalidValue, 1) each(cudaErrorMemoryAllocation, 2)         \
    each(cudaErrorInitializationError, 3) each(cudaErrorInvalidConfiguration, 9)                   \
    each(cudaErrorInsufficientDriver, 35) each(cudaErrorNoDevice, 100)                             \
    each(cudaErrorInvalidDevice, 101) each(cudaErrorNoKernelImageForDevice, 209)                   \
    each(cudaErrorInvalidResourceHandle, 400) each(cudaErrorIllegalState, 401)                     \
    each(cudaErrorNotReady, 600) each(cudaErrorIllegalAddress, 700)                                \
    each(cudaErrorLaunchOutOfResources, 701) each(cudaErrorLaunchFailure, 719)                     \
    each(cudaErrorNotSupported, 801) each(cudaErrorStreamCaptureUnsupported, 900)                  \
    each(cudaErrorStreamCaptureInvalidated, 901) each(cudaErrorStreamCaptureImplicit, 906)         \
    each(cudaErrorUnknown, 999)
enum cudaError_t { OB_SHIM_ERRORS(OB_SHIM_VALUE) };

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
    int major, minor, multiProcessorCount, managedMemory, concurrentManagedAccess;
};
#define OB_SHIM_ATTRIBUTES(each)                                                                   \
    each(cudaDevAttrMaxSharedMemoryPerBlock, 8, sharedMemPerBlock)                                 \
    each(cudaDevAttrMultiProcessorCount, 16, multiProcessorCount)                                  \
    each(cudaDevAttrComputeCapabilityMajor, 75, major)                                             \
    each(cudaDevAttrComputeCapabilityMinor, 76, minor)                                             \
    each(cudaDevAttrManagedMemory, 83, managedMemory)                                              \
    each(cudaDevAttrConcurrentManagedAccess, 89, concurrentManagedAccess)                          \
    each(cudaDevAttrMaxSharedMemoryPerBlockOptin, 97, sharedMemPerBlockOptin)
#define OB_SHIM_ATTRIBUTE(name, value, field) name = value,
#define OB_SHIM_ATTRIBUTE_IS(name, code, field)                                                    \
    case name: *value = (int)p->field; break;
enum cudaDeviceAttr { OB_SHIM_ATTRIBUTES(OB_SHIM_ATTRIBUTE) };

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemcpyKind {
    cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice,
    cudaMemcpyDefault
};
enum cudaMemoryAdvise {
    cudaMemAdviseSetReadMostly = 1, cudaMemAdviseUnsetReadMostly,
    cudaMemAdviseSetPreferredLocation, cudaMemAdviseUnsetPreferredLocation,
    cudaMemAdviseSetAccessedBy, cudaMemAdviseUnsetAccessedBy
};
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1, cudaMemLocationTypeHost };
struct cudaMemLocation {
    cudaMemLocationType type;
    int id;
};
enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus {
    cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive, cudaStreamCaptureStatusInvalidated
};
enum { cudaMemAttachGlobal = 1, cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
enum { cudaCpuDeviceId = -1 };

/* The name of an error, which here is its text too. */
inline const char *cudaGetErrorName(cudaError_t e) {
    switch (e) { OB_SHIM_ERRORS(OB_SHIM_NAME) }
    return "unrecognized error code";
}
inline const char *cudaGetErrorString(cudaError_t e) { return cudaGetErrorName(e); }

/* ---- CUDA runtime: its state ---- */

/* What a stream does; it carries its arguments along. */
typedef std::function<void()> ob_shim_work;
typedef std::vector<ob_shim_work> *cudaGraph_t, *cudaGraphExec_t;
typedef struct ob_shim_stream {
    cudaStreamCaptureStatus status;
    std::vector<ob_shim_work> nodes;
} *cudaStream_t;
typedef struct ob_shim_event {
    bool recorded;
} *cudaEvent_t;

/* kind: m managed, d device, h host (pinned). */
struct ob_shim_memory {
    char *at;
    size_t size;
    char kind;
};

/* capture: the stream that captures; queue: work put off; large: what cudaFuncSetAttribute heard.
   The rest is for the test, see above. */
struct ob_shim_runtime {
    int order = 0, lazy = 0, fail_at = 0, devices = 1;
    long calls = 0, launches = 0, live = 0;
    cudaError_t fail_error = cudaErrorLaunchFailure, last = cudaSuccess;
    size_t free_bytes = (size_t)1 << 34;
    cudaDeviceProp device = {"CPU shim", (size_t)1 << 34, 49152, 232448, 9, 0, 4, 1, 1};
    std::vector<ob_shim_memory> memory;
    cudaStream_t capture = NULL;
    std::vector<ob_shim_work> queue;
    std::vector<std::pair<const char *, size_t>> large;
};

/* The one runtime. */
inline ob_shim_runtime *ob_shim_rt(void) {
    static ob_shim_runtime runtime;
    return &runtime;
}

#define ob_shim_order (ob_shim_rt()->order)
#define ob_shim_lazy (ob_shim_rt()->lazy)
#define ob_shim_fail_at (ob_shim_rt()->fail_at)
#define ob_shim_fail_error (ob_shim_rt()->fail_error)
#define ob_shim_device (ob_shim_rt()->device)
#define ob_shim_devices (ob_shim_rt()->devices)
#define ob_shim_free_bytes (ob_shim_rt()->free_bytes)
#define ob_shim_calls (ob_shim_rt()->calls)
#define ob_shim_launches (ob_shim_rt()->launches)
#define ob_shim_live (ob_shim_rt()->live)

/* Keeps an error for cudaGetLastError; gives it back. */
inline cudaError_t ob_shim_note(cudaError_t e) {
    if (e) ob_shim_rt()->last = e;
    return e;
}

/* Counts a call of the runtime; does the test want this one to fail? */
inline bool ob_shim_fails(void) {
    if (ob_shim()->me) ob_shim_die("calls the runtime");
    ob_shim_calls++;
    return ob_shim_fail_at > 0 && --ob_shim_fail_at == 0;
}

/* A stream captures, and this call spoils it. */
inline cudaError_t ob_shim_spoil_capture(cudaError_t e) {
    ob_shim_rt()->capture->status = cudaStreamCaptureStatusInvalidated;
    return ob_shim_note(e);
}

/* Open a function of the runtime: any; one that stream s may not capture, NULL = no stream. */
#define OB_SHIM_CALL()                                                                             \
    if (ob_shim_fails()) return ob_shim_note(ob_shim_fail_error)
#define OB_SHIM_CALL_OUTSIDE(s)                                                                    \
    OB_SHIM_CALL();                                                                                \
    if (ob_shim_rt()->capture && (!(s) || ob_shim_rt()->capture == (s)))                           \
    return ob_shim_spoil_capture(cudaErrorStreamCaptureUnsupported)

/* Lets AddressSanitizer allow or forbid the memory of cudaMalloc. */
inline void ob_shim_touch(bool allowed) {
#ifdef __SANITIZE_ADDRESS__
    for (const ob_shim_memory &m : ob_shim_rt()->memory)
        if (m.kind == 'd' && allowed) __asan_unpoison_memory_region(m.at, m.size);
        else if (m.kind == 'd') __asan_poison_memory_region(m.at, m.size);
#endif
    (void)allowed;
}

/* The host waits: does all work that was put off. */
inline void ob_shim_wait(void) {
    std::vector<ob_shim_work> queue;
    queue.swap(ob_shim_rt()->queue);
    if (queue.empty()) return;
    ob_shim_touch(true);
    for (const ob_shim_work &work : queue) work();
    ob_shim_touch(false);
}

/* Gives work to a stream, which records it, puts it off, or does it, at once if it must be so. */
inline cudaError_t ob_shim_give(cudaStream_t stream, bool at_once, const ob_shim_work &work) {
    ob_shim_runtime *rt = ob_shim_rt();
    if (rt->capture && !stream) return ob_shim_spoil_capture(cudaErrorStreamCaptureImplicit);
    if (rt->capture && rt->capture == stream) {
        stream->nodes.push_back(work);
    } else {
        rt->queue.push_back(work);
        if (at_once || !rt->lazy) ob_shim_wait();
    }
    return cudaSuccess;
}

/* ---- launch ---- */

/* cudaFuncSetAttribute is a macro, to learn how the source names the kernel. */
#define cudaFuncSetAttribute(...) ob_shim_attribute(#__VA_ARGS__, __VA_ARGS__)
template <typename F>
inline cudaError_t ob_shim_attribute(const char *text, F, cudaFuncAttribute, int value) {
    OB_SHIM_CALL();
    if (value < 0 || (size_t)value > ob_shim_device.sharedMemPerBlockOptin)
        return ob_shim_note(cudaErrorInvalidValue);
    ob_shim_rt()->large.push_back(std::make_pair(text, (size_t)value));
    return cudaSuccess;
}

/* Was it told about this kernel? Arguments of templates do not count. */
inline bool ob_shim_large(const char *name, size_t shared) {
    name += strspn(name, " (&");
    size_t n = strcspn(name, "< ),");
    for (const std::pair<const char *, size_t> &told : ob_shim_rt()->large)
        for (const char *p = told.first; told.second >= shared && *p; p++)
            if (strncmp(p, name, n) == 0 && strchr("< ),", p[n])) return true;
    return false;
}

/* kernel<<<grid, block, shared, stream>>>(...), where body calls the kernel with its arguments. An
   error is for cudaGetLastError; a launch that no device could do ends the program. */
inline void ob_shim_launch(const char *name, dim3 grid, dim3 block, size_t shared,
                           cudaStream_t stream, const ob_shim_work &body) {
    unsigned long long threads = (unsigned long long)block.x * block.y * block.z;
    if (ob_shim_fails()) {
        ob_shim_note(ob_shim_fail_error);
        return;
    }
    if (!threads || threads > 1024 || block.z > 64 || block.x % 32)
        ob_shim_die("kernel %s: %u x %u x %u threads", name, block.x, block.y, block.z);
    if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
        ob_shim_die("kernel %s: %u x %u x %u blocks", name, grid.x, grid.y, grid.z);
    if (shared > ob_shim_device.sharedMemPerBlockOptin)
        ob_shim_die("kernel %s: %zu bytes of shared memory", name, shared);
    if (shared > ob_shim_device.sharedMemPerBlock && !ob_shim_large(name, shared))
        ob_shim_die("kernel %s: %zu bytes of shared memory without cudaFuncSetAttribute", name,
                    shared);
    ob_shim_give(stream, false, [=] {
        ob_shim_launches++;
        ob_shim_run(name, grid, block, shared, ob_shim_order, body);
    });
}

/* ---- device and errors ---- */

inline cudaError_t cudaPeekAtLastError(void) { return ob_shim_rt()->last; }
inline cudaError_t cudaGetLastError(void) {
    cudaError_t e = ob_shim_rt()->last;
    ob_shim_rt()->last = cudaSuccess;
    return e;
}

inline cudaError_t cudaGetDeviceCount(int *count) {
    OB_SHIM_CALL();
    *count = ob_shim_devices;
    return ob_shim_note(*count ? cudaSuccess : cudaErrorNoDevice);
}

/* All devices are alike: the choice is checked, then forgotten. */
inline cudaError_t cudaSetDevice(int device) {
    OB_SHIM_CALL();
    bool there = device >= 0 && device < ob_shim_devices;
    return ob_shim_note(there ? cudaSuccess : cudaErrorInvalidDevice);
}

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device) {
    cudaError_t e = cudaSetDevice(device);
    if (!e) *prop = ob_shim_device;
    return e;
}

inline cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    const cudaDeviceProp *p = &ob_shim_device;
    cudaError_t e = cudaSetDevice(device);
    if (e) return e;
    switch (attribute) { OB_SHIM_ATTRIBUTES(OB_SHIM_ATTRIBUTE_IS) }
    return cudaSuccess;
}

inline cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    OB_SHIM_CALL();
    *available = ob_shim_free_bytes;
    *total = ob_shim_device.totalGlobalMem;
    return cudaSuccess;
}

/* ---- memory ---- */

/* The kind of memory that p points into, 0 when CUDA does not know it. */
inline char ob_shim_kind(const void *p) {
    for (const ob_shim_memory &m : ob_shim_rt()->memory)
        if ((const char *)p >= m.at && (const char *)p < m.at + m.size) return m.kind;
    return 0;
}

/* Memory of exactly so many bytes, aligned as CUDA does, full of NaN; p stays when it fails. */
template <typename T> inline cudaError_t ob_shim_allocate(T **p, size_t bytes, char kind) {
    void *at = NULL;
    OB_SHIM_CALL_OUTSIDE((cudaStream_t)NULL);
    if (kind == 'm' && !ob_shim_device.managedMemory) return ob_shim_note(cudaErrorNotSupported);
    if (kind == 'm' && !bytes) return ob_shim_note(cudaErrorInvalidValue);
    if ((kind == 'd' && bytes > ob_shim_free_bytes) ||
        (bytes && posix_memalign(&at, 256, bytes) != 0))
        return ob_shim_note(cudaErrorMemoryAllocation);
    *p = (T *)at;
    if (!bytes) return cudaSuccess;
    memset(at, 255, bytes);
    ob_shim_rt()->memory.push_back(ob_shim_memory{(char *)at, bytes, kind});
    ob_shim_touch(false);
    ob_shim_live++;
    return cudaSuccess;
}

/* Frees memory of one of two kinds, after the work that may use it. It is gone even when the test
   lets the call fail, as then the error comes from work before. */
inline cudaError_t ob_shim_free(void *p, char kind, char kind2) {
    std::vector<ob_shim_memory> &memory = ob_shim_rt()->memory;
    size_t i = 0;
    bool fails = ob_shim_fails();
    if (ob_shim_rt()->capture) return ob_shim_spoil_capture(cudaErrorStreamCaptureUnsupported);
    ob_shim_wait();
    while (p && i < memory.size() && memory[i].at != p) i++;
    if (p && (i == memory.size() || (memory[i].kind != kind && memory[i].kind != kind2)))
        return ob_shim_note(cudaErrorInvalidValue);
    if (p) {
        memory.erase(memory.begin() + (ptrdiff_t)i);
        ob_shim_live--;
        free(p);
    }
    return ob_shim_note(fails ? ob_shim_fail_error : cudaSuccess);
}

template <typename T> inline cudaError_t cudaMalloc(T **p, size_t bytes) {
    return ob_shim_allocate(p, bytes, 'd');
}
template <typename T>
inline cudaError_t cudaMallocManaged(T **p, size_t bytes, unsigned = cudaMemAttachGlobal) {
    return ob_shim_allocate(p, bytes, 'm');
}
template <typename T> inline cudaError_t cudaMallocHost(T **p, size_t bytes, unsigned = 0) {
    return ob_shim_allocate(p, bytes, 'h');
}
inline cudaError_t cudaFree(void *p) { return ob_shim_free(p, 'd', 'm'); }
inline cudaError_t cudaFreeHost(void *p) { return ob_shim_free(p, 'h', 'h'); }

/* The direction must be true. Memory that CUDA does not know is copied before the call returns. */
inline cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream = NULL) {
    OB_SHIM_CALL();
    char t = ob_shim_kind(to), f = ob_shim_kind(from);
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!bytes) return cudaSuccess;
    if (kind != cudaMemcpyDefault && ((t != 'm' && to_device != (t == 'd')) ||
                                      (f != 'm' && from_device != (f == 'd'))))
        return ob_shim_note(cudaErrorInvalidValue);
    return ob_shim_give(stream, !t || !f, [=] { memcpy(to, from, bytes); });
}

inline cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream = NULL) {
    OB_SHIM_CALL();
    if (!bytes) return cudaSuccess;
    if (!ob_shim_kind(to)) return ob_shim_note(cudaErrorInvalidValue);
    return ob_shim_give(stream, false, [=] { memset(to, value, bytes); });
}

/* Hints: checked, then forgotten. CUDA 12 names a device, 13 a location. */
inline cudaError_t cudaMemPrefetchAsync(const void *p, size_t, int, cudaStream_t stream = NULL) {
    OB_SHIM_CALL_OUTSIDE(stream);
    return ob_shim_note(ob_shim_kind(p) == 'm' ? cudaSuccess : cudaErrorInvalidValue);
}
inline cudaError_t cudaMemPrefetchAsync(const void *p, size_t bytes, cudaMemLocation where,
                                        unsigned, cudaStream_t stream = NULL) {
    return cudaMemPrefetchAsync(p, bytes, where.id, stream);
}
inline cudaError_t cudaMemAdvise(const void *p, size_t, cudaMemoryAdvise, int) {
    OB_SHIM_CALL();
    return ob_shim_note(ob_shim_kind(p) == 'm' ? cudaSuccess : cudaErrorInvalidValue);
}
inline cudaError_t cudaMemAdvise(const void *p, size_t bytes, cudaMemoryAdvise advice,
                                 cudaMemLocation where) {
    return cudaMemAdvise(p, bytes, advice, where.id);
}

/* ---- streams, events, graphs ---- */

/* Makes an object of the runtime; ends one, even when the test lets the call fail. */
template <typename T> inline cudaError_t ob_shim_create(T **object) {
    OB_SHIM_CALL();
    *object = new T();
    ob_shim_live++;
    return cudaSuccess;
}
template <typename T> inline cudaError_t ob_shim_destroy(T *object) {
    bool fails = ob_shim_fails();
    if (!object) return ob_shim_note(cudaErrorInvalidResourceHandle);
    ob_shim_wait();
    delete object;
    ob_shim_live--;
    return ob_shim_note(fails ? ob_shim_fail_error : cudaSuccess);
}

inline cudaError_t cudaStreamCreate(cudaStream_t *s) { return ob_shim_create(s); }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned) {
    return ob_shim_create(s);
}
inline cudaError_t cudaStreamDestroy(cudaStream_t s) {
    if (s && ob_shim_rt()->capture == s) ob_shim_rt()->capture = NULL;
    return ob_shim_destroy(s);
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    OB_SHIM_CALL_OUTSIDE(s);
    ob_shim_wait();
    return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize(void) { return cudaStreamSynchronize(NULL); }

inline cudaError_t cudaEventCreate(cudaEvent_t *e) { return ob_shim_create(e); }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned) { return ob_shim_create(e); }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) { return ob_shim_destroy(e); }
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s = NULL) {
    OB_SHIM_CALL();
    return ob_shim_give(s, false, [=] { e->recorded = true; });
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaStreamSynchronize(NULL); }

inline cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
    OB_SHIM_CALL();
    if (!s) return ob_shim_note(cudaErrorStreamCaptureUnsupported);
    if (ob_shim_rt()->capture) return ob_shim_note(cudaErrorIllegalState);
    ob_shim_rt()->capture = s;
    s->status = cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

inline cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *status) {
    OB_SHIM_CALL();
    *status = s ? s->status : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

/* Ends the capture even when it fails; the graph is then NULL. */
inline cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
    std::vector<ob_shim_work> nodes;
    bool fails = ob_shim_fails();
    *graph = NULL;
    if (!s || ob_shim_rt()->capture != s) return ob_shim_note(cudaErrorIllegalState);
    bool spoiled = s->status == cudaStreamCaptureStatusInvalidated;
    ob_shim_rt()->capture = NULL;
    s->status = cudaStreamCaptureStatusNone;
    nodes.swap(s->nodes);
    if (fails) return ob_shim_note(ob_shim_fail_error);
    if (spoiled) return ob_shim_note(cudaErrorStreamCaptureInvalidated);
    *graph = new std::vector<ob_shim_work>(nodes);
    ob_shim_live++;
    return cudaSuccess;
}

inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                        unsigned long long = 0) {
    cudaError_t e = ob_shim_create(exec);
    if (!e) **exec = *graph;
    return e;
}

inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
    OB_SHIM_CALL();
    for (const ob_shim_work &work : *exec)
        if (cudaError_t e = ob_shim_give(s, false, work)) return e;
    return cudaSuccess;
}

inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return ob_shim_destroy(graph); }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return ob_shim_destroy(exec); }

/* ---- cuBLAS ---- */

#define OB_SHIM_BLAS_ERRORS(each)                                                                  \
    each(CUBLAS_STATUS_SUCCESS, 0) each(CUBLAS_STATUS_NOT_INITIALIZED, 1)                          \
    each(CUBLAS_STATUS_ALLOC_FAILED, 3) each(CUBLAS_STATUS_INVALID_VALUE, 7)                       \
    each(CUBLAS_STATUS_ARCH_MISMATCH, 8) each(CUBLAS_STATUS_MAPPING_ERROR, 11)                     \
    each(CUBLAS_STATUS_EXECUTION_FAILED, 13) each(CUBLAS_STATUS_INTERNAL_ERROR, 14)                \
    each(CUBLAS_STATUS_NOT_SUPPORTED, 15)
enum cublasStatus_t { OB_SHIM_BLAS_ERRORS(OB_SHIM_VALUE) };
enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T };
enum cublasMath_t { CUBLAS_DEFAULT_MATH = 0, CUBLAS_PEDANTIC_MATH = 2 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_PEDANTIC = 69 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT = -1 };
enum cudaDataType { CUDA_R_32F = 0, CUDA_R_16BF = 14 };
typedef cudaDataType cudaDataType_t;
typedef struct ob_shim_blas {
    cudaStream_t stream;
} *cublasHandle_t;

/* Opens a function of cuBLAS. */
#define OB_SHIM_BLAS_CALL(handle)                                                                  \
    if (ob_shim_fails()) return CUBLAS_STATUS_EXECUTION_FAILED;                                    \
    if (!(handle)) return CUBLAS_STATUS_NOT_INITIALIZED

inline const char *cublasGetStatusString(cublasStatus_t e) {
    switch (e) { OB_SHIM_BLAS_ERRORS(OB_SHIM_NAME) }
    return "unknown cuBLAS status";
}

inline cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    OB_SHIM_BLAS_CALL(handle);
    *handle = new ob_shim_blas();
    ob_shim_live++;
    return CUBLAS_STATUS_SUCCESS;
}

/* The handle is gone even when the test lets the call fail. */
inline cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    bool fails = ob_shim_fails();
    if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
    ob_shim_wait();
    delete handle;
    ob_shim_live--;
    return fails ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    OB_SHIM_BLAS_CALL(handle);
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

/* cuBLAS wants 256 bytes of alignment, and memory of the device. */
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *p, size_t bytes) {
    OB_SHIM_BLAS_CALL(handle);
    bool device = ob_shim_kind(p) == 'd' || ob_shim_kind(p) == 'm';
    if (bytes && ((size_t)p % 256 || !device)) return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t) {
    OB_SHIM_BLAS_CALL(handle);
    return CUBLAS_STATUS_SUCCESS;
}

/* A matrix of float or bf16: element (row, col) lies at row down + col right. */
struct ob_shim_matrix {
    const void *p;
    cudaDataType type;
    size_t down, right;
};
inline double ob_shim_element(const ob_shim_matrix *a, int row, int col) {
    size_t i = (size_t)row * a->down + (size_t)col * a->right;
    if (a->type == CUDA_R_32F) return (double)((const float *)a->p)[i];
    return (double)__uint_as_float((unsigned)((const uint16_t *)a->p)[i] << 16);
}

/* c, m x n, = alpha a b + beta c; sums in double, rounded once. c is not read when beta is 0. */
inline void ob_shim_gemm(int m, int n, int k, double alpha, const ob_shim_matrix *a,
                         const ob_shim_matrix *b, double beta, float *c, size_t ldc) {
    for (int j = 0; j < n; j++, c += ldc) {
        for (int i = 0; i < m; i++) {
            double sum = 0;
            for (int l = 0; l < k; l++) sum += ob_shim_element(a, i, l) * ob_shim_element(b, l, j);
            c[i] = (float)(alpha * sum + (beta != 0 ? beta * (double)c[i] : 0));
        }
    }
}

/* Column major: op(a) is m x k, op(b) k x n. alpha and beta are floats of the host, read now. */
inline cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a,
                                   cublasOperation_t op_b, int m, int n, int k, const void *alpha,
                                   const void *a, cudaDataType type_a, int lda, const void *b,
                                   cudaDataType type_b, int ldb, const void *beta, void *c,
                                   cudaDataType type_c, int ldc, cublasComputeType_t,
                                   cublasGemmAlgo_t) {
    OB_SHIM_BLAS_CALL(handle);
    int least_a = op_a == CUBLAS_OP_N ? m : k, least_b = op_b == CUBLAS_OP_N ? k : n;
    if (m < 0 || n < 0 || k < 0 || !alpha || !beta || lda < 1 || ldb < 1 || ldc < 1 ||
        lda < least_a || ldb < least_b || ldc < m)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (type_a != type_b || type_c != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
    ob_shim_matrix x = {a, type_a, 1, (size_t)lda}, y = {b, type_b, 1, (size_t)ldb};
    if (op_a != CUBLAS_OP_N) std::swap(x.down, x.right);
    if (op_b != CUBLAS_OP_N) std::swap(y.down, y.right);
    float scale = *(const float *)alpha, keep = *(const float *)beta;
    cudaError_t e = ob_shim_give(handle->stream, false, [=] {
        ob_shim_gemm(m, n, k, (double)scale, &x, &y, (double)keep, (float *)c, (size_t)ldc);
    });
    return e ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

#endif
