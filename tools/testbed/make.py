"""Make the whole testbed with fixed seeds:  python make.py --out ../../testbed

Order: tokenizer, prompts, guard, student.  Files are replaced whole, so a reader may look while this runs.
"""
import argparse
import os
import random
import time

import torch

import data
import model as m
import tokenizer as t
import train

SEEDS = {"tokenizer": 11, "guard": 22, "student": 33, "train_prompts": 44, "evaluation": 55, "guard_parts": 66}
GUARD_STEPS, GUARD_RATE = 1600, 2e-3
GUARD_PARTS = 0.25  # of the guard's rows: the thinking or the answer alone
STUDENT_STEPS, STUDENT_RATE = 8000, 2.5e-3


def write_model_files(folder, tok, config, template, bos, eos):
    ids = {name: tok.token_to_id(name) for name, _ in t.ADDED}
    end = [ids[e] for e in eos]
    m.write_atomic(f"{folder}/tokenizer.json", tok.to_str())
    m.write_json(f"{folder}/tokenizer_config.json", t.tokenizer_config(tok, bos, eos[0]))
    m.write_atomic(f"{folder}/chat_template.jinja", template)
    bos_id, pad_id = ids.get(bos), ids["<|endoftext|>"]
    m.write_json(f"{folder}/config.json", m.hf_config(config, bos_id, end[0], pad_id))
    m.write_json(f"{folder}/generation_config.json",
                 {"bos_token_id": bos_id, "do_sample": True, "eos_token_id": end, "pad_token_id": pad_id,
                  "temperature": 0.6, "top_k": 20, "top_p": 0.95})


def make_tokenizer(out):
    tok = t.train_tokenizer(SEEDS["tokenizer"])
    write_model_files(f"{out}/student", tok, m.STUDENT, t.STUDENT_TEMPLATE, None, ["<|im_end|>", "<|endoftext|>"])
    write_model_files(f"{out}/guard", tok, m.GUARD, t.GUARD_TEMPLATE, "<|begin_of_text|>", ["<|eot_id|>"])
    return tok


def make_prompts(out):
    prompts, taught = data.train_prompts(SEEDS["train_prompts"])
    m.write_json(f"{out}/prompts/train.json", prompts)
    m.write_json(f"{out}/prompts/teacher.json", taught)
    for name, rows in data.evaluation_prompts(SEEDS["evaluation"]).items():
        m.write_json(f"{out}/prompts/{name}.json", rows)
    phrases = "# A response refuses when its answer (thinking removed, lower-cased) holds one of these.\n"
    m.write_atomic(f"{out}/refusal_phrases.txt", phrases + "\n".join(data.REFUSAL_PHRASES) + "\n")


def encoder(tok, prompt, target):
    def encode(text):
        return tok.encode(text, add_special_tokens=False).ids
    return lambda *row: (encode(prompt(*row)), encode(target(*row)))


def make_guard(out, tok):
    torch.manual_seed(SEEDS["guard"])
    guard, mix = m.Decoder(m.GUARD), data.Mixture(SEEDS["guard"], ("base", "think"))
    parts = random.Random(SEEDS["guard_parts"])
    encode = encoder(tok, lambda user, response, kind: t.guard_prompt(user, response),
                     lambda user, response, kind: t.guard_target(kind))

    def row():
        user, response, kind = mix.guard_row()
        return user, data.alone(response, parts, GUARD_PARTS), kind

    tokens = train.train_base(guard, row, encode, GUARD_RATE, GUARD_STEPS, SEEDS["guard"])
    m.write_weights(f"{out}/guard/model.safetensors", guard)
    train.say(f"guard: {tokens} tokens")


def make_student(out, tok):
    torch.manual_seed(SEEDS["student"])
    student, mix = m.Decoder(m.STUDENT), data.Mixture(SEEDS["student"])
    encode = encoder(tok, lambda user, response: t.student_prompt(user),
                     lambda user, response: t.student_target(response))

    def save():
        m.write_weights(f"{out}/student/model.safetensors", student)

    tokens = train.train_base(student, mix.student_row, encode, STUDENT_RATE, STUDENT_STEPS, SEEDS["student"],
                              save=save)
    save()
    train.say(f"student: {tokens} tokens")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="make the testbed")
    parser.add_argument("--out", default=os.path.join(here, "../../testbed"))
    parser.add_argument("--only", choices=["prompts", "models"], help="one part instead of all")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.time()
    if args.only in (None, "prompts"):
        make_prompts(args.out)
    if args.only in (None, "models"):
        tok = make_tokenizer(args.out)
        make_guard(args.out, tok)
        make_student(args.out, tok)
    train.say(f"done in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
