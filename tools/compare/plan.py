"""What is compared: cases, who measures them with which command, and the targets."""
import os
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
HALF = " half memory"
MEASURES = ("decode", "prefill", "judge", "train", "kernels")
DOT = "bf16dot"  # our class of arithmetic for CPUs with AVX-512-BF16
OURS, TRANSFORMERS, PEFT, LLAMA, TORCH, NUMPY = "thinksafe", "transformers", "PEFT", "llama.cpp", "PyTorch", "OpenBLAS"

SEQUENCES, CONTEXTS, STEPS, SECONDS = (1, 8, 32, 64), (128, 256), 32, 4
PREFILL = 512
POLICY, OWN, PROMPTS, JUDGE_BATCH = 256, 128, 16, {TRANSFORMERS: 1, LLAMA: 4}
LENGTHS, LONG = (512, 1024, 4096), 4096
WEIGHT, ROWS = (3072, 1024), (1, 4, 8, 16, 64, 256, 1024)


@dataclass(frozen=True)
class Case:
    """One figure: `words` are those key=value words of a line's case that tell it from others of its name."""
    name: str
    words: tuple
    rounds: int | None = None  # fewer than the others, where one takes minutes

    @property
    def text(self):
        return " ".join(self.words)

    def is_in(self, row):
        return row["name"] == self.name and set(self.words) <= set(row["case"].split())


@dataclass(frozen=True)
class Job:
    """One process: somebody's figures of one measure."""
    measure: str
    who: str
    setting: str
    cases: tuple


def cases(measure):
    if measure == "decode":
        return [Case("decode", (f"sequences={s}", f"context={c}")) for c in CONTEXTS for s in SEQUENCES]
    if measure == "prefill":
        return [Case("prefill", (f"context={PREFILL}",))]
    if measure == "judge":
        return [Case("judge", (f"policy={POLICY}", f"own={OWN}"))]
    if measure == "train":
        return [Case("train", (f"length={n}",), 1 if n == LONG else None) for n in LENGTHS]
    return [Case("kernels", (f"rows={m}",)) for m in ROWS]


def settings(measure):
    """(who, setting), ours last: what ours is given may depend on what the others needed."""
    llama = [(LLAMA, "BF16"), (LLAMA, "F16"), (LLAMA, "Q8_0")]
    if measure == "train":
        ours = [(OURS, c + half) for half in ("", HALF) for c in (DOT, "f32")]
        return [(PEFT, f"{d}{c}") for d in ("bf16", "f32") for c in ("", " checkpointing")] + ours
    if measure == "kernels":
        return [(TORCH, "bf16"), (TORCH, "f32"), (NUMPY, "f32"), (OURS, DOT), (OURS, "f32")]
    return [(TRANSFORMERS, "bf16"), (TRANSFORMERS, "f32"), *llama, (OURS, f"{DOT}, cache bf16"), (OURS, "f32")]


def can_run(who, setting, flags, isa):
    """Our class DOT only where the processor has it; half of the memory only with the faster class."""
    dot = "avx512_bf16" in flags.split() and not isa
    return who != OURS or setting == "f32" or setting.startswith(DOT) == dot


def jobs(measure):
    """Training takes a process for each length, so that each has a peak memory of its own."""
    groups = [(c,) for c in cases(measure)] if measure == "train" else [tuple(cases(measure))]
    return [Job(measure, who, setting, group) for group in groups for who, setting in settings(measure)]


def is_rival(case, who, setting):
    """Counts for "the best of the others". A decoder on 8 bits has a target of its own."""
    return who != OURS and not (case.name == "decode" and setting == "Q8_0")


def target(case):
    """(least of ours / best of the others, least of ours / Q8_0); None = no target."""
    if case.name == "decode":
        return {1: 1.05, 8: 1.6, 32: 1.7, 64: 1.7}[value(case, "sequences")], None if value(case, "sequences") == 1 else 1.0
    return {"prefill": 1.35, "judge": 1.5, "train": 1.6}.get(case.name), None


def value(case, key):
    return next(int(w.split("=")[1]) for w in case.words if w.startswith(key + "="))


class Commands:
    """The command line of a job."""

    def __init__(self, build, place, model, threads, isa):
        self.build, self.place, self.model, self.threads, self.isa = build, place, model, threads, isa

    def of(self, job, half=None):
        """half: MiB that HALF may take."""
        if job.who == OURS:
            return self.ours(job, half)
        if job.who == LLAMA:
            return [self.place.llama_peer, self.place.gguf(job.setting), str(self.threads), job.measure, *self.words(job)]
        dtype, _, more = job.setting.partition(" ")
        model = "-" if job.measure == "kernels" else self.model
        words = [*self.words(job), "1" if more else "0", "1"] if job.measure == "train" else self.words(job)
        if job.who == NUMPY:
            dtype = "numpy"
        return [self.place.python, "-W", "ignore", f"{HERE}/torch_peer.py", model, "--dtype", dtype, "--threads", str(self.threads),
                job.measure, *words]

    @staticmethod
    def pairs(job):
        """The longest first: ours need not compute the beginning of a text again."""
        pairs = sorted(((value(c, "context"), value(c, "sequences")) for c in job.cases), reverse=True)
        return ",".join(f"{sequences}x{context}" for context, sequences in pairs)

    def words(self, job):
        if job.measure == "decode":
            return [self.pairs(job), str(STEPS), str(SECONDS)]
        if job.measure == "prefill":
            return [str(PREFILL)]
        if job.measure == "judge":
            return [str(POLICY), str(OWN), str(PROMPTS), str(JUDGE_BATCH[job.who])]
        if job.measure == "train":
            return [str(value(job.cases[0], "length"))]
        return [*map(str, WEIGHT), ",".join(map(str, ROWS))]

    def ours(self, job, half):
        model, cache = ["--model", self.model], ["--kv", "bf16" if job.setting.endswith("cache bf16") else "f32"]
        words = {"decode": lambda: ["generate", *model, "--prefill", "0", "--decode", self.pairs(job), "--steps", str(STEPS),
                                    "--seconds", str(SECONDS), *cache],
                 "prefill": lambda: ["generate", *model, "--prefill", str(PREFILL), "--decode", "", "--repeats", "1", *cache],
                 "judge": lambda: ["judge", *model, "--policy", str(POLICY), "--own", str(OWN), "--prompts", str(PROMPTS), "--sharing", "on",
                                   *cache],
                 "train": lambda: ["train", *model, "--lengths", str(value(job.cases[0], "length")), "--steps", "1", "--keep",
                                   *(["auto", "--memory", f"{half}MiB"] if job.setting.endswith(HALF) else ["all"])],
                 "kernels": lambda: ["kernels", "--out", str(WEIGHT[0]), "--in", str(WEIGHT[1]), "--rows", ",".join(map(str, ROWS))]}[job.measure]()
        numerics = ["--numerics", DOT if job.setting.startswith(DOT) else "f32"] if job.measure != "kernels" else []
        isa = ["--isa", self.isa] if self.isa else []
        return [f"{self.build}/bench/{words[0]}", *words[1:], "--threads", str(self.threads), *isa, *numerics]


def rows_of(job, rows):
    """Lines of bench/kernels, which has columns of its own and begins with the widest vectors, in the form of all others'.  With one thread
    its rates are by CPU time already."""
    if job.measure != "kernels" or job.who != OURS:
        return rows
    return [{"name": "kernels", "case": f"rows={r['rows']}", "value": r["value"], "unit": r["unit"],
             "per_cpu_second": r["value"] if r["threads"] == "1" else ""}
            for r in rows if r["what"] == "matmul" and r["isa"].endswith(DOT) == (job.setting == DOT)]
