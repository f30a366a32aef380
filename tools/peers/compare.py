#!/usr/bin/env python3
"""Compare the program with the reference libraries: transformers, PEFT, tokenizers.

    compare.py BUILD_DIR [--shared DIR] [--only WORD ...]     # WORD: text, logits, greedy, adapters, training, saved, hub, export
    compare.py BUILD_DIR --only real --real FILE.gguf         # a real model (tools/real/run)

BUILD_DIR holds the program `thinksafe`. One line per comparison, with the largest difference found and its tolerance.
Exit status 1 when any fails. Where --shared (default: ../shared beside the project) is absent, its four tiny models are left out,
and said so.
"""
import argparse
import os
import sys
import tempfile
import time
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = ("text", "logits", "greedy", "adapters", "training", "saved", "hub", "export")
MORE = ("real",)

# Read when the libraries are loaded: nothing here needs a network, and a lookup would only wait for one.
os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")


class Comparison:
    def __init__(self, program, report, shared, real):
        import text
        self.program, self.report, self.real_file = program, report, real
        self.testbed = f"{ROOT}/testbed"
        self.student, self.guard = f"{self.testbed}/student", f"{self.testbed}/guard"
        self.prompts = [r["instruction"] for r in text.testbed_rows(self.testbed)]
        self.pairs = text.testbed_pairs(self.testbed)
        models = f"{shared}/golden/models"
        self.tiny = {n: f"{models}/{n}-tiny" for n in ("qwen3", "llama", "qwen2", "mistral")} if os.path.isdir(models) else {}
        self.vocab = {"qwen3": 528, "llama": 512, "qwen2": 520, "mistral": 512}

    def run(self, what, compare, *rest, **named):
        self.report.run(what, lambda: compare(self.program, self.report, what, *rest, **named))

    def text(self):
        import text
        responses = [r for _, r in self.pairs]
        for name, folder in (("student", self.student), ("guard", self.guard)):
            self.run(name, text.compare_tokenizer, folder, self.prompts + responses)
            self.run(name, text.compare_template, folder, self.prompts, self.pairs)
            self.run(name, text.compare_saved, folder, self.prompts)
        for name, folder in self.tiny.items():
            self.run(name, text.compare_tokenizer, folder, self.prompts)
            self.run(name, text.compare_template, folder, self.prompts, self.pairs)

    def testbed_texts(self):
        """Ids of real text, 1 to 300 tokens: rendered pairs, and many in a row."""
        from transformers import AutoTokenizer
        tok = AutoTokenizer.from_pretrained(self.student)
        both = [[{"role": "user", "content": p}, {"role": "assistant", "content": r}] for p, r in self.pairs[:12]]
        lists = [tok.encode(tok.apply_chat_template(b, tokenize=False), add_special_tokens=False) for b in both]
        joined = [i for ids in lists for i in ids]
        return [lists[0][:1], joined[5:6], *lists, joined[:300], joined[100:400]]

    def logits(self):
        import decoder
        texts = self.testbed_texts()
        for name, folder in (("student", self.student), ("guard", self.guard)):
            self.run(name, decoder.compare_logits, folder, texts)
            self.run(name, decoder.compare_logits, folder, texts, "--chunk", 7)
        for name, folder in self.tiny.items():
            self.run(name, decoder.compare_random_ids, folder, self.vocab[name])

    def greedy(self):
        import decoder
        self.run("student", decoder.compare_greedy, self.student, self.prompts[::5])

    def adapters(self):
        import decoder
        import lora
        import torch
        texts = self.testbed_texts()
        rows = [{"instruction": p, "response": r} for p, r in self.pairs[:40]]
        self.run("student", lora.compare_ours, self.student, rows, texts, "--epochs", 1, "--dropout", 0.05)
        for name, folder in [("student", self.student), *self.tiny.items()]:
            vocab = self.vocab.get(name, 1280)
            lists = decoder.random_ids(vocab, (1, 40, 130), 9)
            if name != "student":
                some = lora.random_examples(vocab, 24, 4)[0]
                self.run(name, lora.compare_ours, folder, some, lists, "--epochs", 6, "--batch-size", 4, "--targets", lora.ALL, "--rank", 6)
            self.run(f"{name}, q v", lora.compare_theirs, folder, lists, r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"],
                     task_type="CAUSAL_LM")
            self.run(f"{name}, all-linear, rslora", lora.compare_theirs, folder, lists, r=5, lora_alpha=7, use_rslora=True,
                     target_modules="all-linear", task_type="CAUSAL_LM")
        self.run("student, bf16, no task", lora.compare_theirs, self.student, lists, dtype=torch.bfloat16, r=8,
                 target_modules=["k_proj", "down_proj"])
        for name, settings in lora.RULES:
            self.run(f"student, {name}", lora.compare_theirs, self.student, lists,
                     **{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **settings})
        self.run("student, rslora", lora.compare_ours, self.student, rows, lists, "--epochs", 1, "--targets", "all-linear", "--rank", 4, "--rslora")
        for name, settings in lora.REFUSED:
            self.run(name, lora.expect_refusal, self.student, settings)

    def training(self):
        import decoder
        import lora
        from transformers import AutoTokenizer
        tok = AutoTokenizer.from_pretrained(self.student)
        pairs = self.pairs[:6]
        rows = [{"instruction": p, "response": r} for p, r in pairs]
        self.run("student", lora.compare_training, self.student, rows, [lora.row_ids(tok, p, r) for p, r in pairs])
        for name, folder in self.tiny.items():
            rows, examples = lora.random_examples(self.vocab[name], 6, 11)
            self.run(name, lora.compare_training, folder, rows, examples, "--targets", lora.ALL, "--rank", 6)
        rows, examples = lora.random_examples(decoder.SIZES["vocab_size"], 6, 13)
        for name in ("llama, biases everywhere", "llama, rope yarn, attention factor", "qwen3, windows by list", "mistral, window 16"):
            self.run(name, lora.compare_training, decoder.save_variant(self.program, name), rows, examples, "--targets", "all-linear",
                     "--rank", 6, "--rslora")

    def saved(self):
        import decoder
        for name, config_class, arguments in decoder.VARIANTS:
            self.run(name, decoder.compare_saved, config_class, arguments)
        for name, config_class, arguments, dtype in decoder.DTYPES:
            self.run(name, decoder.compare_saved, config_class, arguments, dtype)
        for name, config_class, arguments, said in decoder.PUBLISHED:
            self.run(name, decoder.compare_published, config_class, arguments, said)
        self.report.run("dynamic", lambda: decoder.compare_beyond(self.program, self.report))
        for name, config_class, arguments in decoder.SPARSE:
            self.run(name, decoder.compare_sparse, config_class, arguments)
        for name, config_class, arguments in decoder.REFUSED:
            self.run(name, decoder.expect_refusal, config_class, arguments)

    def hub(self):
        import hub
        server = os.path.join(os.path.dirname(self.program.path), "tests/hub_server")
        if not os.access(server, os.X_OK):
            print(f"skipped: the hub: {server} is not built (BUILD_TESTING)")
            return
        root = self.program.new_path("-hub")
        hub.make_repositories(root, self.student, self.guard)
        with hub.Hub(self.program, server, root).running() as running:
            for repo, revision, folder in (("peers/student", "main", self.student), ("peers/student", "other", self.guard),
                                           ("peers/shards", "main", f"{root}/peers/shards")):
                name = f"{repo}@{revision}"
                self.run(f"{name}, pulled by us", hub.compare_ours, running, repo, revision, folder)
                self.run(f"{name}, by them", hub.compare_theirs, running, repo, revision, folder)
            self.run("peers/student, begun by them", hub.compare_part, running, "peers/student")

    def export(self):
        import decoder
        import export
        import lora
        few = {"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
        for name, folder in [("student", self.student), *self.tiny.items()]:
            adapter = lora.save_theirs(self.program, folder, **few)
            lists = decoder.random_ids(self.vocab.get(name, 1280), (1, 40, 130), 9)
            self.run(name, export.compare_folder, folder, adapter, lists)
            self.run(name, export.compare_gguf, folder, adapter)
            if name == "mistral":
                self.run(name, export.expect_no_folder, folder)
            else:
                self.run(name, export.compare_from_gguf, folder, lists, self.prompts, self.pairs)
            other = lora.save_theirs(self.program, folder, **{**few, "r": 5, "use_rslora": True, "target_modules": ["q_proj", "k_proj", "v_proj"]})
            self.run(name, export.compare_llama_cpp, folder, other, export.TEXTS)
        mixed = lora.save_theirs(self.program, self.student, **{**few, "rank_pattern": {"k_proj": 3}, "alpha_pattern": {"v_proj": 5}})
        self.run("student, ranks and alphas by module", export.compare_llama_cpp, self.student, mixed, export.TEXTS)
        for name, rope in export.ROPES if self.tiny else []:
            folder = export.with_rope(self.program, self.tiny["qwen3"], rope)
            adapter = lora.save_theirs(self.program, folder, **few)
            self.run(f"qwen3, {name}", export.compare_llama_cpp, folder, adapter, export.TEXTS)
        trained, _ = self.program.train(self.student, [{"instruction": p, "response": r} for p, r in self.pairs[:40]], "--lr", 1e-3)
        self.run("student", export.compare_text, self.student, trained, self.prompts[:3])

    def real(self):
        import real
        real.compare(self.run, self.real_file, self.prompts, self.pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--shared", default=os.path.join(ROOT, "../shared"))
    parser.add_argument("--only", nargs="*", default=PARTS, choices=PARTS + MORE)
    parser.add_argument("--real", help="GGUF file for --only real")
    options = parser.parse_args()
    if "real" in options.only and not options.real:
        parser.error("--only real needs --real FILE.gguf")
    path = os.path.join(options.build, "thinksafe")
    if not os.access(path, os.X_OK):
        sys.exit(f"compare: {path} is no program; build it first")

    import torch
    import transformers
    from program import Program, Report
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory(prefix="thinksafe-peers-") as scratch:
        report = Report()
        comparison = Comparison(Program(os.path.abspath(path), scratch), report, options.shared, options.real)
        if not comparison.tiny:
            print(f"skipped: {options.shared}/golden/models is absent, so the four tiny models")
        for part in options.only:
            began, before = time.monotonic(), report.lines
            getattr(comparison, part)()
            print(f"--      {part}: {report.lines - before} comparisons, {time.monotonic() - began:.0f} s", flush=True)
    print(f"peers: {report.lines} comparisons, {report.failures} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
