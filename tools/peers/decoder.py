"""Logits and greedy continuations against transformers' models, among them checkpoints that transformers itself saved."""
import json
import random

import torch

from program import expect_failure, largest_difference, load_reference, load_tokenizer, reference_logits

TOLERANCE = 2e-4
LENGTHS = (1, 2, 63, 64, 65, 130, 300)

# name, configuration class, its arguments: what published checkpoints of the four families may ask for and the stored tiny models do not.
SIZES = {"vocab_size": 160, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 512}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64, "rope_theta": 500000.0}
VARIANTS = [
    ("llama, one kv head per head", "LlamaConfig", {"num_key_value_heads": 4, "head_dim": 20}),
    ("llama, biases, tied", "LlamaConfig", {"attention_bias": True, "tie_word_embeddings": True}),
    ("llama, rope linear", "LlamaConfig", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}}),
    ("llama, rope llama3, tied", "LlamaConfig", {"rope_parameters": LLAMA3, "tie_word_embeddings": True}),
    ("qwen2, tied, theta 1e6", "Qwen2Config", {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    ("qwen3, biases, untied", "Qwen3Config", {"attention_bias": True, "head_dim": 16, "tie_word_embeddings": False}),
    ("qwen3, one kv head", "Qwen3Config", {"num_key_value_heads": 1, "head_dim": 32, "tie_word_embeddings": True}),
    ("mistral, window 16", "MistralConfig", {"sliding_window": 16}),
    ("mistral, no window", "MistralConfig", {"sliding_window": None, "head_dim": 24}),
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
    ("llama, mlp_bias", "LlamaConfig", {"mlp_bias": True}),
    ("llama, gelu", "LlamaConfig", {"hidden_act": "gelu"}),
    ("llama, rope yarn", "LlamaConfig", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0,
                                                             "original_max_position_embeddings": 128}}),
    ("llama, rope dynamic", "LlamaConfig", {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}}),
    ("qwen2, windowed layers", "Qwen2Config", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
    ("qwen3, windowed layers", "Qwen3Config", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
    ("gemma2", "Gemma2Config", {}),
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
    config = getattr(transformers, config_class)(**{**SIZES, **arguments})
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.normal_(1.0, 0.2) if "norm" in key else p.normal_(0.0, 0.15)
    return model


def compare_saved(program, report, name, config_class, arguments):
    """A checkpoint as save_pretrained writes it (its config.json has the layout of transformers 5), in several shards."""
    folder = program.new_path("-checkpoint")
    model = make(config_class, arguments)
    model.save_pretrained(folder, max_shard_size="60KB")
    lists = random_ids(SIZES["vocab_size"], LENGTHS, 5)
    worst = largest_difference(program.logits(folder, lists, "--chunk", 37), reference_logits(model, lists))
    report.near(f"saved by transformers, {name}: logits", worst, TOLERANCE)


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
