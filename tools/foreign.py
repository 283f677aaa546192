#!/usr/bin/env python3
"""Models of other programs beside onebit.h: the same random weights there and here.

    python3 -m pip install torch transformers safetensors gguf llama-cpp-python numpy
    make && python3 tools/foreign.py [hf] [gguf] [export] [--directory build/foreign]

hf: directories as transformers saves them (Llama plain, with Llama 3's and YaRN's positions in several
  files, Qwen 2, Qwen 3, BitNet packed by both conventions and quantised when it is loaded): logits of
  transformers against "onebit-eval --dump-logits".
gguf: files of llama, qwen2, qwen3 and bitnet in every type that the gguf package can write, in llama.cpp and here.
export: the demo and the models above, exported by onebit-export, loaded there: the same logits.

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


def row(name, want, got, bound, note=""):
    """One line: the largest difference as a share of the logits' spread, and agreement of the likeliest."""
    global failed
    if got is None:
        failed += 1
        print(f"{name:34s} FAILED {note}")
        return
    worst = np.abs(want - got).max()
    same = np.mean(want.argmax(1) == got.argmax(1))
    ok = worst <= bound
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
    w.add_rope_freq_base(10000.0)
    w.add_tokenizer_model("no_vocab")
    names = gguf.get_tensor_name_map(w.arch if isinstance(w.arch, gguf.MODEL_ARCH) else
                                     {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch], config.num_hidden_layers)
    for name, value in state.items():
        if arch == "llama" and ("q_proj" in name or "k_proj" in name):  # pairs become neighbours
            n = heads if "q_proj" in name else kv
            value = value.reshape(n, 2, width // 2, -1).swapaxes(1, 2).reshape(value.shape)
        if value.ndim == 1:
            w.add_tensor(names.get_name(name, (".weight", ".bias")), value)
            continue
        quant = gguf.quants.quantize(np.ascontiguousarray(value), kind)
        w.add_tensor(names.get_name(name, (".weight", ".bias")), quant, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def llama_logits(path, ids):
    """Logits of llama.cpp, with a cache of floats."""
    import llama_cpp
    llm = llama_cpp.Llama(path, n_ctx=64, logits_all=True, verbose=False, type_k=0, type_v=0, n_threads=2)
    llm.eval(ids)
    return np.array(llm.scores[:len(ids)], np.float32)


def run_gguf():
    import gguf
    import transformers as t
    kinds = gguf.GGMLQuantizationType
    head("llama.cpp, the same GGUF here")
    exact = (kinds.F32, kinds.F16)
    models = {"llama": t.LlamaForCausalLM(t.LlamaConfig(**SHAPE)), "qwen2": t.Qwen2ForCausalLM(t.Qwen2Config(**SHAPE)),
              "qwen3": t.Qwen3ForCausalLM(t.Qwen3Config(**SHAPE, head_dim=64)), "bitnet": bitnet()[0]}
    for arch, model in models.items():
        scatter(model)
        for kind in (kinds.F32, kinds.F16, kinds.BF16, kinds.Q8_0, kinds.Q4_0, kinds.Q4_1, kinds.Q5_0, kinds.Q5_1,
                     kinds.TQ1_0, kinds.TQ2_0):
            path = os.path.join(options.directory, f"{arch}-{kind.name}.gguf")
            write_gguf(path, model, arch, kind)
            want = llama_logits(path, IDS)
            got, note = ours(path, IDS)
            row(f"{arch} {kind.name}", want, got, 1e-3 if kind in exact else 0.1 * want.std(), note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["hf", "gguf", []], default=[])
    parser.add_argument("--directory", default=os.path.join(BUILD, "foreign"))
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    for what in options.what or ["hf", "gguf"]:
        {"hf": run_hf, "gguf": run_gguf}[what]()
    print(f"\n{failed} rows over their bounds")
    sys.exit(failed > 0)
