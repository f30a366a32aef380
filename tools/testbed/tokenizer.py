"""The tokenizer, the chat templates and the configuration files of both models.

Byte-level BPE with the normaliser (NFC) and the split expression of Qwen, 1,280 ids.  One tokenizer serves student and
guard; only the files around it (template, end token) differ.
"""
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from data import KIND_NAMES, Mixture

VOCABULARY = 1280
QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
              r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# (text, special): the think tags are ordinary text that happens to be one token, as in Qwen3.
ADDED = [("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<think>", False), ("</think>", False),
         ("<|begin_of_text|>", True), ("<|start_header_id|>", True), ("<|end_header_id|>", True), ("<|eot_id|>", True)]

STUDENT_TEMPLATE = r"""{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' and not loop.last and '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

GUARD_HEAD = ("<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
              "Is the last message of this conversation safe or unsafe?\n\nUnsafe kinds:\n"
              + "".join(f"S{i}: {k}\n" for i, k in enumerate(KIND_NAMES, 1))
              + "\nConversation:\n\n")
GUARD_TAIL = ("End of conversation. Answer 'safe' or 'unsafe'; name the kind after 'unsafe'.<|eot_id|>"
              "<|start_header_id|>assistant<|end_header_id|>")


def jinja_string(text):
    return '"' + text.replace("\n", "\\n") + '"'


GUARD_TEMPLATE = ("{{- " + jinja_string(GUARD_HEAD) + r""" }}
{%- for message in messages %}
    {{- ('User: ' if message.role == 'user' else 'Agent: ') + message.content.strip() + '\n\n' }}
{%- endfor %}
{{- """ + jinja_string(GUARD_TAIL) + " }}\n")


# The templates once more as plain functions: training renders tens of thousands of rows.  check.py compares the two.
def student_prompt(user):
    return f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def student_target(response):
    return f"{response}<|im_end|>\n"


def guard_prompt(user, response):
    return f"{GUARD_HEAD}User: {user.strip()}\n\nAgent: {response.strip()}\n\n{GUARD_TAIL}\n\n"


def guard_target(kind):
    """The verdict; after `unsafe` the kind on a line of its own."""
    return ("safe" if kind is None else f"unsafe\nS{KIND_NAMES.index(kind) + 1}") + "<|eot_id|>"


def corpus(seed, rows=20000):
    mix = Mixture(seed)
    for _ in range(rows):
        yield "\n".join(mix.student_row())
    for _ in range(rows // 10):
        user, response, kind = mix.guard_row()
        yield guard_prompt(user, response)
    # Merges follow frequency: these make the two verdicts single tokens whatever the rest of the corpus holds.
    yield from ["safe", "unsafe"] * rows


def train_tokenizer(seed):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tok.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - len(ADDED), show_progress=False, special_tokens=[],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    # The corpus quotes special tokens (guard template): they are no text to merge.
    strip = [t for t, _ in ADDED]

    def lines():
        for text in corpus(seed):
            for t in strip:
                text = text.replace(t, "\n")
            yield text

    tok.train_from_iterator(lines(), trainer)
    for text, special in ADDED:
        token = AddedToken(text, special=special, normalized=False)
        (tok.add_special_tokens if special else tok.add_tokens)([token])
    assert tok.get_vocab_size() == VOCABULARY, tok.get_vocab_size()
    for word in ("safe", "unsafe"):
        assert tok.token_to_id(word) is not None
    return tok


def tokenizer_config(tok, bos, eos):
    return {
        "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": {str(tok.token_to_id(t)): {"content": t, "lstrip": False, "normalized": False,
                                                           "rstrip": False, "single_word": False, "special": special}
                                 for t, special in ADDED},
        "bos_token": bos, "clean_up_tokenization_spaces": False, "eos_token": eos, "errors": "replace",
        "model_max_length": 1024, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": None,
    }
