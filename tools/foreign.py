#!/usr/bin/env python3
"""Models of other programs beside onebit.h: the same random weights there and here.

    python3 -m pip install torch transformers safetensors gguf llama-cpp-python numpy
    make && python3 tools/foreign.py [hf] [gguf] [codes] [export] [--directory build/foreign]

hf: directories as transformers saves them (Llama plain, with Llama 3's and YaRN's positions in several
  files, Qwen 2, Qwen 3, BitNet packed by both conventions and quantised when it is loaded): logits of
  transformers against "onebit-eval --dump-logits".
gguf: files of llama, qwen2 and qwen3 in every type that the gguf package can write, in llama.cpp and here. It
  computes with inputs rounded to halves or to 8 bits in blocks, this library with floats or 8 bits per token, so logits
  differ by that; for float types torch with the same weights is the truth ("exact").
codes: Q1_0, Q2_0, TQ1_0 and TQ2_0 of llama and qwen3, packed here, in llama.cpp.
export: the models above, exported by onebit-export and loaded there: the same logits.
text MODEL.1bit: greedy text of a model that onebit-train made, here and exported, there.
big: a GGUF of the shape of BitNet b1.58 2B4T with random codes (TQ2_0, Q6_K embedding, 0.8 GB): seconds to open it
  and to evaluate one token, and the most memory held.
trained MODEL.bin TOKENIZER TEXT: a bitllama2c model as TQ2_0, on the first 30 stories of a text: how often both agree
  on the likeliest token, and how often llama.cpp with itself, computing in another order.

Prints a table; exit status 1 when a row is worse than its bound.
"""
import argparse
import copy
import json
import os
import subprocess
import sys

import numpy as np

IDS = [1, 5, 9, 100, 37, 250, 3, 77, 8, 8, 12, 299, 150, 151, 4, 60]
SHAPE = dict(vocab_size=300, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64)
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "build")
failed = 0


def ours(path, ids, flags=()):
    """Logits [len(ids)][V] of onebit-eval; its remark about the file."""
    out = os.path.join(options.directory, "logits.f32")
    with open(os.path.join(options.directory, "ids.json"), "w") as f:
        json.dump(ids, f)
    run = subprocess.run([os.path.join(BUILD, "onebit-eval"), "--model", path, "--ids", f.name, "--dump-logits", out,
                          *flags], capture_output=True, text=True)
    if run.returncode:
        return None, run.stderr.strip()
    return np.fromfile(out, np.float32).reshape(len(ids), -1), run.stderr.strip().split("\n")[0]


def row(name, want, got, bound, note="", agree=0.0):
    """One line: the largest difference, the spread of the logits, how often the likeliest is the same."""
    global failed
    if got is None:
        failed += 1
        print(f"{name:34s} FAILED {note}")
        return
    worst = np.abs(want - got).max()
    same = np.mean(want.argmax(1) == got.argmax(1))
    ok = worst <= bound and same >= agree
    failed += not ok
    print(f"{name:34s} {worst:10.2e} {want.std():8.3f} {100 * same:7.1f} %  {'ok' if ok else 'over %g' % bound}", flush=True)


def head(title):
    print(f"\n{title:34s} {'max diff':>10s} {'spread':>8s} {'top-1':>9s}")


# ---- Hugging Face ----

def scatter(model):
    """Random weights that make every part matter."""
    for name, p in model.named_parameters():
        if "norm" in name:
            p.data.uniform_(0.7, 1.3)
        else:
            p.data.normal_(0, 0.1 if "bias" in name else 0.06)
    return model


def torch_logits(model, ids=IDS):
    import torch
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def hf_models():
    """Name, model and how to save it."""
    import transformers as t
    llama = lambda **more: scatter(t.LlamaForCausalLM(t.LlamaConfig(**SHAPE, **more)))
    yield "llama", llama(), {}
    yield "llama3-positions", llama(tie_word_embeddings=True, rope_theta=500.0, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)), {}
    yield "llama-yarn-sharded", llama(rope_theta=500.0, rope_scaling=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=16)), dict(max_shard_size="500KB")
    yield "qwen2", scatter(t.Qwen2ForCausalLM(t.Qwen2Config(**SHAPE))), {}
    yield "qwen3", scatter(t.Qwen3ForCausalLM(t.Qwen3Config(**SHAPE, head_dim=48))), {}


def bitnet():
    """A BitNet of transformers with linear layers that quantise when they run; its config and weights."""
    import torch
    import transformers as t
    from transformers.integrations.bitnet import AutoBitLinear
    config = t.BitNetConfig(**SHAPE, hidden_act="relu2", tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
    model = scatter(t.BitNetForCausalLM(config))
    weights = {k: v.clone() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Linear) and name != "lm_head":
                layer = AutoBitLinear(child.in_features, child.out_features, bias=False, online_quant=True)
                layer.weight.data = child.weight.data.clone()
                setattr(module, name, layer)
    return model, config, weights


def save_bitnet(path, config, weights, linear_class, mode):
    from safetensors.torch import save_file
    from transformers.integrations.bitnet import pack_weights
    tensors = {}
    for name, w in weights.items():
        if mode == "offline" and "_proj" in name:
            s = 1 / w.abs().mean().clamp(min=1e-5)
            tensors[name] = pack_weights((w * s).round().clamp(-1, 1))
            tensors[name + "_scale"] = (1 / s if linear_class == "autobitlinear" else s).reshape(1)
        else:
            tensors[name] = w.contiguous()
    os.makedirs(path, exist_ok=True)
    save_file(tensors, os.path.join(path, "model.safetensors"))
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(dict(config.to_dict(), architectures=["BitNetForCausalLM"], quantization_config=dict(
            quant_method="bitnet", linear_class=linear_class, quantization_mode=mode)), f)


def run_hf():
    head("transformers, loaded here")
    for name, model, how in hf_models():
        path = os.path.join(options.directory, name)
        model.save_pretrained(path, **how)
        got, note = ours(path, IDS)
        row(name, torch_logits(model), got, 1e-4, note)
    model, config, weights = bitnet()
    want = torch_logits(model)
    for linear_class, mode in (("autobitlinear", "offline"), ("bitlinear", "offline"), ("autobitlinear", "online")):
        path = os.path.join(options.directory, f"bitnet-{linear_class}-{mode}")
        save_bitnet(path, config, weights, linear_class, mode)
        got, note = ours(path, IDS)
        row(os.path.basename(path), want, got, 1e-2 * want.std(), note)


# ---- GGUF ----

def write_gguf(path, model, arch, kind):
    """A GGUF without a vocabulary; matrices in this type, the rest in F32."""
    import gguf
    sub_norms = {"attn_sub_norm": "blk.N.attn_sub_norm", "ffn_sub_norm": "blk.N.ffn_sub_norm"}
    config, state = model.config, {k: v.float().numpy() for k, v in model.state_dict().items()}
    heads, kv = config.num_attention_heads, config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    w = gguf.GGUFWriter(path, arch)
    w.add_vocab_size(config.vocab_size)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(heads)
    w.add_head_count_kv(kv)
    w.add_key_length(width)
    w.add_value_length(width)
    w.add_rope_dimension_count(width)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    w.add_tokenizer_model("no_vocab")
    names = gguf.get_tensor_name_map(w.arch if isinstance(w.arch, gguf.MODEL_ARCH) else
                                     {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch], config.num_hidden_layers)
    for name, value in state.items():
        if "lm_head" in name and config.tie_word_embeddings:
            continue
        gguf_name = sub_norms.get(name.split(".")[-2]) or names.get_name(name, (".weight", ".bias"))
        if gguf_name.startswith("blk.N"):
            gguf_name = gguf_name.replace("N", name.split(".")[2], 1)
        if not gguf_name.endswith((".weight", ".bias")):
            gguf_name += name[name.rindex("."):]
        if arch == "llama" and ("q_proj" in name or "k_proj" in name):  # pairs become neighbours
            n = heads if "q_proj" in name else kv
            value = value.reshape(n, 2, width // 2, -1).swapaxes(1, 2).reshape(value.shape)
        if value.ndim == 1:
            w.add_tensor(gguf_name, value)
            continue
        quant = gguf.quants.quantize(np.ascontiguousarray(value), kind)
        w.add_tensor(gguf_name, quant, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def llama_logits(path, ids, **how):
    """Logits of llama.cpp, with a cache of floats."""
    import llama_cpp
    how = dict(dict(n_ctx=max(64, len(ids)), n_batch=max(64, len(ids)), type_k=0, type_v=0, n_threads=2), **how)
    llm = llama_cpp.Llama(path, logits_all=True, verbose=False, **how)
    llm.eval(ids)
    return np.array(llm.scores[:len(ids)], np.float32)


def rounded(model, kind):
    """The model with matrices as the type keeps them."""
    import gguf
    import torch
    copied = copy.deepcopy(model)
    for p in copied.parameters():
        if p.ndim == 2:
            q = gguf.quants.dequantize(gguf.quants.quantize(p.detach().numpy(), kind), kind)
            p.data = torch.from_numpy(np.ascontiguousarray(q))
    return copied


def run_gguf():
    import gguf
    import transformers as t
    kinds = gguf.GGMLQuantizationType
    floats = (kinds.F32, kinds.F16, kinds.BF16)
    models = {"llama": t.LlamaForCausalLM(t.LlamaConfig(**SHAPE)), "qwen2": t.Qwen2ForCausalLM(t.Qwen2Config(**SHAPE)),
              "qwen3": t.Qwen3ForCausalLM(t.Qwen3Config(**SHAPE, head_dim=64))}
    for arch, model in models.items():
        head("the same GGUF: " + arch)
        scatter(model)
        for kind in floats + (kinds.Q8_0, kinds.Q4_0, kinds.Q4_1, kinds.Q5_0, kinds.Q5_1, kinds.TQ1_0, kinds.TQ2_0):
            path = os.path.join(options.directory, f"{arch}-{kind.name}.gguf")
            write_gguf(path, model, arch, kind)
            got, note = ours(path, IDS)
            if kind in floats:
                row(f"{kind.name} exact", torch_logits(rounded(model, kind)), got, 1e-3, note)
            want = llama_logits(path, IDS)
            row(f"{kind.name} llama.cpp", want, got, (0.05 if kind in floats else 0.5) * want.std(), note)


# ---- and back: what onebit-export writes ----

def export(path, out, *flags):
    run = subprocess.run([os.path.join(BUILD, "onebit-export"), "--model", path, "--output", out, "--quiet", *flags],
                         capture_output=True, text=True)
    return run.stderr.strip() if run.returncode else ""


def run_export():
    import torch
    import transformers as t
    head("exported, loaded there")
    for name, model, how in hf_models():
        source = os.path.join(options.directory, name)
        model.save_pretrained(source, **how)
        want, note = ours(source, IDS)
        for kind in ("f32", "f16"):
            out = os.path.join(options.directory, f"out-{name}-{kind}")
            note = export(source, out, "--format", "hf", "--type", kind)
            if note:
                row(f"{name} hf {kind}", want, None, 0, note)
                continue
            back = t.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
            row(f"{name} hf {kind}", torch_logits(back), ours(out, IDS)[0], 1e-3)
            note = export(source, out + ".gguf", "--format", "gguf", "--type", kind)
            if name == "llama3-positions":
                continue  # its positions are refused: see below
            got = None if note else llama_logits(out + ".gguf", IDS)
            row(f"{name} gguf {kind}", want, got, 1e-3 if kind == "f32" else 0.05 * want.std(), note)
    source, out = os.path.join(options.directory, "bitnet"), os.path.join(options.directory, "out-bitnet")
    for _ in range(3):  # an input near the middle between two codes may round either way: then another model
        model, config, weights = bitnet()
        save_bitnet(source, config, weights, "autobitlinear", "offline")
        want, _ = ours(source, IDS)
        note, got = export(source, out, "--format", "hf"), None
        if note:
            break
        got = torch_logits(t.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32))
        if np.abs(want - got).max() <= 1e-2 * want.std():
            break
    row("bitnet hf packed", want, got, 1e-2 * want.std(), note)
    for kind in ("i2_s", "tq2_0", "tq1_0"):
        note = export(source, out + ".gguf", "--format", "gguf", "--type", kind)
        bound = (0 if kind == "i2_s" else 0.3) * want.std()  # the others round the scales to halves
        row(f"bitnet gguf {kind}, read here", want, None if note else ours(out + ".gguf", IDS)[0], bound, note)


def run_codes():
    """Packed codes written here, read by llama.cpp, which rounds inputs to 8 bits in blocks of its own."""
    import transformers as t
    head("packed here, in llama.cpp")
    for name, model in (("llama", t.LlamaForCausalLM(t.LlamaConfig(**SHAPE))),
                        ("qwen3", t.Qwen3ForCausalLM(t.Qwen3Config(**SHAPE, head_dim=64)))):
        source = os.path.join(options.directory, "floats-" + name)
        scatter(model).save_pretrained(source)
        for mode, kind, group in (("binary", "q1_0", "128"), ("ternary", "q2_0", "64"), ("ternary", "tq2_0", "256"),
                                  ("ternary", "tq1_0", "256")):
            packed = source + ".1bit"
            note = export(source, packed, "--pack-mode", mode, "--scale-group", group)
            note = note or export(packed, source + ".gguf", "--format", "gguf", "--type", kind)
            if "WARNING" not in note and note:
                row(f"{name} {kind}", np.zeros(1), None, 0, note)
                continue
            want = llama_logits(source + ".gguf", IDS)
            row(f"{name} {kind}", want, ours(source + ".gguf", IDS)[0], 0.3 * want.std())


# ---- a trained model ----

def story_ids(tokenizer, text, stories=30):
    """The ids of stories that <|endoftext|> separates, token 1 in front of each."""
    ids = []
    with open(text, encoding="utf-8") as f:
        for story in f.read().split("<|endoftext|>")[:stories]:
            run = subprocess.run([os.path.join(BUILD, "onebit-tokenize"), "--tokenizer", tokenizer, "--text", "-"],
                                 input=story.strip().encode(), capture_output=True, check=True)
            ids += [1] + [int(i) for i in run.stdout.split()]
    return ids


def run_trained(path, tokenizer, text):
    import gguf
    ids = story_ids(tokenizer, text)
    b = open(path, "rb").read()
    dim, ffn, layers, heads, kv, vocab, _ = np.frombuffer(b, np.int32, 7, 8)
    at = 256

    def floats(n):
        nonlocal at
        at += 4 * n
        return np.frombuffer(b, np.float32, n, at - 4 * n)

    final, embedding = floats(dim), floats(vocab * dim).reshape(vocab, dim)
    out = os.path.join(options.directory, "trained.gguf")
    w = gguf.GGUFWriter(out, "bitnet")
    for name, value in (("vocab_size", vocab), ("context_length", 2048), ("embedding_length", dim), ("block_count", layers),
                        ("feed_forward_length", ffn), ("attention.head_count", heads), ("attention.head_count_kv", kv),
                        ("rope.dimension_count", dim // heads)):
        w.add_uint32("bitnet." + name, int(value))
    w.add_float32("bitnet.attention.layer_norm_rms_epsilon", 1e-20)
    w.add_tokenizer_model("no_vocab")
    w.add_tensor("token_embd.weight", embedding)
    w.add_tensor("output_norm.weight", final)
    shapes = {"attn_q": (dim, dim), "attn_k": (kv * (dim // heads), dim), "attn_v": (kv * (dim // heads), dim),
              "attn_output": (dim, dim), "ffn_gate": (ffn, dim), "ffn_down": (dim, ffn), "ffn_up": (ffn, dim)}
    for name, (rows, cols) in shapes.items():
        for layer in range(layers):
            scale = floats(1)[0]
            q = np.frombuffer(b, np.uint8, rows * cols // 4, at)
            at += rows * cols // 4
            codes = np.array([0, 1, 0, -1])[np.stack([q >> 6 & 3, q >> 4 & 3, q >> 2 & 3, q & 3], -1).reshape(rows, cols)]
            if name in ("attn_q", "attn_k"):  # neighbours become halves
                d = dim // heads
                codes = codes.reshape(rows // d, d // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)
            value = (codes * (scale / cols)).astype(np.float32)
            w.add_tensor(f"blk.{layer}.{name}.weight", gguf.quants.quantize(value, gguf.GGMLQuantizationType.TQ2_0),
                         raw_dtype=gguf.GGMLQuantizationType.TQ2_0)
    for layer in range(layers):
        for name, n in (("attn_norm", dim), ("attn_sub_norm", dim), ("ffn_norm", dim), ("ffn_sub_norm", ffn)):
            w.add_tensor(f"blk.{layer}.{name}.weight", np.ones(n, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    head(f"{os.path.basename(path)}, {len(ids)} tokens")
    parts = [ids[i:i + 250] for i in range(0, len(ids), 250)]
    want = np.concatenate([llama_logits(out, part) for part in parts])
    got = [ours(out, part) for part in parts]
    row("TQ2_0 llama.cpp", want, None if got[0][0] is None else np.concatenate([g[0] for g in got]), 1.0, got[0][1], 0.992)
    for name, how in (("one token at a time", dict(n_batch=1)), ("with flash attention", dict(flash_attn=True))):
        row("llama.cpp, " + name, want, np.concatenate([llama_logits(out, part, **how) for part in parts]), 1.0)


# ---- a large file ----

def run_big():
    import gguf
    import resource
    import time
    kinds = gguf.GGMLQuantizationType
    layers, width, ffn, vocab = 30, 2560, 6912, 128256
    path = os.path.join(options.directory, "big.gguf")
    if not os.path.exists(path):
        w = gguf.GGUFWriter(path + ".part", "bitnet-b1.58")
        for name, v in (("vocab_size", vocab), ("context_length", 4096), ("embedding_length", width), ("block_count", layers),
                        ("feed_forward_length", ffn), ("attention.head_count", 20), ("attention.head_count_kv", 5)):
            w.add_uint32("bitnet-b1.58." + name, v)
        w.add_float32("bitnet-b1.58.attention.layer_norm_rms_epsilon", 1e-5)
        w.add_float32("bitnet-b1.58.rope.freq_base", 500000.0)
        w.add_tokenizer_model("no_vocab")
        rng = np.random.default_rng(1)

        def halves(n, value):
            return np.tile(np.frombuffer(np.float16(value).tobytes(), np.uint8), (n, 1))

        q = rng.integers(0, 256, (vocab * width // 256, 210), dtype=np.uint8)  # Q6_K: 192 of codes, 16 scales, d
        q[:, 192:208] = rng.integers(1, 20, (len(q), 16))
        q[:, 208:] = halves(len(q), 1e-4)
        w.add_tensor("token_embd.weight", q.reshape(vocab, -1), raw_dtype=kinds.Q6_K)
        w.add_tensor("output_norm.weight", np.ones(width, np.float32))
        shapes = {"attn_q": (width, width), "attn_k": (640, width), "attn_v": (640, width), "attn_output": (width, width),
                  "ffn_gate": (ffn, width), "ffn_up": (ffn, width), "ffn_down": (width, ffn)}
        for layer in range(layers):
            for name, (rows, cols) in shapes.items():
                c = rng.integers(0, 3, (4, rows * cols // 256, 64), dtype=np.uint8)
                codes = c[0] | c[1] << 2 | c[2] << 4 | c[3] << 6
                w.add_tensor(f"blk.{layer}.{name}.weight", np.concatenate([codes, halves(len(codes), 0.02)], 1).reshape(
                    rows, -1), raw_dtype=kinds.TQ2_0)
            for name, n in (("attn_norm", width), ("attn_sub_norm", width), ("ffn_norm", width), ("ffn_sub_norm", ffn)):
                w.add_tensor(f"blk.{layer}.{name}.weight", np.ones(n, np.float32))
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()
        os.rename(path + ".part", path)
    size = os.path.getsize(path)
    for _ in range(5):
        start = time.time()
        got, note = ours(path, [1], ["--window", "16"])
        seconds = time.time() - start
        print(f"{size / 1e6:.0f} MB: {seconds:.2f} s with one token; {note}" if got is not None else note)
    print(f"most memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3:.0f} MB")
    # looked at every 20 ms: what it holds while it computes is the median behind the peak
    ids, out = (os.path.join(options.directory, name) for name in ("ids.json", "logits.f32"))
    with open(ids, "w") as f:
        json.dump([1] * 16, f)
    run = subprocess.Popen([os.path.join(BUILD, "onebit-eval"), "--model", path, "--ids", ids, "--window", "16",
                            "--dump-logits", out], stderr=subprocess.DEVNULL)
    held = []
    while run.poll() is None:
        with open(f"/proc/{run.pid}/status") as f:
            held += [1.024e-3 * int(line.split()[1]) for line in f if line.startswith("VmRSS")]
        time.sleep(0.02)
    held = np.median(held[int(np.argmax(held)):])
    print(f"memory while it computes: {held:.0f} MB, {1e6 * held / size:.2f} times the file")


# ---- the same text ----

def run_text(model, prompt="Once upon a time", tokens=60):
    """A trained model as GGUF and as packed safetensors: greedy text here, in llama.cpp and in transformers."""
    global failed
    import llama_cpp
    import torch
    import transformers
    ours_text = subprocess.run([os.path.join(BUILD, "onebit-generate"), "--model", model, "--prompt", prompt, "--quiet",
                                "--temperature", "0", "--max-tokens", str(tokens)], capture_output=True, text=True).stdout.removeprefix(prompt)
    print("here:         ", repr(ours_text))
    base = os.path.join(options.directory, "text")
    for kind in ("tq2_0", "f16"):
        note = export(model, base + ".gguf", "--format", "gguf", "--type", kind, "--head-type", "f16")
        if note:
            print(note)
            failed += 1
            continue
        llm = llama_cpp.Llama(base + ".gguf", n_ctx=128, verbose=False, type_k=0, type_v=0)
        text = llm(prompt, max_tokens=tokens, temperature=0)["choices"][0]["text"]
        print(f"llama.cpp {kind:5s}", repr(text), "same" if text.strip() == ours_text.strip() else "differs")
    note = export(model, base, "--format", "hf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    hf = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    end = hf.config.eos_token_id
    out = hf.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=end)
    text = tokenizer.decode(out[0][ids.shape[1]:])
    print("transformers: ", repr(text), "same" if text.strip() == ours_text.strip() else "differs")
    failed += text.strip() != ours_text.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=[])
    parser.add_argument("--directory", default=os.path.join(BUILD, "foreign"))
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    import torch
    torch.manual_seed(7)
    if options.what and options.what[0] == "trained":
        run_trained(*options.what[1:])
    elif options.what == ["big"]:
        run_big()
    elif options.what and options.what[0] == "text":
        run_text(*options.what[1:])
    else:
        for what in options.what or ["hf", "gguf", "codes", "export"]:
            {"hf": run_hf, "gguf": run_gguf, "codes": run_codes, "export": run_export}[what]()
    print(f"\n{failed} rows over their bounds")
    sys.exit(failed > 0)
