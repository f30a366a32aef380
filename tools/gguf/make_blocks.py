#!/usr/bin/env python3
"""Write the test vectors of tests/checkpoint/gguf_blocks.h: blocks of every quantised type that the program reads, with the numbers that
the Python package gguf (0.19.0) makes of them, as bits.

    make_blocks.py > tests/checkpoint/gguf_blocks.h

For each type
  - blocks with their numbers: random quants with ordinary, subnormal, large and zero scales; of the K types, whose blocks are long, one;
  - the SHA-256 of the numbers of 4096 blocks of random bytes, which the test makes again: the words of Philox4x32-10 with the type's
    number as key and the counters 0, 1, 2, ...  Where an f16 scale came out as infinity or NaN, its bit 14 is cleared: a model
    whose weights are not finite is refused, so there is nothing to compare.
"""
import hashlib

import numpy
from gguf import GGMLQuantizationType as Type, quants

SCALES = ((0x2A66, 0xB0CD), (0x0003, 0x8001), (0xF7C0, 0x7801), (0x0000, 0x8000))  # f16: d, m
# where d and m stand in a block
TYPES = ((Type.Q8_0, (0,)), (Type.Q4_0, (0,)), (Type.Q4_1, (0, 2)), (Type.Q5_0, (0,)), (Type.Q5_1, (0, 2)), (Type.Q2_K, (80, 82)),
         (Type.Q3_K, (108,)), (Type.Q4_K, (0, 2)), (Type.Q5_K, (0, 2)), (Type.Q6_K, (208,)))
RANDOM_BLOCKS = 4096


def blocks(kind, places, rng):
    count, size = quants.GGML_QUANT_SIZES[kind]
    for scales in SCALES if count == 32 else SCALES[:1]:
        block = rng.integers(0, 256, size).tolist()
        for place, scale in zip(places, scales):
            block[place:place + 2] = scale & 255, scale >> 8
        yield block


def philox(key, count):
    """The words of Philox4x32-10 for the counters 0 to count - 1."""
    c = numpy.zeros((4, count), dtype=numpy.uint64)
    c[0] = numpy.arange(count)
    k0, k1, low = key, 0, 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = numpy.stack([(p1 >> 32) ^ c[1] ^ k0, p1 & low, (p0 >> 32) ^ c[3] ^ k1, p0 & low])
        k0, k1 = k0 + 0x9E3779B9 & low, k1 + 0xBB67AE85 & low
    return c.T.astype("<u4").reshape(-1)


def random_digest(kind, places):
    size = quants.GGML_QUANT_SIZES[kind][1]
    raw = philox(kind.value, (RANDOM_BLOCKS * size + 15) // 16).view(numpy.uint8)[:RANDOM_BLOCKS * size].reshape(RANDOM_BLOCKS, size).copy()
    for place in places:
        high = raw[:, place + 1]
        high[high & 0x7C == 0x7C] &= 0xBF
    wide = quants.dequantize(raw, kind).astype("<f4")
    assert numpy.isfinite(wide).all()
    return hashlib.sha256(wide.tobytes()).hexdigest()


def lines(values, form, most):
    values = [form(v) for v in values]
    return "".join("\t " + ", ".join(values[i:i + most]) + ",\n" for i in range(0, len(values), most)).rstrip(",\n").lstrip("\t ")


print("/* Made by tools/gguf/make_blocks.py: blocks of quantised numbers and their values, as the Python package gguf widens them. */")
print("#ifndef TS_TESTS_CHECKPOINT_GGUF_BLOCKS_H\n#define TS_TESTS_CHECKPOINT_GGUF_BLOCKS_H\n\n#include <stdint.h>\n")
print(f"enum {{ GGUF_RANDOM_BLOCKS = {RANDOM_BLOCKS} }};\n")
print("/* clang-format off */\nstatic const struct gguf_blocks {\n\tconst char *name;\n\tuint32_t type;\n"
      "\tint scales[2]; /* where the f16 scales stand in a block; -1 = none */\n\tconst char *random; /* hash of the random blocks' numbers */\n"
      "\tsize_t count, bytes; /* blocks, and bytes of all of them */\n\tunsigned char block[256];\n\tuint32_t bits[256];\n} gguf_blocks[] = {")
rng = numpy.random.default_rng(20260)
for kind, places in TYPES:
    raw = numpy.array(list(blocks(kind, places, rng)), dtype=numpy.uint8)
    wide = quants.dequantize(raw, kind).astype(numpy.float32).reshape(-1).view(numpy.uint32)
    second = places[1] if len(places) > 1 else -1
    print(f"\t{{\"{kind.name}\", {kind.value}, {{{places[0]}, {second}}},\n\t \"{random_digest(kind, places)}\", {len(raw)}, {raw.size},\n"
          f"\t {{{lines(raw.reshape(-1), str, 24)}}},\n\t {{{lines(wide, lambda v: f'0x{v:08x}', 11)}}}}},")
print("};\n/* clang-format on */\n\n#endif")
