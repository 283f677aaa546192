#!/usr/bin/env python3
"""Writes tests/golden_model.h: losses, logits and gradients from an independent implementation.

    python3 tools/golden.py [tests/golden_model.h]        needs PyTorch

Everything is computed in float64 with autograd; a quantizer Q is x + (Q(x) - x).detach(). Weights come
from a linear congruential generator that tests/test_golden.c shares:

    x = fnv1a32(name) ^ salt;  per number:  x = x * 1664525 + 1013904223 (mod 2^32)
    u = (x >> 16) / 32768 - 1;  matrices u / 4, gains of norms 1 + u / 4    (exact in float32)

Tokens of sequence b, position t: the same generator named "tokens"; id = (x >> 16) mod V, B * (T + 1)
numbers row by row; inputs are the first T of a row, targets the last T.
A value in the middle between two codes may round differently in float32, so for each model the salt
is chosen whose values stay farthest from such ties.
"""
import math
import os
import sys

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
B, T, SALTS = 2, 6, 120

BASE = ("vocab_size=29 hidden_size=24 num_layers=2 num_heads=4 intermediate_size=40 max_seq_len=16 ")
MODELS = [
    "layer_bit_map=f32 embedding=f32",
    "layer_bit_map=f16 embedding=f16 num_key_value_heads=2 head_dim=8 rope_theta=500.0",
    "layer_bit_map=ternary embedding=f16 use_sub_norm=true",
    "layer_bit_map=ternary embedding=8bit tie_word_embeddings=false lm_head=8bit "
    "num_key_value_heads=1 use_qk_norm=true use_swiglu=false use_relu2=true",
    "layer_bit_map=binary embedding=f32 use_residual_scaling=true logit_softcap=3.0",
    "layer_bit_map=8bit embedding=f16 activation=relu tie_word_embeddings=false lm_head=f32",
    "num_layers=4 layer_bit_map=ternary,binary,8bit,f16 embedding=8bit use_sub_norm=true "
    "use_qk_norm=true activation=relu2",
    "layer_bit_map=ternary embedding=f32 use_dynamic_threshold=true activation_bits=0 use_rope=false "
    "layer_norm_eps=0.01",
    "layer_bit_map=ternary embedding=8bit activation_bits=1 use_sub_norm=true",
    "layer_bit_map=binary,ternary embedding=f16 scale_group=32 intermediate_size=83",
    "layer_bit_map=ternary,binary embedding=ternary weight_scale=absmedian use_dynamic_threshold=true",
    "layer_bit_map=ternary,8bit embedding=8bit use_f16_scale=true scale_group=32 activation_bits=1",
]
DEFAULTS = dict(num_key_value_heads="0", head_dim="0", layer_norm_eps="1e-5", rope_theta="10000",
                activation="silu", use_swiglu="true", use_relu2="false", use_sub_norm="false",
                use_rope="true", use_qk_norm="false", use_residual_scaling="false",
                use_dynamic_threshold="false", tie_word_embeddings="true", activation_bits="8",
                logit_softcap="0", lm_head="f16", weight_scale="absmean", use_f16_scale="false",
                scale_group="0")


class Config:
    def __init__(self, text):
        v = dict(DEFAULTS)
        v.update(pair.split("=") for pair in text.split())
        self.V, self.D, self.L, self.H, self.F = (
            int(v[k]) for k in ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size"))
        self.K = int(v["num_key_value_heads"]) or self.H
        self.d = int(v["head_dim"]) or self.D // self.H
        self.eps, self.theta, self.cap = (float(v[k]) for k in ("layer_norm_eps", "rope_theta", "logit_softcap"))
        self.act = "relu2" if v["use_relu2"] == "true" else v["activation"]
        for short, name in (("gated", "use_swiglu"), ("sub", "use_sub_norm"), ("rope", "use_rope"),
                            ("qk", "use_qk_norm"), ("rescale", "use_residual_scaling"),
                            ("dynamic", "use_dynamic_threshold"), ("tied", "tie_word_embeddings")):
            setattr(self, short, v[name] == "true")
        self.bits, self.group = int(v["activation_bits"]), int(v["scale_group"])
        self.median, self.half = v["weight_scale"] == "absmedian", v["use_f16_scale"] == "true"
        modes = v["layer_bit_map"].split(",")
        self.modes = modes if len(modes) > 1 else modes * self.L
        self.embedding, self.head = v["embedding"], v["embedding"] if self.tied else v["lm_head"]

    def shapes(self):
        """Name -> shape of every tensor."""
        D, F, q, k = self.D, self.F, self.H * self.d, self.K * self.d
        out = {"model.embed_tokens.weight": (self.V, D)}
        for n in range(self.L):
            p = f"model.layers.{n}."
            part = {"input_layernorm": (D,), "self_attn.q_proj": (q, D), "self_attn.k_proj": (k, D),
                    "self_attn.v_proj": (k, D), "self_attn.o_proj": (D, q), "post_attention_layernorm": (D,),
                    "mlp.up_proj": (F, D), "mlp.down_proj": (D, F)}
            if self.gated:
                part["mlp.gate_proj"] = (F, D)
            if self.qk:
                part["self_attn.q_norm"] = part["self_attn.k_norm"] = (self.d,)
            if self.sub:
                part["self_attn.attn_sub_norm"], part["mlp.ffn_sub_norm"] = (q,), (F,)
            out.update({p + name + ".weight": shape for name, shape in part.items()})
        out["model.norm.weight"] = (D,)
        if not self.tied:
            out["lm_head.weight"] = (self.V, D)
        return out


def draws(name, salt, count):
    x = 2166136261
    for byte in name.encode():
        x = (x ^ byte) * 16777619 & 0xFFFFFFFF
    x ^= salt
    out = []
    for _ in range(count):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(x >> 16)
    return out


def parameters(config, salt):
    out = {}
    for name, shape in config.shapes().items():
        u = torch.tensor(draws(name, salt, math.prod(shape)), dtype=torch.float64) / 32768 - 1
        value = 1 + u / 4 if len(shape) == 1 else u / 4
        out[name] = value.reshape(shape).requires_grad_()
    return out


class Model:
    def __init__(self, config, weights):
        self.c, self.w, self.margin, self.cache = config, weights, 1.0, {}

    def near(self, distance):
        self.margin = min(self.margin, distance.min().item())

    def scale(self, s):
        return s.half().double() if self.c.half else s

    def coded(self, w, mode):
        """Ternary or binary codes times the scale that all of w shares."""
        a = w.abs()
        beta = self.scale((a.flatten().median() if self.c.median else a.mean()).clamp(min=1e-5))
        if mode == "binary":
            return torch.where(w >= 0, 1.0, -1.0) * beta
        self.near(50 * (a / beta - (0.7 if self.c.dynamic else 0.5)).abs())
        if self.c.dynamic:
            return torch.sign(w) * (a > 0.7 * beta) * beta
        return torch.round(w / beta).clamp(-1, 1) * beta

    def weight(self, name, mode):
        w = self.w[name]
        if mode == "f32":
            return w
        if mode == "f16":
            q = w.half().double()
        elif mode == "8bit":
            s = self.scale(w.abs().amax(dim=1, keepdim=True) / 127)
            q = torch.round(w / s).clamp(-127, 127) * s
            self.near(10 * ((w / s).frac().abs() - 0.5).abs())
        elif self.c.group and "_proj" in name:
            q = torch.stack([torch.cat([self.coded(part, mode) for part in row.split(self.c.group)]) for row in w])
        else:
            q = self.coded(w, mode)
        return w + (q - w).detach()

    def linear(self, x, name, mode):
        bits = 8 if self.c.bits == 1 and "_proj" not in name else self.c.bits
        return self.rounded(x, mode, bits) @ self.weight(name, mode).T

    def sign(self, x):
        """K sign(x), K = mean |x|; the gradient passes where |x| <= 2 K. Sums of signs cancel to an exact
        0 in integers; what rounding leaves of it here counts as that 0, and sign(0) is 1."""
        v = x.detach()
        k, top = v.abs().mean(-1, keepdim=True), v.abs().amax(-1, keepdim=True)
        none = v.abs() < 1e-12 * top
        self.near(torch.where(none, 1.0, v.abs() / top * 127))
        self.near((v.abs() - 2 * k).abs() / top * 127)
        inside = v.abs() <= 2 * k
        return torch.where((v < 0) & ~none, -k, k) + inside * (x - v)

    def rounded(self, x, mode, bits):
        if mode in ("f32", "f16") or bits == 0:
            return x
        if bits == 1:
            return self.sign(x)
        s = x.detach().abs().amax(dim=-1, keepdim=True).clamp(min=1e-5) / 127
        self.near(((x / s).detach().frac().abs() - 0.5).abs())
        return x + (torch.round(x / s).clamp(-127, 127) * s - x).detach()

    def norm(self, x, name):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.c.eps) * self.w[name]

    def rope(self, x):
        if not self.c.rope:
            return x
        half = self.c.d // 2
        angle = torch.outer(torch.arange(float(T)), self.c.theta ** (-torch.arange(float(half)) / half))
        cos, sin = angle.cos(), angle.sin()
        a, b = x[..., :half], x[..., half:]
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def attention(self, x, p, mode):
        c, heads = self.c, lambda y, n: y.reshape(B, T, n, c.d).transpose(1, 2)
        q, k, v = (heads(self.linear(x, f"{p}self_attn.{n}_proj.weight", mode), h)
                   for n, h in (("q", c.H), ("k", c.K), ("v", c.K)))
        if c.qk:
            q, k = self.norm(q, p + "self_attn.q_norm.weight"), self.norm(k, p + "self_attn.k_norm.weight")
        q, k = self.rope(q), self.rope(k)
        k, v = (y.repeat_interleave(c.H // c.K, dim=1) for y in (k, v))
        score = q @ k.transpose(-1, -2) / math.sqrt(c.d)
        score = score.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf)
        z = (score.softmax(-1) @ v).transpose(1, 2).reshape(B, T, -1)
        if c.sub:
            z = self.norm(z, p + "self_attn.attn_sub_norm.weight")
        return self.linear(z, p + "self_attn.o_proj.weight", mode)

    def ffn(self, x, p, mode):
        act = {"silu": torch.nn.functional.silu, "relu": torch.relu, "relu2": lambda y: torch.relu(y) ** 2}[self.c.act]
        up = self.linear(x, p + "mlp.up_proj.weight", mode)
        y = act(self.linear(x, p + "mlp.gate_proj.weight", mode)) * up if self.c.gated else act(up)
        if self.c.sub:
            y = self.norm(y, p + "mlp.ffn_sub_norm.weight")
        return self.linear(y, p + "mlp.down_proj.weight", mode)

    def logits(self, ids):
        c, r = self.c, math.sqrt(0.5) if self.c.rescale else 1.0
        x = self.weight("model.embed_tokens.weight", c.embedding)[ids]
        for n in range(c.L):
            p = f"model.layers.{n}."
            x = x + r * self.attention(self.norm(x, p + "input_layernorm.weight"), p, c.modes[n])
            x = x + r * self.ffn(self.norm(x, p + "post_attention_layernorm.weight"), p, c.modes[n])
        head = "model.embed_tokens.weight" if c.tied else "lm_head.weight"
        y = self.linear(self.norm(x, "model.norm.weight"), head, c.head)
        return c.cap * torch.tanh(y / c.cap) if c.cap > 0 else y


def run(settings, salt, gradients):
    c = Config(settings)
    w = parameters(c, salt)
    ids = torch.tensor(draws("tokens", salt, B * (T + 1))).reshape(B, T + 1) % c.V
    model = Model(c, w)
    with torch.set_grad_enabled(gradients):
        logits = model.logits(ids[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, c.V), ids[:, 1:].reshape(-1))
    if gradients:
        loss.backward()
    return model, w, logits, loss


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "tests", "golden_model.h")
    out = ["/* Written by tools/golden.py: see there for the generator of weights and tokens. */", "#ifndef GOLDEN_MODEL_H",
           "#define GOLDEN_MODEL_H", "",
           f"#define GOLDEN_B {B}", f"#define GOLDEN_T {T}", "#define GOLDEN_LOGITS 6", "",
           "/* Gradient of one tensor: L2 norm, and the numbers n/3 and 2n/3 of its n entries. */",
           "typedef struct golden_gradient {", "    const char *name;", "    double norm, third, two_thirds;",
           "} golden_gradient;", "",
           "/* margin: smallest distance to a rounding tie, in codes. logits: numbers k*n/6 + k of the n. */",
           "typedef struct golden_model {", "    const char *settings;", "    uint32_t salt;",
           "    double margin, loss, logits[GOLDEN_LOGITS];", "    int count;",
           "    const golden_gradient *gradients;", "} golden_model;", ""]
    rows = []
    for number, model_text in enumerate(MODELS):
        settings = BASE + model_text
        salt = max(range(1, SALTS + 1), key=lambda s: run(settings, s, False)[0].margin)
        model, w, logits, loss = run(settings, salt, True)
        print(f"{number}: salt {salt} margin {model.margin:.2e} loss {loss.item():.6f}  {model_text}")
        out.append(f"static const golden_gradient golden_gradients_{number}[] = {{")
        for name, value in w.items():
            g = value.grad.flatten()
            n = g.numel()
            out.append(f'    {{"{name}", {g.norm().item():.10g}, {g[n // 3].item():.10g}, {g[2 * n // 3].item():.10g}}},')
        out.append("};")
        flat = logits.detach().flatten()
        picks = ", ".join(f"{flat[k * flat.numel() // 6 + k].item():.10g}" for k in range(6))
        first, second = BASE, model_text
        rows.append(f'    {{"{first}"\n     "{second}",\n     {salt}u, {model.margin:.3g}, {loss.item():.12g},\n     {{{picks}}},\n'
                    f"     {len(w)}, golden_gradients_{number}}},")
    out += ["", "static const golden_model golden_models[] = {"] + rows + ["};", "", "#endif /* GOLDEN_MODEL_H */", ""]
    with open(path, "w") as f:
        f.write("\n".join(out))
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
