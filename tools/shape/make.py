"""A checkpoint with the exact shape of a published model and seeded random weights: to measure load time, memory and speed.

    python make.py qwen3-0.6b OUT [--seed 1] [--tokenizer DIR] [--template FILE]
    python make.py --list

Writes config.json, generation_config.json and model.safetensors (bf16) as the published model has them, one tensor at a time. With
--tokenizer the folder's tokenizer.json (or tokenizer.json.gz) and tokenizer_config.json are put beside them, with --template a chat
template; without, the checkpoint can be loaded, scored and generated from by ids. The text that such a model writes is noise.
Needs numpy (requirements.txt). The same seed gives the same bytes with the same version of numpy.
"""
import argparse
import gzip
import json
import os
import shutil
import sys

import numpy

# Sizes as in the published config.json of each.
COMMON = {"hidden_act": "silu", "attention_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02, "torch_dtype": "bfloat16",
          "use_cache": True}
SHAPES = {
    "qwen3-0.6b": {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960,
        "rms_norm_eps": 1e-6, "rope_theta": 1000000, "rope_scaling": None, "tie_word_embeddings": True, "sliding_window": None,
        "use_sliding_window": False, "max_window_layers": 28, "bos_token_id": 151643, "eos_token_id": 151645,
        "generation": {"bos_token_id": 151643, "eos_token_id": [151645, 151643], "pad_token_id": 151643}},
    "qwen2.5-0.5b": {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864,
        "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True, "sliding_window": 32768, "use_sliding_window": False,
        "max_window_layers": 21, "bos_token_id": 151643, "eos_token_id": 151645,
        "generation": {"bos_token_id": 151643, "eos_token_id": [151645, 151643], "pad_token_id": 151643}},
    "llama-3.2-1b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192,
        "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": True, "mlp_bias": False,
        "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192},
        "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009],
        "generation": {"bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009]}},
}


def tensors(c):
    """Names and shapes, in the order in which they are written."""
    hidden, wide = c["hidden_size"], c["intermediate_size"]
    dim = c.get("head_dim") or hidden // c["num_attention_heads"]
    q, kv = c["num_attention_heads"] * dim, c["num_key_value_heads"] * dim
    yield "model.embed_tokens.weight", (c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (hidden,)
        for name, shape in (("q", (q, hidden)), ("k", (kv, hidden)), ("v", (kv, hidden)), ("o", (hidden, q))):
            yield f"{layer}self_attn.{name}_proj.weight", shape
            if c["model_type"] == "qwen2" and name != "o":
                yield f"{layer}self_attn.{name}_proj.bias", shape[:1]
        if c["model_type"] == "qwen3":
            yield layer + "self_attn.q_norm.weight", (dim,)
            yield layer + "self_attn.k_norm.weight", (dim,)
        yield layer + "post_attention_layernorm.weight", (hidden,)
        for name, shape in (("gate", (wide, hidden)), ("up", (wide, hidden)), ("down", (hidden, wide))):
            yield f"{layer}mlp.{name}_proj.weight", shape
    yield "model.norm.weight", (hidden,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (c["vocab_size"], hidden)


def bf16(x):
    """Rounded to nearest, ties to even; no NaN occurs here."""
    bits = x.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_weights(path, c, seed):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(c):
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    random = numpy.random.Generator(numpy.random.PCG64(seed))
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors(c):
            if len(shape) == 1:
                f.write(bf16(numpy.full(shape, 1 if "norm" in name else 0, numpy.float32)).tobytes())
                continue
            rows = max(1, (1 << 22) // shape[1])
            for first in range(0, shape[0], rows):
                n = min(rows, shape[0] - first)
                f.write(bf16(random.standard_normal((n, shape[1]), numpy.float32) * numpy.float32(c["initializer_range"])).tobytes())


def copy_text_files(out, tokenizer, template):
    if tokenizer:
        packed = os.path.join(tokenizer, "tokenizer.json.gz")
        source = gzip.open(packed) if os.path.exists(packed) else open(os.path.join(tokenizer, "tokenizer.json"), "rb")
        with source, open(os.path.join(out, "tokenizer.json"), "wb") as f:
            shutil.copyfileobj(source, f)
        config = os.path.join(tokenizer, "tokenizer_config.json")
        if os.path.exists(config):
            shutil.copyfile(config, os.path.join(out, "tokenizer_config.json"))
    if template:
        shutil.copyfile(template, os.path.join(out, "chat_template.jinja"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", nargs="?", choices=SHAPES)
    parser.add_argument("out", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", metavar="DIR")
    parser.add_argument("--template", metavar="FILE")
    parser.add_argument("--list", action="store_true", help="names and sizes of the shapes")
    args = parser.parse_args()
    if args.list:
        for name, shape in SHAPES.items():
            print(f"{name:16} {sum(int(numpy.prod(s)) for _, s in tensors(shape)) / 1e6:7.1f} million parameters")
        return
    if not args.shape or not args.out:
        parser.error("SHAPE and OUT are needed")
    config = COMMON | SHAPES[args.shape]
    generation = config.pop("generation")
    os.makedirs(args.out, exist_ok=True)
    for name, content in (("config.json", config), ("generation_config.json", generation)):
        with open(os.path.join(args.out, name), "w") as f:
            json.dump(content, f, indent=2)
            f.write("\n")
    write_weights(os.path.join(args.out, "model.safetensors"), config, args.seed)
    copy_text_files(args.out, args.tokenizer, args.template)


if __name__ == "__main__":
    sys.exit(main())
