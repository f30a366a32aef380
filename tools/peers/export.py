"""What `thinksafe export` writes, in the hands of transformers, of the package gguf, and of llama.cpp (the package xllamacpp)."""
import json
import shutil

import numpy
import torch
from safetensors.torch import load_file

import text
from program import expect_failure, largest_difference, load_reference, reference_logits

F32 = 2e-4   # as for every comparison of logits
BF16 = 5e-3  # a number that the two sides round to neighbours; the adapter moves the logits by 7 and more
TEXTS = ["The sea is", "What is 12 times 7?", "a b c the there in"]
MOST = 48


def export(program, folder, adapter, suffix, *flags):
    out = program.new_path(suffix)
    more = ["--adapter", adapter] if adapter else []
    return out, program.call("export", "--model", folder, *more, "--out", out, "--json", "--quiet", *flags)[0]


def merged_reference(folder, adapter, dtype=torch.float32):
    """PEFT's own merge, its weights rounded to dtype; arithmetic and rotary frequencies stay f32."""
    from peft import PeftModel
    model = PeftModel.from_pretrained(load_reference(folder), adapter).eval().merge_and_unload()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(dtype).float())
    return model


def compare_folder(program, report, name, folder, adapter, lists):
    """transformers reads the merged folder and computes what PEFT's own merge does."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    theirs = merged_reference(folder, adapter)
    expected = reference_logits(theirs, lists)
    report.above(f"{name}: the adapter moves the logits by", largest_difference(expected, reference_logits(load_reference(folder), lists)), 1e-1)
    for kind, dtype, tolerance in (("f32", torch.float32, F32), ("bf16", torch.bfloat16, BF16), ("f16", torch.float16, BF16)):
        out, _ = export(program, folder, adapter, f"-{kind}", "--type", kind)
        read = AutoModelForCausalLM.from_pretrained(out, dtype="auto")
        report.same(f"{name}: {kind}: dtype that transformers finds", [kind], [read.dtype], [dtype])
        if kind != "f32":
            expected = reference_logits(merged_reference(folder, adapter, dtype), lists)
        report.near(f"{name}: merged folder, {kind}: logits", largest_difference(reference_logits(load_reference(out), lists), expected), tolerance)
    ours, tokens = AutoTokenizer.from_pretrained(out), AutoTokenizer.from_pretrained(folder)
    report.same(f"{name}: token ids of the folder's tokenizer", TEXTS, [ours.encode(t) for t in TEXTS], [tokens.encode(t) for t in TEXTS])
    compare_index(program, report, name, folder, adapter, theirs)


def compare_index(program, report, name, folder, adapter, theirs):
    """The index of shards beside that of save_pretrained: the names of the files follow another order, the rest is the same."""
    out, _ = export(program, folder, adapter, "-shards", "--type", "f32", "--shard-size", 100000)
    other = program.new_path("-saved")
    theirs.save_pretrained(other, max_shard_size=100000)
    found, expected = ({}, {})
    for index, path in ((found, out), (expected, other)):
        with open(f"{path}/model.safetensors.index.json", encoding="utf-8") as f:
            index.update(json.load(f))
    report.same(f"{name}: metadata of the index of shards", ["metadata"], [found["metadata"]], [expected["metadata"]])
    report.same(f"{name}: weights in it", ["names"], [sorted(found["weight_map"])], [sorted(expected["weight_map"])])


def turned(name, rows, config):
    """Rows of q and k as files of the llama architecture hold them."""
    if config["model_type"] not in ("llama", "mistral") or not any(p in name for p in ("q_proj", "k_proj")):
        return rows
    heads = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
              "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def gguf_name(name):
    module, kind = name.rsplit(".", 1)
    if module in OUTER:
        return f"{OUTER[module]}.{kind}"
    _, _, layer, module = module.split(".", 3)
    return f"blk.{layer}.{GGUF_NAMES[module]}.{kind}"


def packed(rows, kind):
    """The bytes that the package gguf makes of f32 rows."""
    from gguf import GGMLQuantizationType as Type, quants
    if kind == "f32" or rows.ndim == 1:
        return rows.tobytes()
    if kind == "q8_0" and rows.shape[1] % 32:
        kind = "f16"
    return quants.quantize(rows, {"bf16": Type.BF16, "f16": Type.F16, "q8_0": Type.Q8_0}[kind]).tobytes()


def compare_gguf(program, report, name, folder, adapter):
    """The package gguf reads the file, and every tensor holds the bytes that it makes of the merged f32 weights itself."""
    from gguf import GGUFReader
    merged, _ = export(program, folder, adapter, "-merged", "--type", "f32")
    weights = {k: v.numpy() for k, v in load_file(f"{merged}/model.safetensors").items()}
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    for kind in ("f32", "f16", "bf16", "q8_0"):
        out, _ = export(program, folder, adapter, ".gguf", "--type", kind)
        found = {t.name: numpy.asarray(t.data).tobytes() for t in GGUFReader(out).tensors if t.name != "rope_freqs.weight"}
        names = sorted(weights)
        report.same(f"{name}: GGUF, {kind}: bytes of every tensor", names, [found.get(gguf_name(n)) for n in names],
                    [packed(numpy.ascontiguousarray(turned(n, weights[n], config)), kind) for n in names])
        report.same(f"{name}: GGUF, {kind}: tensors", ["number"], [len(found)], [len(weights)])


def compare_made_folder(program, report, name, file, lists, texts, pairs):
    """transformers reads the folder that is made of a GGUF file as the program reads the file itself."""
    from transformers import AutoTokenizer
    out, _ = export(program, file, None, "-from-gguf", "--type", "f32")
    what = f"{name}: folder of the GGUF file"
    report.near(f"{what}: logits", largest_difference(program.logits(file, lists), reference_logits(load_reference(out), lists)), F32)
    tok = AutoTokenizer.from_pretrained(out)
    texts = texts + text.random_texts(tok, 300, 1) + [""]
    for special in (False, True):
        report.same(f"{what}: token ids{', with specials' if special else ''}", texts, program.tokenize(file, texts, special),
                    [tok.encode(t, add_special_tokens=special) for t in texts])
    lists = [tok.encode(t) for t in texts]
    report.same(f"{what}: ids to text", lists, program.decode(file, lists),
                [tok.decode(i, clean_up_tokenization_spaces=False) for i in lists])
    both = [[{"role": "user", "content": p}, {"role": "assistant", "content": r}] for p, r in pairs]
    report.same(f"{what}: template", *text.render_both(program, tok, file, both + text.CONVERSATIONS))


def compare_from_gguf(program, report, name, folder, *rest):
    for kind in ("f32", "q8_0"):
        file, _ = export(program, folder, None, ".gguf", "--type", kind)
        compare_made_folder(program, report, f"{name}, {kind}", file, *rest)


def expect_no_folder(program, report, name, folder):
    """A SentencePiece tokenizer of a GGUF file has no tokenizer.json."""
    file, _ = export(program, folder, None, ".gguf", "--type", "f32")
    expect_failure(report, f"{name}: folder of a GGUF file refused", lambda: export(program, file, None, "-from-gguf"))


# --- llama.cpp ---

def llama_cpp(model, adapter=None):
    import xllamacpp
    p = xllamacpp.CommonParams()
    p.model.path = model
    p.n_ctx, p.n_parallel, p.warmup, p.verbosity = 512, 1, False, 0
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1  # threads of its own would spin while others work
    p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if adapter:
        info = xllamacpp.CommonAdapterLoraInfo()
        info.path, info.scale = adapter, 1.0
        p.lora_adapters = [info]
    return xllamacpp.Server(p)


def greedy_of(server, text):
    """(tokens of the prompt, ids of the continuation, its text)"""
    done = server.handle_completions({"prompt": text, "max_tokens": MOST, "temperature": 0, "verbose": True, "return_tokens": True,
                                      "cache_prompt": False})["__verbose"]
    return done["tokens_evaluated"], done["tokens"], done["content"]


def compare_llama_cpp(program, report, name, folder, adapter, texts):
    """llama.cpp continues texts greedily as we do: the base, the merged file, and the base with the adapter as a GGUF LoRA."""
    base, _ = export(program, folder, None, ".gguf", "--type", "f32")
    merged, _ = export(program, folder, adapter, ".gguf", "--type", "f32")
    alone, _ = export(program, folder, adapter, ".gguf", "--lora")
    prompts = [r["ids"] for r in program.call("tokenize", "--model", folder, rows=[{"text": t} for t in texts])]
    longest, added = 0, added_tokens(folder)
    for what, files, more in (("base", (base,), []), ("merged", (merged,), ["--adapter", adapter]),
                              ("GGUF LoRA", (base, alone), ["--adapter", adapter])):
        server = llama_cpp(*files)
        theirs = [greedy_of(server, t) for t in texts]
        del server
        rows = program.call("generate", "--model", folder, *more, "--temperature", 0, "--ids", "--max-new-tokens", MOST, "--quiet",
                            rows=[{"ids": i} for i in prompts])
        ours = [r["completion_ids"] for r in rows]
        ours = [cut(i, added) for i in ours]
        longest = max(longest, *map(len, ours))
        report.same(f"{name}, {what}: llama.cpp's tokens of the prompts", texts, [len(i) for i in prompts], [t[0] for t in theirs])
        report.same(f"{name}, {what}: llama.cpp's greedy ids", texts, ours, [cut(t[1], added) for t in theirs])
    report.above(f"{name}: longest of these continuations", longest, 32)


def added_tokens(folder):
    with open(f"{folder}/tokenizer.json", encoding="utf-8") as f:
        return {t["id"] for t in json.load(f)["added_tokens"]}


def cut(ids, tokens):
    """To the first of these tokens: llama.cpp ends at some by their names, and does not say which."""
    return ids[:next((i for i, t in enumerate(ids) if t in tokens), len(ids))]


# Positions that are scaled, as the keys of a GGUF file say it.
ROPES = [
    ("linear", {"rope_type": "linear", "factor": 4.0}),
    ("yarn", {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}),
]


def with_rope(program, folder, rope):
    """The checkpoint with other positions: every rope moves what it continues with."""
    out = program.new_path("-rope")
    shutil.copytree(folder, out)
    with open(f"{out}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    config["rope_scaling"] = rope
    with open(f"{out}/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f)
    return out


def compare_text(program, report, name, folder, adapter, prompts):
    """The same as text, through the chat template of the GGUF file."""
    merged, _ = export(program, folder, adapter, ".gguf", "--type", "f32")
    server = llama_cpp(merged)
    theirs = []
    for p in prompts:
        done = server.handle_chat_completions({"messages": [{"role": "user", "content": p}], "max_tokens": 96, "temperature": 0,
                                               "reasoning_format": "none", "cache_prompt": False})
        theirs.append(done["choices"][0]["message"]["content"])
    rows = program.call("generate", "--model", folder, "--adapter", adapter, "--temperature", 0, "--max-new-tokens", 96, "--quiet",
                        rows=[{"messages": [{"role": "user", "content": p}]} for p in prompts])
    report.same(f"{name}: llama.cpp's chat answers", prompts, [r["response"].strip() for r in rows], [t.strip() for t in theirs])
    report.above(f"{name}: longest of these answers, tokens", max(r["tokens"] for r in rows), 32)
