"""Tokenizers and chat templates against transformers' AutoTokenizer."""
import json
import random

from program import load_tokenizer

CONVERSATIONS = [
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi,\tyou \n"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nb\n</think>\n\nc"}, {"role": "user", "content": "d"}],
    [{"role": "user", "content": "{{ messages }} {% raw %} <|im_end|>"}],
    [{"role": "user", "content": "naïve 漢字 😀 \u0301 \u2028 \x1c"}, {"role": "assistant", "content": ""}],
]
PIECES = [" ", "  ", "\n", "\n\n", "\r\n", "\t", "\xa0", "\u2028", "the", "don't", "IT'S", "naïve", "Straße", "привет", "漢字", "한국어",
          "e\u0301", "\u1e9b\u0323", "12", "3456", "²", "½", "😀", "👩‍👧", "\\boxed{7}", "<think>", "</think>", "x_1 = 3;", "...", "--", "\x00", "\ufeff"]


def testbed_rows(testbed):
    """100 prompts of the testbed, 20 from each file, spread over the file."""
    rows = []
    for name in ("train", "harmful", "lookalikes", "sums", "teacher"):
        with open(f"{testbed}/prompts/{name}.json", encoding="utf-8") as f:
            part = json.load(f)
        rows += part[::len(part) // 20][:20]
    return rows


def testbed_pairs(testbed, count=100):
    with open(f"{testbed}/prompts/teacher.json", encoding="utf-8") as f:
        return [(r["instruction"], r["response"]) for r in json.load(f)][:count]


def random_texts(tok, count, seed):
    rng, special = random.Random(seed), list(tok.get_added_vocab())
    texts = []
    for _ in range(count):
        parts = [rng.choice(PIECES + special[:8]) for _ in range(rng.randrange(1, 25))]
        parts += [chr(c) for c in (rng.randrange(0x3000), rng.randrange(0x10000, 0x20000)) if not 0xD800 <= c < 0xE000]
        rng.shuffle(parts)
        texts.append("".join(parts))
    return texts


def compare_tokenizer(program, report, name, folder, texts):
    tok = load_tokenizer(folder)
    texts = texts + random_texts(tok, 300, 1) + [""]
    plain = [tok.encode(t, add_special_tokens=False) for t in texts]
    full = [tok.encode(t) for t in texts]
    report.same(f"{name}: token ids", texts, program.tokenize(folder, texts), plain)
    report.same(f"{name}: token ids with the tokenizer's own specials", texts, program.tokenize(folder, texts, special=True), full)
    rng = random.Random(2)
    lists = full + [[rng.randrange(len(tok)) for _ in range(rng.randrange(1, 12))] for _ in range(300)]
    for skip in (False, True):
        theirs = [tok.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False) for ids in lists]
        report.same(f"{name}: ids to text{', specials left out' if skip else ''}", lists, program.decode(folder, lists, skip), theirs)


def render_both(program, tok, folder, conversations):
    """Texts of program and library; an error of either is None (their wording differs unless the template raised it)."""
    rows = [{"messages": m, "add_generation_prompt": add} for m in conversations for add in (False, True)]
    theirs = []
    for row in rows:
        try:
            theirs.append(tok.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=row["add_generation_prompt"]))
        except Exception:
            theirs.append(None)
    return rows, [r.get("text") for r in program.call("render", "--model", folder, rows=rows)], theirs


def compare_template(program, report, name, folder, prompts, pairs):
    tok = load_tokenizer(folder)
    users = [[{"role": "user", "content": p}] for p in prompts]
    both = [[{"role": "user", "content": p}, {"role": "assistant", "content": r}] for p, r in pairs]
    for what, conversations in (("user turns", users), ("user and assistant", both), ("other conversations", CONVERSATIONS)):
        report.same(f"{name}: template, {what}", *render_both(program, tok, folder, conversations))


# Every token that a template may name; the last two are none.
TOKENS = "{% for m in messages %}{{ bos_token }}{{ cls_token }}{{ m.content }}{{ sep_token }}{{ mask_token }}{{ eos_token }}{{ pad_token }}" \
         "{{ unk_token }}{{ image_token }}{% endfor %}"


def compare_saved(program, report, name, folder, prompts):
    """A tokenizer as save_pretrained writes it, with more tokens than before, its template in a file and in tokenizer_config.json."""
    tok = load_tokenizer(folder)
    tok.add_special_tokens({"bos_token": "<|bos|>", "cls_token": "<|cls|>", "sep_token": "<|sep|>", "mask_token": "<|mask|>"})
    texts = prompts[:20] + random_texts(tok, 100, 3) + ["a<|cls|> b<|mask|>"]
    users = [[{"role": "user", "content": p}] for p in prompts[:20]]
    original = tok.chat_template
    for where, as_file in (("chat_template.jinja", True), ("tokenizer_config.json", False)):
        for what, template in (("own", original), ("with every token", TOKENS)):
            tok.chat_template = template
            out = program.new_path("-tokenizer")
            tok.save_pretrained(out, save_jinja_files=as_file)
            report.same(f"{name}, saved, template {what} in {where}", *render_both(program, tok, out, users))
    report.same(f"{name}, saved: token ids", texts, program.tokenize(out, texts), [tok.encode(t, add_special_tokens=False) for t in texts])
