"""A GGUF file as somebody else made it, against transformers' reading of the same file."""
import os

import decoder
import export
import lora
import text
from program import largest_difference, load_reference, load_tokenizer, reference_logits

LOGITS = 2e-4  # f32 leaves an error on both sides: compare_exact measures each against f64


def true_tokenizer(file):
    """The tokenizer that llama.cpp's name "smollm" stands for: every digit a word of its own, then GPT-2's words.  transformers reads
    the tokens and merges of the file but cuts words as GPT-2 does, whatever tokenizer.ggml.pre says."""
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    fields = GGUFReader(file).fields
    value = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
    assert value("pre") == "smollm", value("pre")
    tokens = value("tokens")
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in value("merges")]))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    control = 3
    tok.add_special_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, value("token_type")) if kind == control])
    return tok


DIGITS = ["12345", " 12345", "a1b2", "3.14159", "x=2^10", "1,000,000", "Route 66!", "²³", "½ ¼", "١٢٣", "Ⅷ", "10:30pm", "v2.0.1-rc3", "\t7\n8 9"]


def compare_tokenizer(program, report, name, file, texts):
    tok, true = load_tokenizer(file), true_tokenizer(file)
    texts = texts + text.random_texts(tok, 300, 1) + DIGITS + [""]
    ours = program.tokenize(file, texts)
    expected = [true.encode(t, add_special_tokens=False).ids for t in texts]
    theirs = [tok.encode(t, add_special_tokens=False) for t in texts]
    report.same(f"{name}: token ids, digits apart and GPT-2's words", texts, ours, expected)
    differ = [t for t, a, b in zip(texts, expected, theirs) if a != b]
    report.note(f"{name}: transformers, which does not cut digits apart, differs in", f"{len(differ)} of {len(texts)} texts")
    report.same(f"{name}: token ids as transformers where it agrees", [t for t in texts if t not in differ],
                [o for t, o in zip(texts, ours) if t not in differ], [i for t, i in zip(texts, theirs) if t not in differ])
    report.same(f"{name}: ids to text", theirs, program.decode(file, theirs), [tok.decode(i, clean_up_tokenization_spaces=False) for i in theirs])


def compare_exact(program, report, name, file, lists):
    """Thirty layers in f32 leave an error on both sides: each is measured against the same model computed in f64."""
    model = load_reference(file)
    theirs = reference_logits(model, lists)
    exact = reference_logits(model.double(), lists)
    error = largest_difference(theirs, exact)
    report.note(f"{name}: logits, {len(lists)} texts: transformers in f32 from f64", f"largest difference {error:.1e}")
    report.near(f"{name}: logits, {len(lists)} texts: ours from f64", largest_difference(program.logits(file, lists), exact), 2 * error)


def compare(run, file, prompts, pairs):
    name = os.path.basename(file)
    run(name, compare_tokenizer, file, prompts + [r for _, r in pairs])
    run(name, text.compare_template, file, prompts, pairs)
    tok = load_tokenizer(file)
    both = [[{"role": "user", "content": p}, {"role": "assistant", "content": r}] for p, r in pairs[:4]]
    lists = [tok.encode(tok.apply_chat_template(b, tokenize=False), add_special_tokens=False) for b in both]
    lists = [lists[0][:1], *lists, [i for ids in lists for i in ids][:300]]
    run(name, decoder.compare_logits, file, lists, tolerance=LOGITS)
    run(name, decoder.compare_logits, file, lists, "--chunk", 7, tolerance=LOGITS)
    run(name, compare_exact, file, lists)
    run(name, decoder.compare_greedy, file, prompts[::8], 96)
    rows = [{"instruction": p, "response": r} for p, r in pairs[:16]]
    run(name, lora.compare_ours, file, rows, lists[:3], "--epochs", 1, "--rank", 8, "--targets", lora.ALL, tolerance=LOGITS)
    run(f"{name}, all-linear", lora.compare_theirs, file, lists[:3], LOGITS, r=5, lora_alpha=7, target_modules="all-linear", task_type="CAUSAL_LM")
    run(name, export.compare_made_folder, file, lists, prompts + DIGITS, pairs)
