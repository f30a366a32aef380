"""What the comparisons share: calling the program, and the list of results."""
import json
import os
import subprocess

import torch
from safetensors.torch import load_file


class Failed(Exception):
    """The program ended with another status than expected."""


class Program:
    def __init__(self, path, scratch):
        self.path, self.scratch, self.files = path, scratch, 0

    def new_path(self, suffix=""):
        self.files += 1
        return os.path.join(self.scratch, f"{self.files:04d}{suffix}")

    def call(self, *words, rows=()):
        """Runs `thinksafe WORDS` with JSON Lines in and out.  Raw non-ASCII goes in and is expected back: lines end at \\n alone."""
        if words[0] in ("generate", "score", "train") and any(str(w).endswith(".gguf") for w in words):
            words += ("--weights", "f32")  # as transformers widens them
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
        done = subprocess.run([self.path, *map(str, words)], input=text.encode(), capture_output=True)
        if done.returncode:
            raise Failed(f"thinksafe {words[0]}: status {done.returncode}: {done.stderr.decode()[-400:].strip()}")
        return [json.loads(line) for line in done.stdout.decode().split("\n") if line]

    def tokenize(self, folder, texts, special=False):
        flags = [] if special else ["--no-special"]
        return [r["ids"] for r in self.call("tokenize", "--model", folder, *flags, rows=[{"text": t} for t in texts])]

    def decode(self, folder, lists, skip=False):
        flags = ["--skip-special"] if skip else []
        return [r["text"] for r in self.call("tokenize", "--model", folder, "--decode", *flags, rows=[{"ids": i} for i in lists])]

    def logits(self, folder, lists, *flags):
        """f32 logits of every position, one [tokens, vocabulary] tensor per list of ids."""
        file = self.new_path(".safetensors")
        rows = [{"id": str(i), "ids": ids} for i, ids in enumerate(lists)]
        self.call("score", "--model", folder, "--logits", file, *flags, rows=rows)
        found = load_file(file)
        return [found[f"logits.{i}"] for i in range(len(lists))]

    def logprobs(self, folder, lists):
        """log p of every token after the first, as the rows say it."""
        done = self.call("score", "--model", folder, rows=[{"ids": ids} for ids in lists])
        return [torch.tensor([x for x in r["logprobs"] if x is not None]) for r in done]

    def train(self, folder, rows, *flags):
        """(adapter folder, log of steps)"""
        out = self.new_path("-adapter")
        return out, self.call("train", "--model", folder, "--in", "-", "--out", out, "--quiet", *flags, rows=rows)


class Report:
    """One line per comparison: what, how many, the largest difference, the tolerance, ok or FAILED."""

    def __init__(self):
        self.lines = self.failures = 0

    def line(self, good, what, found):
        self.lines += 1
        self.failures += not good
        print(f"{'ok    ' if good else 'FAILED'}  {what:<66} {found}", flush=True)

    def near(self, what, worst, tolerance, unit=""):
        self.line(worst <= tolerance, what, f"largest difference {worst:.1e}{unit}, tolerance {tolerance:.0e}")

    def above(self, what, value, least):
        """A comparison that could pass by comparing nothing shows here that there is something."""
        self.line(value >= least, what, f"{value:.1e}, at least {least:.0e}")

    def same(self, what, inputs, ours, theirs):
        bad = [i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b]
        good = not bad and len(ours) == len(theirs) == len(inputs) and len(inputs) > 0
        self.line(good, what, f"{len(inputs)} compared, {len(bad)} differ, tolerance 0")
        for i in bad[:2]:
            print(f"          input  {ascii(inputs[i])[:300]}\n          ours   {ascii(ours[i])[:300]}\n"
                  f"          theirs {ascii(theirs[i])[:300]}")

    def note(self, what, found):
        print(f"        {what:<66} {found}", flush=True)

    def run(self, what, compare, *rest):
        """A comparison that cannot be made counts as a failed one, and the next still runs."""
        try:
            compare(*rest)
        except Exception as error:
            self.line(False, what, f"{type(error).__name__}: {error}")


def expect_failure(report, what, call):
    """The program must say that it does not support this; that it fails for another reason is no refusal."""
    try:
        call()
    except Failed as error:
        said = str(error).rsplit(".json: ", 1)[-1]
        report.line('": ' in said and ("not supported" in said or "expected" in said), what, said[:90])
    else:
        report.line(False, what, "it was computed")


def largest_difference(ours, theirs):
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape or not torch.isfinite(a).all():
            return float("inf")
        worst = max(worst, float((a - b).abs().max()))
    return worst


@torch.inference_mode()
def reference_logits(model, lists):
    return [model(torch.tensor([ids])).logits[0].float() for ids in lists]


def source(path):
    """What from_pretrained wants for a folder or for a GGUF file."""
    return (os.path.dirname(path), {"gguf_file": os.path.basename(path)}) if path.endswith(".gguf") else (path, {})


def load_tokenizer(path):
    from transformers import AutoTokenizer
    folder, more = source(path)
    return AutoTokenizer.from_pretrained(folder, **more)


def load_reference(path):
    from transformers import AutoModelForCausalLM
    folder, more = source(path)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **more).eval()
