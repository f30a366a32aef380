#!/usr/bin/env python3
"""Write the test vectors of tests/checkpoint/gguf_blocks.h: blocks of every quantised type that the program reads, with the numbers that
the Python package gguf (0.19.0) makes of them, as bits.

    make_blocks.py > tests/checkpoint/gguf_blocks.h

Four blocks a type: three of random quants, with ordinary, subnormal and large scales, and one of the scales 0 and -0.
"""
import numpy
from gguf import GGMLQuantizationType as Type, quants

SCALES = ((0x2A66, 0xB0CD), (0x0003, 0x8001), (0xF7C0, 0x7801), (0x0000, 0x8000))  # f16: d, m
TYPES = ((Type.Q8_0, False), (Type.Q4_0, False), (Type.Q4_1, True), (Type.Q5_0, False), (Type.Q5_1, True))


def blocks(kind, has_minimum, rng):
    size = quants.GGML_QUANT_SIZES[kind][1]
    for d, m in SCALES:
        head = [d & 255, d >> 8] + ([m & 255, m >> 8] if has_minimum else [])
        yield head + rng.integers(0, 256, size - len(head)).tolist()


def lines(values, form, most):
    values = [form(v) for v in values]
    return "".join("\t " + ", ".join(values[i:i + most]) + ",\n" for i in range(0, len(values), most)).rstrip(",\n").lstrip("\t ")


print("/* Made by tools/gguf/make_blocks.py: blocks of quantised numbers and their values, as the Python package gguf widens them. */")
print("#ifndef TS_TESTS_CHECKPOINT_GGUF_BLOCKS_H\n#define TS_TESTS_CHECKPOINT_GGUF_BLOCKS_H\n\n#include <stdint.h>\n")
print("/* clang-format off */\nstatic const struct gguf_blocks {\n\tconst char *name;\n\tuint32_t type;\n\tsize_t bytes;\n"
      "\tunsigned char block[4 * 34];\n\tuint32_t bits[4 * 32];\n} gguf_blocks[] = {")
rng = numpy.random.default_rng(20260)
for kind, has_minimum in TYPES:
    raw = numpy.array(list(blocks(kind, has_minimum, rng)), dtype=numpy.uint8)
    wide = quants.dequantize(raw, kind).astype(numpy.float32).reshape(-1).view(numpy.uint32)
    print(f"\t{{\"{kind.name}\", {kind.value}, {raw.size},\n\t {{{lines(raw.reshape(-1), str, 24)}}},\n\t {{{lines(wide, lambda v: f'0x{v:08x}', 11)}}}}},")
print("};\n/* clang-format on */\n\n#endif")
