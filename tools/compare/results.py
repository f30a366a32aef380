"""The file of results: one line a figure, never measured twice, and what a table needs of it."""
import csv
import os
import statistics
import sys
import time

COLUMNS = ("time", "round", "who", "setting", "version", "machine", "cpu_flags", "isa", "threads", "commit", "name", "case", "value", "unit",
           "cpu_share", "per_cpu_second", "peak_mib", "note")
FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # as in bench/csv.h


def machine():
    """(model name, those of its flags that choose kernels)"""
    found = {}
    with open("/proc/cpuinfo") as f:
        for line in f:
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    flags = found.get("flags", found.get("Features", "")).split()
    return found.get("model name", os.uname().machine), " ".join(f for f in flags if f in FLAGS)


class Results:
    """Of one machine, one number of threads and one instruction set.  Ours of another commit than `commit` (None: the last that was measured)
    are left out; the others stay good."""

    def __init__(self, path, threads, isa, commit):
        self.path, self.threads, self.isa = path, threads, isa or "best"
        self.machine, self.flags = machine()
        self.rows = []
        if os.path.exists(path):
            with open(path, newline="") as f:
                reader = csv.DictReader(f)
                if tuple(reader.fieldnames or ()) != COLUMNS:
                    sys.exit(f"compare: {path}: expected the columns of this version of bench/compare; give another --out")
                self.rows = [r for r in reader if None not in r and None not in r.values()]  # a line that was cut is measured again
        for r in self.rows:
            if (r["machine"], r["cpu_flags"]) != (self.machine, self.flags):
                sys.exit(f"compare: {path}: measured on {r['machine']} ({r['cpu_flags']}), this is {self.machine} ({self.flags}); "
                         "give another --out")
        ours = [r["commit"] for r in self.rows if r["who"] == "thinksafe" and self.is_here(r)]
        self.commit = commit or (ours[-1] if ours else "")

    def is_here(self, row):
        return (row["threads"], row["isa"]) == (str(self.threads), self.isa)

    def of(self, case, who=None, setting=None):
        return [r for r in self.rows if case.is_in(r) and self.is_here(r)
                and who in (None, r["who"]) and setting in (None, r["setting"])
                and (r["who"] != "thinksafe" or r["commit"] == self.commit)]

    def add(self, job, number, version, row, peak_mib=None, note=""):
        """row: name, case, value, unit, cpu_share of a measuring program's line; an empty value with a note is a failure."""
        value, share = row["value"], row.get("cpu_share", "")
        by_cpu = f"{float(value) / float(share):.6g}" if value and share and self.threads == 1 else row.get("per_cpu_second", "")
        new = dict(row, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), round=number, who=job.who, setting=job.setting, version=version,
                   machine=self.machine, cpu_flags=self.flags, isa=self.isa, threads=self.threads, commit=self.commit, cpu_share=share,
                   per_cpu_second=by_cpu, peak_mib=f"{peak_mib:.0f}" if peak_mib else "", note=note)
        new = {c: str(new[c]) for c in COLUMNS}
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
        with open(self.path, "a+", newline="") as f:
            writer = csv.DictWriter(f, COLUMNS, lineterminator="\n")
            if not f.tell():
                writer.writeheader()
            else:
                f.seek(f.tell() - 1)
                if f.read(1) != "\n":  # the line before was cut
                    f.write("\n")
            writer.writerow(new)
        self.rows.append(new)

    def is_done(self, case, job, number):
        return any(r["round"] == str(number) or not r["value"] for r in self.of(case, job.who, job.setting))

    def rates(self, case, who, setting):
        """One thread: by its CPU time, so that a neighbour on the core does not count.  More: by the clock."""
        column = "per_cpu_second" if self.threads == 1 else "value"
        return [float(r[column]) for r in self.of(case, who, setting) if r[column]]

    def rate(self, case, who, setting):
        found = self.rates(case, who, setting)
        return statistics.median(found) if found else None

    def peak(self, case, who, setting):
        found = [float(r["peak_mib"]) for r in self.of(case, who, setting) if r["peak_mib"]]
        return statistics.median(found) if found else None

    def best(self, case, among):
        """(rate, who, setting) of the fastest of `among`; None where none was measured."""
        found = [(self.rate(case, w, s), w, s) for w, s in among]
        return max((f for f in found if f[0]), default=None)


def kinds(path):
    """(threads, isa) that a file has results of."""
    if not os.path.exists(path):
        sys.exit(f"compare: {path}: no such file: nothing was measured yet")
    with open(path, newline="") as f:
        return sorted({(int(r["threads"]), r["isa"]) for r in csv.DictReader(f) if r["threads"]}, key=lambda k: (k[1] != "best", k))
