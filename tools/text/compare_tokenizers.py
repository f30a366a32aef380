#!/usr/bin/env python3
"""Compare our tokenizer with the PyPI package `tokenizers` on random texts, and print the tables of src/text/unicode_tables.c.

    compare_tokenizers.py --program build/release/thinksafe DIR...   # each DIR holds a tokenizer.json
    compare_tokenizers.py --tables classes|newer                     # needs unicodedata2, and perl for newer

PROGRAM is called as `PROGRAM tokenize --model DIR [--no-special] [--decode [--skip-special]]` and reads and writes JSON Lines.
Exit status 1 when a text differs; the first differing texts are printed.
"""
import argparse
import json
import random
import subprocess
import sys

SPACES = [" ", "  ", "\n", "\r\n", "\t", "\n\n", "\r", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u180e", "\u2003", "\u2028", "\u2029",
          "\u200b", "\u3000", "\ufeff", "\x1c", "\x1f", "   \n  "]
WORDS = ["the", "The", "don't", "IT'S", "we'll", "'Re", "it'\u017f", "hello", "naïve", "Straße", "привет", "мир", "Ελλάδα", "שלום",
         "مرحبا", "नमस्ते", "สวัสดี", "こんにちは", "カタカナ", "漢字", "한국어", "각", "e\u0301", "a\u0328\u0301", "\u1e9b\u0323",
         "q\u0307\u0323", "def f(x):", "x_1", "http://a.b/c?d=e", "\\frac{1}{2}", "<0x41>", "<0xE2>", "▁", "▁▁a", "Ġ", "Ċ"]
DIGITS = ["0", "12", "345", "6789", "3.14", "1,000,000", "²", "Ⅷ", "٣٤", "१२३", "①", "½", "𝟘𝟙", "2024-07-26"]
MARKS = ["\u0300", "\u0301", "\u0323", "\u0338", "\u05b0", "\u064b", "\u093c", "\u09be", "\u1161", "\u11a8", "\u3099", "\u20d0",
         "\u1ac0", "\U0001e8d0", "\U00011930", "\U00016d67", "\ufe0f", "\u200d"]
EMOJI = ["😀", "👩‍👩‍👧", "🇫🇷", "👍🏽", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☃"]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["…", "—", "“", "”", "。", "、", "¿", "''", "->", "'"]


def random_char(rng):
    while True:
        c = rng.choice([rng.randrange(0x80), rng.randrange(0x3000), rng.randrange(0x20000), rng.randrange(0x110000)])
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def random_text(rng, specials):
    pools = [SPACES, WORDS, DIGITS, MARKS, EMOJI, PUNCTUATION, specials or WORDS]
    weights = [rng.random() for _ in pools] + [rng.random() * 0.7]
    parts = []
    for _ in range(rng.randrange(1, 30)):
        k = rng.choices(range(len(weights)), weights)[0]
        parts.append(random_char(rng) if k == len(pools) else rng.choice(pools[k]))
        if rng.random() < 0.2:
            parts.append(" ")
        if rng.random() < 0.05:
            parts.append(rng.choice(parts) * rng.randrange(2, 40))
    return "".join(parts)


def call(program, folder, rows, *flags):
    data = "".join(json.dumps(r) + "\n" for r in rows)
    done = subprocess.run([program, "tokenize", "--model", folder, *flags], input=data, capture_output=True, text=True, check=True)
    if done.stderr:
        print(done.stderr[:500], file=sys.stderr)
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def report(folder, what, rows, ours, theirs):
    bad = [(r, o, t) for r, o, t in zip(rows, ours, theirs) if o != t]
    print(f"{folder}: {what}: {len(rows)} rows, {len(bad)} differ")
    for row, own, other in bad[:3]:
        print("  input ", ascii(row)[:300], "\n  ours  ", ascii(own)[:300], "\n  theirs", ascii(other)[:300])
    return len(bad)


def compare(program, folder, count, seed):
    from tokenizers import Tokenizer
    reference = Tokenizer.from_file(f"{folder}/tokenizer.json")
    with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
        added = json.load(file)["added_tokens"]
    specials = [t["content"] for t in added]
    rng = random.Random(seed)
    if len(specials) > 40:
        specials = rng.sample(specials, 40)
    texts = [random_text(rng, specials) for _ in range(count)]
    rows = [{"text": t} for t in texts]
    plain = [reference.encode(t, add_special_tokens=False).ids for t in texts]
    full = [reference.encode(t).ids for t in texts]
    bad = report(folder, "ids", texts, [r["ids"] for r in call(program, folder, rows, "--no-special")], plain)
    bad += report(folder, "ids with specials", texts, [r["ids"] for r in call(program, folder, rows)], full)
    size = reference.get_vocab_size() + 5
    lists = full + [[rng.randrange(size) for _ in range(rng.randrange(12))] for _ in range(count)]
    lists += [[rng.randrange(300) for _ in range(rng.randrange(12))] for _ in range(count)]
    for skip in (False, True):
        theirs = [reference.decode(ids, skip_special_tokens=skip) for ids in lists]
        ours = call(program, folder, [{"ids": ids} for ids in lists], "--decode", *(["--skip-special"] if skip else []))
        bad += report(folder, "decoded" + (", specials skipped" if skip else ""), lists, [r["text"] for r in ours], theirs)
    return bad


def assigned_after_12():
    script = r'for $c (0..0x10FFFF){next if $c>=0xD800&&$c<=0xDFFF; print "$c\n" if chr($c)!~/\p{In=12.0}/}'
    return {int(c) for c in subprocess.run(["perl", "-e", script], capture_output=True, text=True, check=True).stdout.split()}


def wrap(items):
    lines, line = [], "\t"
    for item in items:
        if len(line) + len(item) > 131:
            lines.append(line.rstrip())
            line = "\t"
        line += item + " "
    return "\n".join(lines + [line.rstrip()])


def newer_ranges(data):
    new = assigned_after_12()
    found = {c for c in new if data.decomposition(chr(c)) or data.category(chr(c))[0] == "M"}
    for c in list(found):
        parts = data.decomposition(chr(c)).split()
        if parts and not parts[0].startswith("<"):
            found |= {int(p, 16) for p in parts} & new
    ranges = []
    for c in sorted(found):
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return ["{%s, %s}," % (hex(a), hex(b)) for a, b in ranges]


def tables(newer_only):
    """Run with unicodedata2 16.0 for the classes; the list of newer characters may come from a later version."""
    import unicodedata2 as data
    if newer_only:
        print(wrap(newer_ranges(data)))
        return
    space = {9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
    changes, last = [], None
    for c in range(0x110000):
        category = data.category(chr(c))[0]
        kind = 3 if c in space else {"L": 1, "N": 2}.get(category, 0)
        if kind != last:
            changes.append(hex(c << 2 | kind) + ",")
            last = kind
    print(wrap(changes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--program")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tables", choices=["classes", "newer"])
    options = parser.parse_args()
    if options.tables:
        tables(options.tables == "newer")
        return 0
    bad = sum(compare(options.program, f, options.count, options.seed) for f in options.folders)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
