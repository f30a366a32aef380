#!/usr/bin/env python3
"""Write the test vectors of tests/checkpoint/gguf_packed.h: numbers as bits, and the Q8_0 blocks that the Python package gguf (0.19.0) makes
of them.

    make_packed.py > tests/checkpoint/gguf_packed.h

Ordinary numbers, numbers that lie between two quants, zeros, small and large scales, and a block with one number that is not 0.
"""
import numpy
from gguf import GGMLQuantizationType as Type, quants

rng = numpy.random.default_rng(20261)
normal = rng.normal(size=(5, 32))
halves = (rng.integers(-254, 255, 32) / 2).clip(-127, 127)
halves[0] = 127  # then d = 1, and every half lies between two quants
one = numpy.zeros(32)
one[7] = -3
wide = numpy.array([normal[0] * 0.02, halves, numpy.zeros(32), normal[1] * 1e-6, normal[2] * 1e-36, normal[3] * 1e6, one, normal[4] ** 5],
                   dtype=numpy.float32)
packed = quants.quantize(wide, Type.Q8_0).reshape(-1)


def lines(values, form, most):
    values = [form(v) for v in values]
    return "".join("\t" + ", ".join(values[i:i + most]) + ",\n" for i in range(0, len(values), most))


print("/* Made by tools/gguf/make_packed.py: numbers as bits, and the Q8_0 blocks that the Python package gguf makes of them. */")
print("#ifndef TS_TESTS_CHECKPOINT_GGUF_PACKED_H\n#define TS_TESTS_CHECKPOINT_GGUF_PACKED_H\n\n#include <stdint.h>\n")
print("/* clang-format off */")
print("static const uint32_t gguf_wide[] = {\n" + lines(wide.reshape(-1).view(numpy.uint32), lambda v: f"0x{v:08x}", 11) + "};")
print("static const unsigned char gguf_packed[] = {\n" + lines(packed, str, 24) + "};")
print("/* clang-format on */\n\n#endif")
