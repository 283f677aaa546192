#!/usr/bin/env python3
"""The same small model in PyTorch: how long it takes there, and how good it gets.

    python3 tools/torch_twin.py TEXT --mode fp32|ternary [--threads N] [--steps N] [--lr X]

Characters of TEXT, first 90 % to train on, last 10 % to validate. 4 layers x 128, 4 heads, SwiGLU 352,
context 64, batch 12, AdamW (0.9, 0.99), decay 0.1 on matrices, clip 1, warm-up 100, cosine to 10 %.
ternary: AbsMean weights, int8 activations per token, straight-through, SubLN, as onebit.h has it.
Validation is the whole held-out text in windows of 64 characters, each scored once.
"""
import argparse
import math
import time

import torch
import torch.nn.functional as F
from torch import nn

LAYERS, WIDTH, HEADS, FFN, CONTEXT, BATCH = 4, 128, 4, 352, 64, 12


class Ternary(nn.Linear):
    """beta * round(W / beta) on int8 inputs; gradients pass straight through both. parts: matrices
    that lie here as one (q, k, v; gate, up), each with its own beta."""

    def __init__(self, i, o, bias=False):
        super().__init__(i, o, bias=bias)
        self.parts = {3 * WIDTH: 3, 2 * FFN: 2}.get(o, 1)

    def forward(self, x):
        s = x.detach().abs().amax(-1, keepdim=True).clamp(min=1e-5) / 127
        x = x + ((x / s).round().clamp(-127, 127) * s - x).detach()
        w = self.weight.view(self.parts, -1)
        beta = w.detach().abs().mean(1, keepdim=True).clamp(min=1e-5)
        w = w + ((w / beta).round().clamp(-1, 1) * beta - w).detach()
        return F.linear(x, w.view_as(self.weight))


class Block(nn.Module):
    def __init__(self, linear, sub_norm):
        super().__init__()
        norm = lambda n: nn.RMSNorm(n, eps=1e-5)
        self.norm1, self.norm2 = norm(WIDTH), norm(WIDTH)
        self.qkv, self.o = linear(WIDTH, 3 * WIDTH), linear(WIDTH, WIDTH)
        self.gate_up, self.down = linear(WIDTH, 2 * FFN), linear(FFN, WIDTH)
        self.sub1, self.sub2 = (norm(WIDTH), norm(FFN)) if sub_norm else (nn.Identity(), nn.Identity())

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        q, k = (y * cos + torch.cat((-y.chunk(2, -1)[1], y.chunk(2, -1)[0]), -1) * sin for y in (q, k))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, WIDTH)
        x = x + self.o(self.sub1(z))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(self.sub2(F.silu(gate) * up))


class Model(nn.Module):
    def __init__(self, vocab, ternary):
        super().__init__()
        linear = lambda i, o: (Ternary if ternary else nn.Linear)(i, o, bias=False)
        self.embedding = nn.Embedding(vocab, WIDTH)
        self.blocks = nn.ModuleList(Block(linear, ternary) for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH, eps=1e-5)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        half = WIDTH // HEADS // 2
        angle = torch.outer(torch.arange(float(CONTEXT)), 10000.0 ** (-torch.arange(float(half)) / half))
        self.register_buffer("cos", angle.cos().repeat(1, 2))
        self.register_buffer("sin", angle.sin().repeat(1, 2))

    def forward(self, ids, targets):
        x, T = self.embedding(ids), ids.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:T], self.sin[:T])
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@torch.no_grad()
def validate(model, ids):
    n = (len(ids) - 1) // CONTEXT
    inputs, targets = ids[:n * CONTEXT].view(n, CONTEXT), ids[1:n * CONTEXT + 1].view(n, CONTEXT)
    total = sum(model(inputs[i:i + 128], targets[i:i + 128]).item() * len(inputs[i:i + 128]) for i in range(0, n, 128))
    return total / n


def main():
    args = argparse.ArgumentParser(description="The tiny-Shakespeare setting in PyTorch, to compare with.")
    args.add_argument("text", help="text file")
    args.add_argument("--mode", choices=("fp32", "ternary"), default="ternary")
    args.add_argument("--threads", type=int, default=0, help="0 = PyTorch's own choice")
    args.add_argument("--steps", type=int, default=2000)
    args.add_argument("--lr", type=float, default=0, help="0 = 1e-3 for fp32, 4e-3 for ternary")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--compile", action="store_true", help="torch.compile the model first")
    args = args.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    text = open(args.text, encoding="utf-8").read()
    index = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([index[c] for c in text])
    cut = len(ids) * 9 // 10
    train, held_out = ids[:cut], ids[cut:]
    model = Model(len(index), args.mode == "ternary")
    peak = args.lr or (4e-3 if args.mode == "ternary" else 1e-3)
    matrices = [p for n, p in model.named_parameters() if p.dim() > 1 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() < 2 or "embedding" in n]
    groups = [dict(params=matrices, weight_decay=0.1), dict(params=others, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.99), fused=True)
    forward = torch.compile(model) if args.compile else model
    print(f"{args.mode}: {sum(p.numel() for p in model.parameters())} parameters, {len(index)} characters, "
          f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    warm, start, skip = min(100, args.steps // 10 + 1), None, min(5, args.steps // 2)
    for step in range(args.steps):
        if step == skip:
            start = time.perf_counter()
        done = max(0, step - warm) / max(1, args.steps - warm)
        lr = peak * (step + 1) / warm if step < warm else peak * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = lr
        at = torch.randint(len(train) - CONTEXT - 1, (BATCH, 1)) + torch.arange(CONTEXT + 1)
        window = train[at]
        loss = forward(window[:, :-1], window[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1} loss {loss.item():.4f}", flush=True)
    seconds = time.perf_counter() - start
    timed = args.steps - skip
    print(f"{seconds:.1f} s for {timed} steps (the first {skip} not timed): {1000 * seconds / timed:.2f} ms/step, "
          f"{timed * BATCH * CONTEXT / seconds:.0f} tokens/s")
    nats = validate(model, held_out)
    print(f"validation {nats:.4f} nats, {nats / math.log(2):.4f} bits per character")


if __name__ == "__main__":
    main()
