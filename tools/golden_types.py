#!/usr/bin/env python3
"""Writes tests/golden_types.h: tensors of ggml's types and the floats that the Python package gguf
reads from them, and bytes that it writes. Needs: pip install gguf. Deterministic.

    python3 tools/golden_types.py [tests/golden_types.h]

Bytes are random but for the f16 fields, which become numbers of either sign near 0.01 to 2,
subnormal ones among them. All floats of a row enter a hash (FNV-1a over their little-endian bytes);
some also stand as text, so that a difference can be seen.
"""
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

ROWS, SAMPLES = 2, 8
# name, type, blocks per row, byte offsets of the f16 fields in a block
TYPES = [("f32", T.F32, 8, None), ("f16", T.F16, 16, [0]), ("bf16", T.BF16, 8, None),
         ("q8_0", T.Q8_0, 2, [0]), ("q4_0", T.Q4_0, 2, [0]), ("q4_1", T.Q4_1, 2, [0, 2]),
         ("q5_0", T.Q5_0, 2, [0]), ("q5_1", T.Q5_1, 2, [0, 2]), ("q2_k", T.Q2_K, 2, [80, 82]),
         ("q3_k", T.Q3_K, 2, [108]), ("q4_k", T.Q4_K, 2, [0, 2]), ("q5_k", T.Q5_K, 2, [0, 2]),
         ("q6_k", T.Q6_K, 2, [208]), ("tq1_0", T.TQ1_0, 2, [52]), ("tq2_0", T.TQ2_0, 2, [64])]


def tensor(rng, kind, blocks, fields):
    """Bytes [rows][blocks * block bytes] of one type."""
    weights, size = GGML_QUANT_SIZES[kind]
    if kind == T.F32:
        return rng.standard_normal((ROWS, blocks)).astype("<f4").view(np.uint8)
    if kind == T.BF16:
        bits = rng.standard_normal((ROWS, blocks)).astype("<f4").view("<u4")
        return (bits >> 16).astype("<u2").view(np.uint8)
    out = rng.integers(0, 256, (ROWS, blocks, size), dtype=np.uint8)
    for at in fields:
        scale = rng.uniform(0.01, 2, (ROWS, blocks)) * rng.choice([-1, 1], (ROWS, blocks))
        scale[ROWS - 1, blocks - 1] *= 1e-5  # a subnormal half
        out[:, :, at:at + 2] = scale.astype("<f2").reshape(ROWS, blocks, 1).view(np.uint8)
    return out.reshape(ROWS, blocks * size)


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def put(kind):
    """Two blocks (of floats 32 numbers) of a generator's numbers as gguf quantises them."""
    n = 2 * max(GGML_QUANT_SIZES[kind][0], 16)
    x, words = 158, []
    for _ in range(n):
        x = (x * 1664525 + 1013904223) % 2**32
        words.append(x >> 16)
    words = np.array(words)
    if kind in (T.TQ1_0, T.TQ2_0):
        values = (words % 3 - 1) * 0.5
    else:
        values = words / 32768 - 1
    return np.asarray(quantize(values.astype(np.float32).reshape(1, n), kind)).tobytes().hex()


def hex_lines(text):
    """A long text as C literals, one a line, a comma behind the last."""
    parts = [f'     "{text[i:i + 84]}"' for i in range(0, len(text), 84)]
    parts[-1] += ","
    return parts


def main():
    rng = np.random.default_rng(158)
    lines = ["/* Written by tools/golden_types.py from the Python package gguf: see there. */",
             "#ifndef GOLDEN_TYPES_H", "#define GOLDEN_TYPES_H", "",
             f"#define GOLDEN_TYPE_ROWS    {ROWS}", f"#define GOLDEN_TYPE_SAMPLES {SAMPLES}", "",
             "/* hex: rows' bytes; hash: FNV-1a of all floats; sample k: float k * n / 8 + k. */",
             "typedef struct golden_type {", "    const char *name;", "    int gguf, cols;",
             "    const char *hex;", "    uint64_t hash;",
             "    float samples[GOLDEN_TYPE_SAMPLES];", "} golden_type;", "",
             "static const golden_type golden_types[] = {"]
    for name, kind, blocks, fields in TYPES:
        data = tensor(rng, kind, blocks, fields)
        floats = np.ascontiguousarray(dequantize(data, kind), dtype="<f4").reshape(-1)
        assert np.isfinite(floats).all()
        cols, n = floats.size // ROWS, floats.size
        text = data.tobytes().hex()
        lines.append(f'    {{"{name}", {int(kind)}, {cols},')
        lines += hex_lines(text)
        lines.append(f"     {fnv(floats.tobytes()):#x}u,")
        samples = [floats[min(k * n // SAMPLES + k, n - 1)] for k in range(SAMPLES)]
        words = [f"{float(x):.9g}" for x in samples]
        words = [w + "f" if "." in w or "e" in w else w + ".0f" for w in words]
        lines.append("     {" + ", ".join(words[:4]) + ",")
        lines.append("      " + ", ".join(words[4:]) + "}},")
    lines += ["};", "",
              "/* Bytes that gguf's quantizers make of numbers that the test makes again. */",
              "typedef struct golden_put {", "    const char *name;", "    int gguf;",
              "    const char *hex;", "} golden_put;", "",
              "static const golden_put golden_puts[] = {"]
    for kind in (T.F16, T.BF16, T.Q8_0, T.TQ1_0, T.TQ2_0):
        lines += [f'    {{"{kind.name.lower()}", {int(kind)},'] + hex_lines(put(kind))
        lines[-1] = lines[-1][:-1] + "},"
    lines += ["};", "", "#endif /* GOLDEN_TYPES_H */", ""]
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/golden_types.h"
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(lines))


if __name__ == "__main__":
    main()
