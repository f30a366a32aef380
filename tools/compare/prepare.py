"""The folder of the peers: their libraries, llama.cpp built for this processor, the model and its GGUF files. Made where missing.

    DIR/venv        -> build/peers-venv of tools/peers/run: the same pinned versions whose results are compared (docs/peers.md)
    DIR/llama/      source package, build/ (GGML_NATIVE) or build-avx2/, llama_peer linked with it
    DIR/model/      Qwen3-0.6B's exact shape with random weights, bf16 (tools/shape)
    DIR/gguf/       the same weights as GGUF: bf16, f16, q8_0 (thinksafe export)
"""
import glob
import os
import shutil
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LLAMA = "0.3.36"  # of the package llama-cpp-python, which carries the source of llama.cpp
OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", "-DLLAMA_OPENSSL=OFF",
           *(f"-DLLAMA_BUILD_{part}=OFF" for part in ("COMMON", "TESTS", "TOOLS", "EXAMPLES", "SERVER"))]


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def call(*words, log=None, **more):
    """A failure ends the comparison with the command and what it said last."""
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if log:
        with open(log, "w") as f:
            f.write(done.stdout)
    if done.returncode:
        sys.exit(f"compare: failed: {' '.join(map(str, words))}\n{done.stdout[-2000:].strip()}")
    return done.stdout


class Place:
    def __init__(self, folder, isa):
        self.folder, self.narrow = os.path.abspath(folder), isa == "avx2"
        self.llama = f"{self.folder}/llama"
        self.python = f"{ROOT}/build/peers-venv/bin/python"
        self.llama_build = f"{self.llama}/build-avx2" if self.narrow else f"{self.llama}/build"
        self.llama_peer = f"{self.llama_build}/llama_peer"
        self.model = f"{self.folder}/model"

    def gguf(self, setting):
        return f"{self.folder}/gguf/{setting.lower()}.gguf"

    def prepare(self, program):
        os.makedirs(self.llama, exist_ok=True)
        call(f"{ROOT}/tools/peers/run", "--environment")
        self.make_llama()
        self.make_peer()
        self.make_model(program)

    def make_llama(self):
        if os.path.exists(f"{self.llama_build}/bin/libllama.so"):
            return
        source = f"{self.llama}/llama_cpp_python-{LLAMA}"
        if not os.path.isdir(source):
            say("fetching llama.cpp")
            call(self.python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python", "--dest", self.llama,
                 f"llama-cpp-python=={LLAMA}")
            with tarfile.open(f"{source}.tar.gz") as packed:
                packed.extractall(self.llama, filter="data")
        say("building llama.cpp: minutes")
        native = "-DGGML_NATIVE=OFF" if self.narrow else "-DGGML_NATIVE=ON"
        call("cmake", "-S", f"{source}/vendor/llama.cpp", "-B", self.llama_build, *OPTIONS, native, log=f"{self.llama_build}.configure.log")
        call("cmake", "--build", self.llama_build, "-j", os.cpu_count(), "--target", "llama", log=f"{self.llama_build}.log")

    def make_peer(self):
        code = f"{HERE}/llama_peer.c"
        if os.path.exists(self.llama_peer) and os.path.getmtime(self.llama_peer) > os.path.getmtime(code):
            return
        source = f"{self.llama}/llama_cpp_python-{LLAMA}/vendor/llama.cpp"
        how = "without GGML_NATIVE, AVX2" if self.narrow else "GGML_NATIVE"
        call("cc", f'-DHOW="{how}"', "-O2", "-Wall", "-Wextra", f"-I{source}/include", f"-I{source}/ggml/include", "-o", self.llama_peer, code,
             f"-L{self.llama_build}/bin", "-lllama", "-lggml", "-lggml-base", "-Wl,-rpath,$ORIGIN/bin")

    def make_model(self, program):
        if not os.path.exists(f"{self.model}/tokenizer.json"):
            say("making the model")
            shutil.rmtree(self.model, ignore_errors=True)
            tokenizer = f"{ROOT}/../shared/assets/tokenizers/Qwen3"
            if not os.path.isdir(tokenizer):
                sys.exit(f"compare: {tokenizer}: expected the tokenizer of Qwen3, found nothing: put one into {self.model} with "
                         "tools/shape/make.py qwen3-0.6b")
            call(self.python, f"{ROOT}/tools/shape/make.py", "qwen3-0.6b", self.model, "--tokenizer", tokenizer)
        for kind in ("bf16", "f16", "q8_0"):
            if os.path.exists(self.gguf(kind)):
                continue
            os.makedirs(f"{self.folder}/gguf", exist_ok=True)
            for part in glob.glob(f"{self.folder}/gguf/*part*"):
                os.remove(part)
            call(program, "export", "--model", self.model, "--out", f"{self.folder}/gguf/{kind}.gguf", "--type", kind, "--pre", "qwen2", "--quiet")

    def versions(self):
        """{who: its version and how it was built}"""
        ask = "import torch, transformers, peft, numpy; print(transformers.__version__, peft.__version__, torch.__version__, numpy.__version__)"
        transformers, peft, torch, numpy = call(self.python, "-W", "ignore", "-c", ask).split()
        return {"transformers": f"{transformers}, torch {torch}", "PEFT": f"{peft}, transformers {transformers}, torch {torch}",
                "PyTorch": torch, "OpenBLAS": f"numpy {numpy}", "llama.cpp": call(self.llama_peer, "--version").strip()}
