#!/usr/bin/env python3
"""Peers beside onebit.h, in the same minutes on the same machine.

    python3 -m pip install torch numpy gguf llama-cpp-python
    python3 tools/peers.py train [S1 S2 S3 S4] [--threads 1,2] [--runs 5]
    python3 tools/peers.py train [gpt2 17m] --device cuda [--bench build/onebit-bench-cuda]
    python3 tools/peers.py infer [--threads 1,2] [--runs 5] [--directory DIR]
    python3 tools/peers.py models ...       the models of others beside their programs: see tools/foreign.py

train: full steps (forward, loss, backward, clip, AdamW) of PyTorch eager on the shapes of
  "onebit-bench --train", each of float32 and ternary (fake-quantised BitLinear, straight-through),
  in float32 and under bfloat16 autocast, beside the same of build/onebit-bench. The ratio is to the
  faster of PyTorch's two; that of float32, which has no bfloat16 here, to its float32. Memory is the
  most that the process held.
  With --device cuda: ternary in bfloat16 on an NVIDIA GPU, PyTorch compiled (torch.compile), beside
  --backward-bits 16 of an onebit-bench that nvcc built. Memory is PyTorch's on the GPU, and what the
  trainer asks for. A batch that PyTorch has no memory for is halved, for PyTorch alone.
infer: a model of the shape of BitNet b1.58 2B4T with random weights, as GGUF (TQ2_0 blocks, Q8_0
  tied embedding and head) in llama.cpp (llama-cpp-python), beside "onebit-bench --shape 2b4t" (2 bits,
  8-bit head). Files of about 0.9 GB are left in DIR (default build/peers).

Each figure is the median of so many runs; each peer runs in a process of its own, one after the other.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

# vocabulary, width, layers, heads, FFN width, context, batch, tied head, gated FFN
SHAPES = {
    "S1": (65, 128, 4, 4, 352, 64, 12, False, True),
    "S2": (65, 384, 6, 6, 1024, 256, 16, False, True),
    "S3": (50257, 512, 8, 8, 1536, 256, 8, True, True),
    "S4": (50257, 768, 12, 12, 3072, 64, 4, True, False),
    "17m": (8192, 384, 8, 6, 1024, 512, 64, True, True),
    "gpt2": (50257, 768, 12, 12, 3072, 1024, 32, True, False),
}
ON_CPU, ON_GPU = ["S1", "S2", "S3", "S4"], ["gpt2", "17m"]  # where no shape is named
BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "onebit-bench")


# ---- training in PyTorch ----

def torch_model(shape, ternary):
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch_twin import Ternary

    vocab, width, layers, heads, ffn, context, _, tied, gated = SHAPES[shape]

    def linear(i, o, parts=1):
        if not ternary:
            return nn.Linear(i, o, bias=False)
        layer = Ternary(i, o)
        layer.parts = parts  # q, k, v or gate, up lie here as one matrix, each with its own scale
        return layer

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
            self.qkv, self.o = linear(width, 3 * width, 3), linear(width, width)
            self.up = linear(width, 2 * ffn, 2) if gated else linear(width, ffn)
            self.down = linear(ffn, width)

        def forward(self, x, cos, sin):
            B, T, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, heads, -1).permute(2, 0, 3, 1, 4)
            q, k = (y * cos + torch.cat((-y.chunk(2, -1)[1], y.chunk(2, -1)[0]), -1) * sin
                    for y in (q, k))
            z = F.scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
            x = x + self.o(z.transpose(1, 2).reshape(B, T, width))
            h = self.up(self.norm2(x))
            if gated:
                gate, up = h.chunk(2, -1)
                return x + self.down(F.silu(gate) * up)
            return x + self.down(F.relu(h).square())

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(vocab, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.RMSNorm(width, eps=1e-5)
            self.head = nn.Linear(width, vocab, bias=False)
            if tied:
                self.head.weight = self.embed.weight
            d = width // heads
            turn = 10000.0 ** (-torch.arange(0, d, 2) / d)
            angle = torch.outer(torch.arange(context), torch.cat((turn, turn)))
            self.register_buffer("cos", angle.cos())
            self.register_buffer("sin", angle.sin())

        def forward(self, ids, targets):
            x = self.embed(ids)
            for block in self.blocks:
                x = block(x, self.cos, self.sin)
            logits = self.head(self.norm(x))
            return F.cross_entropy(logits.view(-1, vocab), targets.reshape(-1))

    return Model()


def torch_train(shape, ternary, bf16, threads, runs, device="cpu", batch=0, compiled=False):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    on_gpu = device != "cpu"
    if on_gpu:
        torch.set_float32_matmul_precision("high")
    vocab, context = SHAPES[shape][0], SHAPES[shape][5]
    batch = batch or SHAPES[shape][6]
    model = torch_model(shape, ternary).to(device)
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    ids = torch.randint(0, vocab, (batch, context + 1), device=device)

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = forward(ids[:, :-1], ids[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    def steps(n):  # a GPU is waited for once, so that the processor can run ahead of it
        for _ in range(n):
            step()
        if on_gpu:
            torch.cuda.synchronize()
        return n

    steps(2)
    speeds = []
    for _ in range(runs):
        start, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < 0.5:
            count += steps(5 if on_gpu else 1)
        speeds.append(count * batch * context / (time.perf_counter() - start))
    figures = {"median": statistics.median(speeds), "version": torch.__version__}
    if on_gpu:
        figures["memory"] = torch.cuda.max_memory_reserved() / 1e6
        figures["on"] = torch.cuda.get_device_name()
    return figures


# ---- inference in llama.cpp ----

def write_gguf(path):
    import gguf
    import numpy as np

    vocab, width, layers, heads, kv, ffn = 128256, 2560, 30, 20, 5, 6912
    rng = np.random.default_rng(1)
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(4096)
    w.add_embedding_length(width)
    w.add_block_count(layers)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    w.add_head_count_kv(kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(500000.0)
    w.add_vocab_size(vocab)
    w.add_tokenizer_model("no_vocab")

    def ternary(name, rows, cols):  # blocks of 256: 64 bytes of four 2-bit codes, a half as scale
        n = rows * cols // 256
        codes = rng.integers(0, 81, (n, 64), dtype=np.uint8)
        codes = codes % 3 | codes // 3 % 3 << 2 | codes // 9 % 3 << 4 | codes // 27 << 6
        scale = np.full((n, 1), 0.5 / cols ** 0.5, np.float16).view(np.uint8)
        data = np.concatenate((codes.astype(np.uint8), scale), 1).reshape(rows, -1)
        w.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType.TQ2_0)

    def gain(name):
        w.add_tensor(name, np.ones(width, np.float32))

    n = vocab * width // 32  # blocks of 32: a half as scale, 32 codes
    scale = np.full((n, 1), 0.02 / 127, np.float16).view(np.uint8)
    codes = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    w.add_tensor("token_embd.weight", np.concatenate((scale, codes), 1).reshape(vocab, -1),
                 raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    gain("output_norm.weight")
    for i in range(layers):
        gain(f"blk.{i}.attn_norm.weight")
        gain(f"blk.{i}.ffn_norm.weight")
        ternary(f"blk.{i}.attn_q.weight", width, width)
        ternary(f"blk.{i}.attn_k.weight", kv * 128, width)
        ternary(f"blk.{i}.attn_v.weight", kv * 128, width)
        ternary(f"blk.{i}.attn_output.weight", width, width)
        ternary(f"blk.{i}.ffn_gate.weight", ffn, width)
        ternary(f"blk.{i}.ffn_up.weight", ffn, width)
        ternary(f"blk.{i}.ffn_down.weight", width, ffn)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def llama_infer(path, threads, runs):
    import llama_cpp as L

    L.llama_backend_init()
    model_options = L.llama_model_default_params()
    model = L.llama_model_load_from_file(path.encode(), model_options)
    options = L.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = 2048, 512, 512, 8
    options.n_threads = options.n_threads_batch = threads
    context = L.llama_init_from_model(model, options)
    memory = L.llama_get_memory(context)
    batch = L.llama_batch_init(512, 0, 8)

    def decode(tokens):  # of (id, position, sequence, logits)
        batch.n_tokens = len(tokens)
        for i, (token, at, sequence, logits) in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, at, 1
            batch.seq_id[i][0], batch.logits[i] = sequence, logits
        if L.llama_decode(context, batch):
            sys.exit("llama_decode failed")

    figures = {"decode": [], "prefill": [], "together": []}
    for run in range(runs + 1):
        L.llama_memory_clear(memory, True)
        start = time.perf_counter()
        decode([(i * 40503 % 128256, i, 0, i == 127) for i in range(128)])
        prefill = 128 / (time.perf_counter() - start)
        start = time.perf_counter()
        for i in range(24):
            decode([(i * 97, 128 + i, 0, True)])
        one = 24 / (time.perf_counter() - start)
        L.llama_memory_clear(memory, True)
        decode([(s * 31 + i, i, s, i == 15) for s in range(8) for i in range(16)])
        start = time.perf_counter()
        for i in range(12):
            decode([(i * 97 + s, 16 + i, s, True) for s in range(8)])
        together = 8 * 12 / (time.perf_counter() - start)
        if run:
            figures["decode"].append(one)
            figures["prefill"].append(prefill)
            figures["together"].append(together)
    return {key: statistics.median(value) for key, value in figures.items()} | {
        "version": "llama-cpp-python " + L.__version__}


# ---- both side by side ----

def peer(arguments, threads):
    """This program once more, in a process of its own: its figures, and the memory it took."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    run = subprocess.run([sys.executable, os.path.abspath(__file__), "--one", *arguments],
                         env=environment, capture_output=True, text=True)
    if run.returncode:
        return {"failed": (run.stderr.strip().splitlines() or ["no output"])[-1]}
    return json.loads(run.stdout.strip().splitlines()[-1])


def ours(arguments):
    """onebit-bench --json: the medians by what they measure, and the memory it took."""
    run = subprocess.Popen([BENCH, "--json", "-q", *arguments], stdout=subprocess.PIPE, text=True)
    text = run.stdout.read()
    _, status, usage = os.wait4(run.pid, 0)
    if status:
        sys.exit("onebit-bench failed")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {line["what"]: line["median"] for line in lines}, usage.ru_maxrss / 1e3


def train(options):
    print(f"{'':36s} {'tokens/s':>9s} {'memory, MB':>11s}")
    for shape in options.what or ON_CPU:
        for threads in options.threads:
            row = f"{shape}, {threads} thread" + ("s" if threads > 1 else "")
            for ternary in (True, False):
                kind = "ternary" if ternary else "float32"
                best = 0.0
                for bf16 in (False, True):
                    r = peer(["train", json.dumps([shape, ternary, bf16, threads, options.runs])],
                             threads)
                    name = f"PyTorch {kind}" + (", bf16 autocast" if bf16 else "")
                    if "failed" in r:
                        print(f"{row}: {name} failed: {r['failed']}")
                        continue
                    if ternary or not bf16:
                        best = max(best, r["median"])
                    print(f"{row:16s} {name:32s} {r['median']:9.0f} {r['rss']:9.0f}", flush=True)
                flags = ["--train", shape, "--threads", str(threads), "--repeats", str(options.runs)]
                for more in ([["--backward-bits", "16", "--fast"], ["--fast"], []] if ternary
                             else [["--float32", "--fast"]]):
                    figures, rss = ours(flags + more)
                    speed = next(v for k, v in figures.items() if k.startswith("train"))
                    name = f"onebit {kind} " + " ".join(f for f in more if f != "--float32")
                    ratio = f"  {speed / best:.2f} x" if best else ""
                    print(f"{row:16s} {name:32s} {speed:9.0f} {rss:9.0f}{ratio}", flush=True)


def compiled_peer(shape, options):
    """PyTorch on the device, with the largest batch that there is memory for."""
    batch = options.batch or SHAPES[shape][6]
    while True:
        r = peer(["train", json.dumps([shape, True, True, os.cpu_count(), options.runs,
                                       options.device, batch, True])], os.cpu_count())
        if batch == 1 or "OutOfMemory" not in r.get("failed", ""):
            return r | {"batch": batch}
        batch //= 2


def train_compiled(options):
    """Compiled PyTorch and onebit-bench, both on one device; with --json a line of JSON for each."""
    def show(what, speed, memory, batch, **more):
        if options.json:
            print(json.dumps({"what": what, "unit": "tokens/s", "median": speed,
                              "memory_mb": memory, "batch": batch} | more), flush=True)
        else:
            ratio = f"  {more['ratio']:.2f} x" if more.get("ratio") else ""
            print(f"{what + ', batch ' + str(batch):48s} {speed:9.0f} {memory:9.0f}{ratio}",
                  flush=True)

    if not options.json:
        print(f"{'':48s} {'tokens/s':>9s} {'memory, MB':>11s}")
    for shape in options.what or ON_GPU:
        r = compiled_peer(shape, options)
        if "failed" in r:
            print(json.dumps({"what": f"{shape}: PyTorch", "failed": r["failed"]}) if options.json
                  else f"{shape}: PyTorch failed: {r['failed']}", flush=True)
        else:
            show(f"{shape}: PyTorch {r['version']}, compiled", r["median"],
                 r.get("memory", r["rss"]), r["batch"])
        batch = options.batch or SHAPES[shape][6]
        try:
            figures, _ = ours(["--train", shape, "--device", options.device, "--backward-bits", "16",
                               "--batch-size", str(batch), "--repeats", str(options.runs)])
        except SystemExit as stop:  # it has said why; there are other shapes
            print(stop, file=sys.stderr)
            continue
        speed = next(v for k, v in figures.items() if k.startswith("train"))
        show(f"{shape}: onebit --backward-bits 16", speed, figures["memory of the trainer"], batch,
             ratio=speed / r["median"] if "median" in r else None)


def infer(options):
    os.makedirs(options.directory, exist_ok=True)
    path = os.path.join(options.directory, "2b4t.gguf")
    model = os.path.join(options.directory, "2b4t.1bit")
    if not os.path.exists(path):
        write_gguf(path)
    if not os.path.exists(model):
        subprocess.run([BENCH, "--shape", "2b4t", "--write", model], check=True)
    print(f"{'tokens/s':36s} {'decode':>9s} {'prefill':>9s} {'8 together':>11s}")
    for threads in options.threads:
        row = f"{threads} thread" + ("s" if threads > 1 else "")
        r = peer(["infer", path, str(threads), str(options.runs)], threads)
        if "failed" in r:
            print(f"{row}: llama.cpp failed: {r['failed']}")
        else:
            print(f"{row:10s} {r['version']:25s} {r['decode']:9.1f} {r['prefill']:9.1f} "
                  f"{r['together']:11.1f}", flush=True)
        figures, _ = ours(["--model", model, "--threads", str(threads), "--repeats",
                           str(options.runs), "--tokens", "24", "--machine"])
        pick = lambda word: next(v for k, v in figures.items() if k.startswith(word))
        print(f"{row:10s} {'onebit':25s} {pick('decode behind'):9.1f} {pick('prefill'):9.1f} "
              f"{pick('decode 8'):11.1f}", flush=True)


def one(arguments):
    if arguments[0] == "train":
        r = torch_train(*json.loads(arguments[1]))
    else:
        r = llama_infer(arguments[1], int(arguments[2]), int(arguments[3]))
    r["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(r))


def main():
    global BENCH
    if sys.argv[1:2] == ["--one"]:
        return one(sys.argv[2:])
    if sys.argv[1:2] == ["models"]:
        os.execv(sys.executable, [sys.executable, os.path.join(os.path.dirname(BENCH), "..", "tools", "foreign.py"),
                                  *sys.argv[2:]])
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("job", choices=["train", "infer"])
    p.add_argument("what", nargs="*", metavar="SHAPE", help="of train: " + " ".join(SHAPES))
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of train")
    p.add_argument("--compile", action="store_true", help="the rows of cuda on the CPU, to try them")
    p.add_argument("--batch", type=int, default=0, help="of cuda (default: the shape's own)")
    p.add_argument("--bench", default=BENCH, help="the program onebit-bench (default %(default)s)")
    p.add_argument("--json", action="store_true", help="of cuda: a line of JSON for each row")
    p.add_argument("--threads", type=lambda s: [int(n) for n in s.split(",")], default=[1, 2])
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--directory", default="build/peers")
    options = p.parse_args()
    unknown = [name for name in options.what if name not in SHAPES]
    if unknown:
        p.error(f"unknown shape {unknown[0]}; there are {', '.join(SHAPES)}")
    BENCH = options.bench
    if options.job == "infer":
        return infer(options)
    (train_compiled if options.compile or options.device == "cuda" else train)(options)


if __name__ == "__main__":
    main()
