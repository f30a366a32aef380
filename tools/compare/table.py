"""Results as Markdown: a table a measure, with ours beside the best of the others and the target."""
import statistics
import sys

import plan

BEGIN, END = "<!-- compare -->", "<!-- /compare -->"
TITLES = {"decode": "Decoding, tokens/s", "prefill": "Prefill of one prompt, tokens/s", "judge": "Judging, prompts/s",
          "train": "Training, tokens/s", "kernels": "Products x Wᵀ, W of 3,072 × 1,024 from memory, GFLOP/s"}


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def cell(rates, notes=()):
    if not rates:
        return notes[0] if notes else "–"
    middle = number(statistics.median(rates))
    return f"{middle} ({number(min(rates))}–{number(max(rates))})" if len(rates) > 1 else middle


def case_name(case):
    if case.name == "decode":
        sequences = plan.value(case, "sequences")
        return f"{sequences} sequence{'s' * (sequences > 1)} after {plan.value(case, 'context')} tokens"
    if case.name == "prefill":
        return f"{plan.PREFILL} tokens"
    if case.name == "judge":
        return f"a policy of {plan.POLICY} tokens, {plan.OWN} of each prompt"
    if case.name == "train":
        return f"sequences of {plan.value(case, 'length'):,} tokens"
    rows = plan.value(case, "rows")
    return f"{rows:,} row{'s' * (rows > 1)}"


def row_of(cells):
    return "| " + " | ".join(cells) + " |"


def head(first, columns):
    return [row_of([first, *columns]), row_of(["---"] * (len(columns) + 1))]


def ratio(ours, theirs, least):
    """`1.72 (target 1.7: met)`"""
    if not ours or not theirs:
        return "–"
    found = ours / theirs
    return f"{found:.2f}" + (f" (target {least:g}: {'met' if found >= least else 'missed'})" if least else "")


class Table:
    def __init__(self, results, measure):
        self.results, self.measure = results, measure
        self.cases = [c for c in plan.cases(measure) if results.of(c)]
        self.settings = [s for s in plan.settings(measure) if any(results.of(c, *s) for c in self.cases)]
        self.settings.sort(key=lambda s: s[0] != plan.OURS)

    def best(self, case):
        return self.results.best(case, [s for s in self.settings if plan.is_rival(case, *s)])

    def speed(self):
        r, lines = self.results, []
        eight_bits = self.measure == "decode" and (plan.LLAMA, "Q8_0") in self.settings
        lines += head("", [*map(" ".join, self.settings), "ours / best of the others", *(["ours / Q8_0"] if eight_bits else [])])
        for case in self.cases:
            ours, best = r.best(case, [s for s in self.settings if s[0] == plan.OURS]), self.best(case)
            least, least_q8 = plan.target(case)
            cells = [cell(r.rates(case, *s), [x["note"] for x in r.of(case, *s) if x["note"]]) for s in self.settings]
            cells.append(ratio(ours and ours[0], best and best[0], least))
            if eight_bits:
                cells.append(ratio(ours and ours[0], r.rate(case, plan.LLAMA, "Q8_0"), least_q8))
            lines.append(row_of([case_name(case), *cells]))
        return lines

    def memory(self):
        """Peak memory of training; the target: half of the fastest other's, at its speed or better."""
        r = self.results
        columns = [*map(" ".join, self.settings), "least of ours at the others' speed / fastest other"]
        lines = ["", "Peak memory of the process, GiB:", "", *head("", columns)]
        for case in self.cases:
            best, cells = self.best(case), []
            for s in self.settings:
                peak = r.peak(case, *s)
                cells.append(f"{peak / 1024:.1f}" if peak else "–")
            fast = [r.peak(case, *s) for s in self.settings if s[0] == plan.OURS and best and (r.rate(case, *s) or 0) >= best[0]]
            theirs = best and r.peak(case, *best[1:])
            found = min(fast) / theirs if fast and theirs else None
            cells.append(f"{found:.2f} (target 0.5: {'met' if found <= 0.5 else 'missed'})" if found else "–")
            lines.append(row_of([case_name(case), *cells]))
        return lines

    def lines(self):
        if not self.cases:
            return []
        return ["", f"**{TITLES[self.measure]}**", "", *self.speed(), *(self.memory() if self.measure == "train" else [])]


def about(results, rows):
    shares = [float(r["cpu_share"]) for r in rows if r["cpu_share"]]
    versions = sorted({f"{r['who']} {r['version']}" for r in rows})
    rounds = max(int(r["round"]) for r in rows)
    clock = "CPU time of the process" if results.threads == 1 else "the clock"
    return [f"{results.machine} ({results.flags}), {results.threads} thread{'s' * (results.threads > 1)}, instruction set: {results.isa}. "
            f"Rates are by {clock}: the median (least–most) of up to {rounds} rounds; a figure alone was measured once. "
            f"Least share of the core that a measurement had: {min(shares, default=1):.2f}. "
            f"{min(r['time'] for r in rows)} to {max(r['time'] for r in rows)}. {'; '.join(versions)}."]


def markdown(results):
    rows = [r for m in plan.MEASURES for c in plan.cases(m) for r in results.of(c)]
    if not rows:
        return []
    return [*about(results, rows), *(line for m in plan.MEASURES for line in Table(results, m).lines())]


def replace_block(path, lines, begin=BEGIN, end=END):
    """Puts `lines` between the two marks of a Markdown file."""
    with open(path) as f:
        text = f.read()
    if begin not in text or end not in text:
        sys.exit(f"compare: {path}: expected the marks {begin} and {end}")
    before, after = text.split(begin)[0], text.split(end)[1]
    with open(path, "w") as f:
        f.write("\n".join([before + begin, *lines, end + after]))
