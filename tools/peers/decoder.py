"""Logits and greedy continuations against transformers' models, among them checkpoints that transformers itself saved."""
import copy
import json
import random

import torch

from program import expect_failure, largest_difference, load_reference, load_tokenizer, reference_logits

TOLERANCE = 2e-4
LOGPROBS = 1e-4
LENGTHS = (1, 2, 63, 64, 65, 130, 300)

# name, configuration class, its arguments: what published checkpoints of the four families may ask for and the stored tiny models do not.
SIZES = {"vocab_size": 320, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 512}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64, "rope_theta": 500000.0}


def rope(kind, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **more}}


YARN = {"factor": 4.0, "original_max_position_embeddings": 64}
MIXED = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
VARIANTS = [
    ("llama, one kv head per head", "LlamaConfig", {"num_key_value_heads": 4, "head_dim": 20}),
    ("llama, biases, tied", "LlamaConfig", {"attention_bias": True, "tie_word_embeddings": True}),
    ("llama, biases everywhere", "LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    ("llama, rope linear", "LlamaConfig", rope("linear", factor=4.0)),
    ("llama, rope llama3, tied", "LlamaConfig", {"rope_parameters": LLAMA3, "tie_word_embeddings": True}),
    ("llama, rope dynamic", "LlamaConfig", rope("dynamic", factor=4.0)),
    ("llama, rope yarn", "LlamaConfig", rope("yarn", **YARN)),
    ("llama, rope yarn, attention factor", "LlamaConfig", rope("yarn", **YARN, attention_factor=0.8)),
    ("llama, rope yarn, betas, not truncated", "LlamaConfig", rope("yarn", **YARN, beta_fast=16.0, beta_slow=2.0, truncate=False)),
    ("mistral, rope yarn, mscales", "MistralConfig", rope("yarn", **YARN, mscale=1.2, mscale_all_dim=0.7)),
    ("mistral, rope yarn, one mscale", "MistralConfig", rope("yarn", **YARN, mscale=1.2)),
    ("qwen2, rope yarn, factor null", "Qwen2Config", rope("yarn", factor=None, original_max_position_embeddings=128)),
    ("qwen3, rope yarn, original by default", "Qwen3Config", {"head_dim": 16, **rope("yarn", factor=2.0)}),
    ("llama, rope yarn, original at the top", "LlamaConfig", {**rope("yarn", factor=8.0), "original_max_position_embeddings": 32}),
    ("llama, rope llama3, original at the top", "LlamaConfig", {"rope_parameters": LLAMA3, "original_max_position_embeddings": 32}),
    ("qwen2, tied, theta 1e6", "Qwen2Config", {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    ("qwen2, windows above layer 1", "Qwen2Config", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
    ("qwen3, windows above layer 1", "Qwen3Config", {"use_sliding_window": True, "sliding_window": 80, "max_window_layers": 1, "head_dim": 16}),
    ("qwen3, windows by list", "Qwen3Config", {"use_sliding_window": True, "sliding_window": 16, "layer_types": MIXED, "num_hidden_layers": 4,
                                               "head_dim": 16}),
    ("qwen3, biases, untied", "Qwen3Config", {"attention_bias": True, "head_dim": 16, "tie_word_embeddings": False}),
    ("qwen3, one kv head", "Qwen3Config", {"num_key_value_heads": 1, "head_dim": 32, "tie_word_embeddings": True}),
    ("mistral, window 16", "MistralConfig", {"sliding_window": 16}),
    ("mistral, no window", "MistralConfig", {"sliding_window": None, "head_dim": 24}),
]
DTYPES = [
    ("llama, bf16", "LlamaConfig", {}, torch.bfloat16),
    ("qwen2, f16", "Qwen2Config", {}, torch.float16),
    ("mistral, bf16, window 16", "MistralConfig", {"sliding_window": 16}, torch.bfloat16),
    ("qwen3, f16, tied", "Qwen3Config", {"head_dim": 16, "tie_word_embeddings": True}, torch.float16),
]
# The layout of published checkpoints: name, class, what makes the model, and what config.json says of the rope instead.
PUBLISHED = [
    ("llama, linear", "LlamaConfig", rope("linear", factor=2.0), {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 10000.0}),
    ("llama, dynamic", "LlamaConfig", rope("dynamic", factor=2.0), {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "rope_theta": 10000.0}),
    ("qwen2, yarn", "Qwen2Config", rope("yarn", **YARN), {"rope_scaling": {"type": "yarn", **YARN}, "rope_theta": 10000.0}),
    ("llama, yarn, finetuned", "LlamaConfig", rope("yarn", **YARN),
     {"rope_scaling": {"type": "yarn", "finetuned": True, **YARN}, "rope_theta": 10000.0}),
    ("llama, llama3", "LlamaConfig", {"rope_parameters": LLAMA3},
     {"rope_scaling": {k: v for k, v in LLAMA3.items() if k != "rope_theta"}, "rope_theta": 500000.0}),
]
# What a config.json leaves out takes the class's default; the numbers here are those that must be given to make the model.
SPARSE = [
    ("llama", "LlamaConfig", {}),
    ("qwen2", "Qwen2Config", {}),
    ("qwen3", "Qwen3Config", {"head_dim": 128}),
    ("mistral", "MistralConfig", {}),
]
# What the program does not compute: it must say so and not answer with other numbers.
REFUSED = [
    ("llama, gelu", "LlamaConfig", {"hidden_act": "gelu"}),
    ("llama, rope longrope", "LlamaConfig", rope("longrope", short_factor=[1.0] * 6, long_factor=[2.0] * 6, factor=4.0,
                                                 original_max_position_embeddings=128)),
    ("qwen2, gelu", "Qwen2Config", {"hidden_act": "gelu_pytorch_tanh"}),
    ("gemma2", "Gemma2Config", {}),
    ("mixtral", "MixtralConfig", {}),
    ("granite", "GraniteConfig", {}),
]


def random_ids(vocab, lengths, seed):
    rng = random.Random(seed)
    return [[rng.randrange(vocab) for _ in range(n)] for n in lengths]


def compare_logits(program, report, name, folder, lists, *flags, tolerance=TOLERANCE):
    theirs = reference_logits(load_reference(folder), lists)
    ours = program.logits(folder, lists, *flags)
    longest = max(map(len, lists))
    how = f", {' '.join(map(str, flags))}" if flags else ""
    report.near(f"{name}: logits, {len(lists)} texts to {longest} tokens{how}", largest_difference(ours, theirs), tolerance)


def compare_random_ids(program, report, name, folder, vocab):
    lists = random_ids(vocab, LENGTHS, 20260)
    compare_logits(program, report, name, folder, lists)
    compare_logits(program, report, name, folder, lists, "--chunk", 7)


def make(config_class, arguments):
    """A random model of that configuration: every parameter drawn, biases and norms too, which transformers would start at 0 and 1."""
    import transformers
    torch.manual_seed(7)
    config = getattr(transformers, config_class)(**copy.deepcopy({**SIZES, **arguments}))  # a configuration writes into its dictionaries
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.normal_(1.0, 0.2) if "norm" in key else p.normal_(0.0, 0.15)
    return model


def logprobs(logits, lists):
    return [torch.log_softmax(row[:-1], -1).gather(1, torch.tensor(ids[1:], dtype=torch.long)[:, None])[:, 0] for row, ids in zip(logits, lists)]


def save_variant(program, name):
    """The folder of one of VARIANTS, with a tokenizer."""
    config_class, arguments = next(v[1:] for v in VARIANTS if v[0] == name)
    folder = program.new_path("-variant")
    make(config_class, arguments).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_tokenizer(folder):
    """Bytes alone: `generate` asks for a tokenizer, and ids go in and out."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    tok = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    tok.pre_tokenizer, tok.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tok.save(f"{folder}/tokenizer.json")


def continuation(model, ids, most):
    """Greedy, with transformers' own cache of keys and values; no end token stops it."""
    import transformers
    model.generation_config.eos_token_id = None
    settings = transformers.GenerationConfig(do_sample=False, max_new_tokens=most, pad_token_id=0)
    x = torch.tensor([ids])
    return model.generate(x, attention_mask=torch.ones_like(x), generation_config=settings)[0, len(ids):].tolist()


def compare_model(program, report, what, folder, model):
    lists = random_ids(SIZES["vocab_size"], LENGTHS, 5)
    theirs = reference_logits(model, lists)
    ours = program.logits(folder, lists, "--chunk", 37)
    report.near(f"{what}: logits", largest_difference(ours, theirs), TOLERANCE)
    report.near(f"{what}: log-probabilities", largest_difference(program.logprobs(folder, lists[1:]), logprobs(theirs[1:], lists[1:])), LOGPROBS)
    prompts = random_ids(SIZES["vocab_size"], (3, 40, 100), 8)
    save_tokenizer(folder)
    rows = program.call("generate", "--model", folder, "--temperature", 0, "--ids", "--ignore-eos", "--max-new-tokens", 80, "--quiet",
                        rows=[{"ids": i} for i in prompts])
    report.same(f"{what}: greedy ids", prompts, [r["completion_ids"] for r in rows], [continuation(model, i, 80) for i in prompts])


def compare_saved(program, report, name, config_class, arguments, dtype=torch.float32):
    """A checkpoint as save_pretrained writes it (its config.json has the layout of transformers 5), in several shards."""
    folder = program.new_path("-checkpoint")
    model = make(config_class, arguments).to(dtype)
    model.save_pretrained(folder, max_shard_size="60KB" if dtype == torch.float32 else "20KB")
    compare_model(program, report, f"saved, {name}", folder, model if dtype == torch.float32 else load_reference(folder))


def compare_published(program, report, name, config_class, arguments, said):
    """The same checkpoint whose config.json has the layout of published ones."""
    folder = program.new_path("-published")
    model = make(config_class, arguments)
    model.save_pretrained(folder)
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    del config["rope_parameters"]
    config["torch_dtype"] = config.pop("dtype")
    with open(f"{folder}/config.json", "w", encoding="utf-8") as f:
        json.dump({**config, **said}, f)
    compare_model(program, report, f"published layout, {name}", folder, model)


def compare_beyond(program, report):
    """Dynamic positions on both sides of max_position_embeddings.  transformers keeps the frequencies of the longest text that it saw until
    a short one comes; the program computes each text as if it were the first, so the reference sees a short one before each."""
    folder = program.new_path("-dynamic")
    model = make("LlamaConfig", {**rope("dynamic", factor=4.0), "max_position_embeddings": 100})
    model.save_pretrained(folder)
    save_tokenizer(folder)
    lists = random_ids(SIZES["vocab_size"], (1, 99, 100, 101, 130, 300), 3)

    def fresh(ids):
        reference_logits(model, [[1]])
        return reference_logits(model, [ids])[0]
    theirs = [fresh(ids) for ids in lists]
    for flags in ((), ("--chunk", 7)):
        report.near(f"rope dynamic below and beyond, to 300 tokens {' '.join(map(str, flags))}",
                    largest_difference(program.logits(folder, lists, *flags), theirs), TOLERANCE)
    report.above("rope dynamic: transformers parts from itself after a longer text by",
                 largest_difference([reference_logits(model, [ids])[0] for ids in (lists[5], lists[4])], [theirs[5], theirs[4]]), 1e-2)
    prompts, expected = random_ids(SIZES["vocab_size"], (3, 60, 99, 100, 101, 200), 8), []
    for ids in prompts:
        reference_logits(model, [[1]])
        expected.append(continuation(model, ids, 80))
    for flags in ((), ("--chunk", 7, "--batch", 2)):
        rows = program.call("generate", "--model", folder, "--temperature", 0, "--ids", "--ignore-eos", "--max-new-tokens", 80, "--quiet", *flags,
                            rows=[{"ids": i} for i in prompts])
        report.same(f"rope dynamic below and beyond: greedy ids {' '.join(map(str, flags))}", prompts, [r["completion_ids"] for r in rows], expected)


def compare_sparse(program, report, name, config_class, arguments):
    """A config.json of sizes alone: both sides fill in the rest."""
    folder = program.new_path("-sparse")
    make(config_class, arguments).save_pretrained(folder)
    with open(f"{folder}/config.json", encoding="utf-8") as f:
        config = {k: v for k, v in json.load(f).items() if k in ("model_type", "architectures") or k in SIZES}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as f:
        json.dump(config, f)
    compare_logits(program, report, f"config.json of sizes alone, {name}", folder, random_ids(SIZES["vocab_size"], LENGTHS, 6))


def expect_refusal(program, report, name, config_class, arguments):
    folder = program.new_path("-refused")
    make(config_class, arguments).save_pretrained(folder)
    expect_failure(report, f"checkpoint refused: {name}", lambda: program.logits(folder, [[1, 2, 3]]))


def compare_greedy(program, report, name, folder, prompts, most=128):
    import transformers
    tok = load_tokenizer(folder)
    model = load_reference(folder)
    lists = [tok.encode(tok.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True),
                        add_special_tokens=False) for p in prompts]
    settings = transformers.GenerationConfig(do_sample=False, max_new_tokens=most, eos_token_id=model.generation_config.eos_token_id,
                                             pad_token_id=model.generation_config.pad_token_id)
    theirs = []
    for ids in lists:
        x = torch.tensor([ids])
        theirs.append(model.generate(x, attention_mask=torch.ones_like(x), generation_config=settings)[0, len(ids):].tolist())
    flags = ["--temperature", 0, "--ids", "--max-new-tokens", most, "--quiet"]
    ours = [r["completion_ids"] for r in program.call("generate", "--model", folder, *flags, rows=[{"ids": i} for i in lists])]
    report.same(f"{name}: greedy continuations of ids", lists, ours, theirs)
    rows = [{"instruction": p, "prompt_label": "vanilla_benign"} for p in prompts]
    ours = [r["completion_ids"] for r in program.call("generate", "--model", folder, *flags, rows=rows)]
    report.same(f"{name}: greedy continuations of instructions", prompts, ours, theirs)
