"""Tokenizing speed of the program and of the Python package tokenizers, on one core, in one run.

    build/peers-venv/bin/python tools/peers/tokenize_speed.py BUILD_DIR SHARED_DIR [NAME ...]

Text: three benchmarks of SHARED_DIR/assets, line by line, as prompts come. NAME: tokenizers of the assets (default: the byte-level ones).
Both take turns; the best of three rounds counts. tools/peers/run --environment makes build/peers-venv.
"""
import gzip
import os
import re
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402

BYTE_LEVEL = ("Qwen3", "DeepSeek-R1-Distill-Qwen", "Llama-3.1-8B-Instruct", "DeepSeek-R1-Distill-Llama-8B", "Llama-Guard-3-8B")
TEXTS = ("gsm8k_test.jsonl", "math500_test.jsonl", "harmbench_behaviors_text_all.csv")
ROUNDS = 3


def ours(program, tokenizer, text):
    out = subprocess.run([program, tokenizer, text, "1"], capture_output=True, text=True, check=True).stdout
    load, rate, ids = re.match(r"load ([\d.]+) s; .*?by line ([\d.]+) MB/s \(first [\d.]+, (\d+) ids\)", out).groups()
    return float(load), float(rate), int(ids)


def theirs(path, lines, size):
    start = time.perf_counter()
    tokenizer = Tokenizer.from_file(path)
    load = time.perf_counter() - start
    start = time.perf_counter()
    ids = sum(len(tokenizer.encode(line, add_special_tokens=False)) for line in lines)
    return load, size / 1e6 / (time.perf_counter() - start), ids


def main():
    build, shared = sys.argv[1:3]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    data = b"".join(open(os.path.join(shared, "assets/benchmarks", name), "rb").read() for name in TEXTS)
    lines = data.decode().split("\n")
    lines = [line + "\n" for line in lines[:-1]] + lines[-1:]
    print(f"{len(data) / 1e6:.2f} MB in {len(lines)} lines, one core, best of {ROUNDS} rounds")
    print(f"{'':30} {'load':>8} {'tokenizers':>12} {'MB/s':>8} {'tokenizers':>12}")
    with tempfile.TemporaryDirectory() as folder:
        text, unpacked = os.path.join(folder, "text"), os.path.join(folder, "tokenizer.json")
        open(text, "wb").write(data)
        for name in sys.argv[3:] or BYTE_LEVEL:
            open(unpacked, "wb").write(gzip.open(os.path.join(shared, "assets/tokenizers", name, "tokenizer.json.gz")).read())
            a, b = [], []
            for _ in range(ROUNDS):
                a.append(ours(os.path.join(build, "bench/tokenize"), unpacked, text))
                b.append(theirs(unpacked, lines, len(data)))
            if a[0][2] != b[0][2]:
                sys.exit(f"{name}: {a[0][2]} ids here, {b[0][2]} there")
            print(f"{name:30} {min(x[0] for x in a):6.2f} s {min(x[0] for x in b):10.2f} s {max(x[1] for x in a):8.1f} {max(x[1] for x in b):12.1f}")


if __name__ == "__main__":
    main()
