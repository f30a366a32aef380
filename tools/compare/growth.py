#!/usr/bin/env python3
"""How the cost of the program grows with batch, length, model and threads: measured by the benches, fitted, and written as Markdown.

    tools/compare/growth.py --model DIR [--other DIR]... [--build build/release] [--threads 1,2] [--numerics f32] [--markdown docs/performance.md]

DIR: a checkpoint, for instance of tools/shape/make.py; --other: models of other sizes, for growth with the model alone. A fit is least
squares of the relative error, with the largest relative error beside it. About five minutes for the Qwen3-0.6B shape.
"""
import argparse
import csv
import io
import os
import subprocess

import table

BEGIN, END = "<!-- growth -->", "<!-- /growth -->"
SEQUENCES, LONG, PREFILL, TRAIN = (1, 2, 4, 8, 16, 32, 64), (512,), (128, 512, 1024, 2048), (128, 512, 1024)


def solve(a, b):
    """a x = b by Gaussian elimination."""
    n = len(b)
    rows = [list(a[i]) + [b[i]] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(n):
            if r != i:
                f = rows[r][i] / rows[i][i]
                rows[r] = [x - f * y for x, y in zip(rows[r], rows[i])]
    return [rows[i][n] / rows[i][i] for i in range(n)]


def fit(points):
    """points: (terms, value). Coefficients of the terms, and the largest relative error."""
    terms = [[t / y for t in x] for x, y in points]
    n = len(terms[0])
    a = [[sum(t[i] * t[j] for t in terms) for j in range(n)] for i in range(n)]
    c = solve(a, [sum(t[i] for t in terms) for i in range(n)])
    return c, max(abs(sum(k * t for k, t in zip(c, x)) - y) / y for x, y in points)


class Bench:
    def __init__(self, o):
        self.o = o

    def __call__(self, model, threads, name, *words):
        command = [os.path.join(self.o.build, "bench", name), "--model", model, "--threads", str(threads), "--numerics", self.o.numerics, *words]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = list(csv.DictReader(io.StringIO(out)))
        for row in rows:
            row.update(word.split("=", 1) for word in row["case"].split() if "=" in word)
        return [row for row in rows if row["unit"] == "tokens/s"]


def decode(bench, model, threads):
    cases = [f"{s}x128" for s in SEQUENCES] + [f"16x{c}" for c in LONG]
    rows = bench(model, threads, "generate", "--decode", ",".join(cases), "--prefill", "0", "--steps", "8", "--repeats", "1")
    points = [(int(r["sequences"]), int(r["context"]), 1e3 * int(r["sequences"]) / float(r["value"])) for r in rows]
    return fit([((1, s, s * (c + 4) / 1000), ms) for s, c, ms in points])


def prefill(bench, model, threads):
    points = []
    for n in PREFILL:
        words = ("--decode", "1x16", "--steps", "4", "--prefill", str(n), "--repeats", "1")
        points += [(n, n / float(r["value"])) for r in bench(model, threads, "generate", *words) if r["name"] == "prefill"]
    return fit([((n / 1000, (n / 1000) ** 2), s) for n, s in points])


def train(bench, model, threads):
    rows = bench(model, threads, "train", "--lengths", ",".join(map(str, TRAIN)), "--steps", "1")
    points = [(int(r["length"]), int(r["length"]) / float(r["value"])) for r in rows]
    return fit([((n / 1000, (n / 1000) ** 2), s) for n, s in points])


def line(cells):
    return "| " + " | ".join(cells) + " |"


def markdown(o, fits):
    out = [f"Class `{o.numerics}`; S = sequences, C = thousands of tokens of context, n = thousands of tokens. Fits over S = 1 to 64 at 128 tokens and S = 16 at 512;"
           " n = 0.128 to 2 (prefill) and 1 (training). In brackets the largest relative error of the fit.", "",
           line(["model", "threads", "a decoding step, ms", "prefill, s", "a training step on one sequence, s"]), line(["---"] * 5)]
    for model, threads, (d, p, t) in fits:
        (a, b, c), wrong = d
        out.append(line([os.path.basename(model), str(threads), f"{a:.1f} + {b:.2f} S + {c:.2f} S C ({wrong:.0%})",
                         f"{p[0][0]:.2f} n + {p[0][1]:.3f} n² ({p[1]:.0%})", f"{t[0][0]:.2f} n + {t[0][1]:.3f} n² ({t[1]:.0%})"]))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--other", action="append", default=[])
    p.add_argument("--build", default="build/release")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--numerics", default="f32")
    p.add_argument("--markdown", metavar="FILE", help="write the table into FILE, between its marks")
    o = p.parse_args()
    bench, fits = Bench(o), []
    kinds = [(o.model, int(t)) for t in o.threads.split(",")] + [(m, int(o.threads.split(",")[0])) for m in o.other]
    for model, threads in kinds:
        fits.append((model, threads, (decode(bench, model, threads), prefill(bench, model, threads), train(bench, model, threads))))
    text = markdown(o, fits)
    print("\n".join(text))
    if o.markdown:
        table.replace_block(o.markdown, text, BEGIN, END)


if __name__ == "__main__":
    main()
