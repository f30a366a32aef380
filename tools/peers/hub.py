"""The cache of the Hugging Face hub: what `thinksafe pull` downloads is found by huggingface_hub and transformers, and the other way round.
Both ask the same small hub, tests/e2e/hub_server.c."""
import contextlib
import json
import os
import shutil
import subprocess
import sys

from program import Failed

# Run with the libraries' network switched off: prints what they find in the cache, as JSON.
FIND = """
import json, sys
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
repo, revision, names, text = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
found = {"path": snapshot_download(repo, revision=revision, local_files_only=True)}
found["files"] = [hf_hub_download(repo, n, revision=revision, local_files_only=True) for n in names]
cache = scan_cache_dir()
found["warnings"] = [str(w) for w in cache.warnings]
found["refs"] = sorted({r for c in cache.repos if c.repo_id == repo for v in c.revisions for r in v.refs})
if text:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(repo, revision=revision)
    found["ids"] = tokenizer.encode(text, add_special_tokens=False)
    found["template"] = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False)
    found["parameters"] = sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(repo, revision=revision).parameters())
print(json.dumps(found))
"""
FETCH = """
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], revision=sys.argv[2], allow_patterns=sys.argv[3:] or None))
"""


class Hub:
    """The server over a folder of repositories, and both sides in front of it with a cache that each test names."""

    def __init__(self, program, server, root):
        self.program, self.server, self.root = program, server, root

    @contextlib.contextmanager
    def running(self):
        with subprocess.Popen([self.server, self.root], stdout=subprocess.PIPE, text=True) as process:
            self.endpoint = "http://127.0.0.1:" + process.stdout.readline().split()[0]
            try:
                yield self
            finally:
                process.terminate()

    def environment(self, cache, offline):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        return kept | {"HF_HUB_CACHE": cache, "HF_ENDPOINT": self.endpoint, "HF_HUB_OFFLINE": str(int(offline))}

    def call(self, words, cache, offline=False, text=None):
        done = subprocess.run(words, input=text, capture_output=True, text=True, env=self.environment(cache, offline))
        if done.returncode:
            raise Failed(f"{words[0]}: status {done.returncode}: {done.stderr[-400:].strip()}")
        return done.stdout.strip()

    def ours(self, cache, *words, offline=False, text=None):
        return self.call([self.program.path, *words], cache, offline, text)

    def find(self, cache, repo, revision, names, text=""):
        return json.loads(self.call([sys.executable, "-c", FIND, repo, revision, json.dumps(names), text], cache, True).split("\n")[-1])

    def fetch(self, cache, repo, revision, *patterns):
        return self.call([sys.executable, "-c", FETCH, repo, revision, *patterns], cache).split("\n")[-1]


def make_repositories(root, student, guard):
    """A whole checkpoint, one in shards, and another revision of the first."""
    from safetensors.torch import load_file, save_file
    for repo, folder in (("peers/student", student), ("peers/guard", guard)):
        shutil.copytree(folder, f"{root}/{repo}")
        with open(f"{root}/{repo}/README.md", "w") as file:
            file.write("not needed\n")
    shutil.copytree(f"{root}/peers/student", f"{root}/peers/shards")
    tensors = load_file(f"{root}/peers/shards/model.safetensors")
    os.remove(f"{root}/peers/shards/model.safetensors")
    names, index = sorted(tensors), {}
    for i, part in enumerate((names[::2], names[1::2])):
        shard = f"model-0000{i + 1}-of-00002.safetensors"
        save_file({n: tensors[n].contiguous() for n in part}, f"{root}/peers/shards/{shard}", {"format": "pt"})
        index |= dict.fromkeys(part, shard)
    with open(f"{root}/peers/shards/model.safetensors.index.json", "w") as file:
        json.dump({"metadata": {}, "weight_map": index}, file)
    shutil.copytree(f"{root}/peers/guard", f"{root}/peers/student@other")


TEXT = "How much is 22 + 61? Je n'en sais rien."


def compare_ours(program, report, what, hub, repo, revision, folder):
    """We download, they find."""
    cache = program.new_path("-cache")
    path = hub.ours(cache, "pull", f"{repo}@{revision}", "--quiet")
    names = sorted(os.listdir(path))
    found = hub.find(cache, repo, revision, names, TEXT)
    report.same(f"{what}: snapshot, files, refs", [repo], [[path, [f"{path}/{n}" for n in names], [revision], []]],
                [[found["path"], found["files"], found["refs"], found["warnings"]]])
    report.same(f"{what}: ids, template", [TEXT], [[program.tokenize(folder, [TEXT])[0], rendered(program, folder)]],
                [[found["ids"], found["template"]]])
    report.above(f"{what}: parameters that transformers loads", found["parameters"], 1e5)
    again = hub.fetch(cache, repo, revision)
    report.same(f"{what}: they fetch the rest into the same snapshot", [repo], [[again, "README.md" in os.listdir(again)]], [[path, True]])


def rendered(program, folder):
    row = {"messages": [{"role": "user", "content": TEXT}]}
    return program.call("render", "--model", folder, rows=[row])[0]["text"]


def compare_theirs(program, report, what, hub, repo, revision, folder):
    """They download, we find; then we find nothing left to fetch."""
    cache = program.new_path("-cache")
    path = hub.fetch(cache, repo, revision)
    said = hub.ours(cache, "tokenize", "--model", f"{repo}@{revision}", "--no-special", offline=True, text=json.dumps({"text": TEXT}) + "\n")
    report.same(f"{what}: ids", [TEXT], [json.loads(said)["ids"]], [program.tokenize(folder, [TEXT])[0]])
    score = ("score", "--model")
    row = json.dumps({"prompt": TEXT}) + "\n"
    ours = hub.ours(cache, *score, f"{repo}@{revision}", offline=True, text=row)
    report.same(f"{what}: log-probabilities", [TEXT], [json.loads(ours)["logprobs"]], [program.call(*score, folder, rows=[{"prompt": TEXT}])[0]["logprobs"]])
    pulled = json.loads(hub.ours(cache, "pull", f"{repo}@{revision}", "--json", "--check", "--quiet"))
    report.same(f"{what}: nothing left to fetch", [repo], [[pulled["path"], pulled["bytes_fetched"]]], [[path, 0]])


def compare_part(program, report, what, hub, repo):
    """They fetch the tokenizer alone; we fetch the rest into the same snapshot."""
    cache = program.new_path("-cache")
    path = hub.fetch(cache, repo, "main", "tokenizer*")
    pulled = json.loads(hub.ours(cache, "pull", repo, "--json", "--quiet"))
    states = sorted(f["state"] for f in pulled["files"] if f["file"].startswith("tokenizer"))
    report.same(what, [repo], [[pulled["path"], states]], [[path, ["cached", "cached"]]])
