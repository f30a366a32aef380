"""LoRA adapters and training against PEFT and transformers' Trainer."""
import contextlib
import copy
import random
import unittest.mock

import torch
from safetensors.torch import load_file

from program import expect_failure, largest_difference, load_reference, reference_logits

LOGITS = 2e-4
LOSS = 2e-6   # relative
TIMES = 4     # the error that the reference makes in f32
ALL = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"


def largest_change(model, lists):
    """How far the adapter moves the logits: an adapter that does nothing would compare equal too."""
    tuned = reference_logits(model, lists)
    with model.disable_adapter():
        return largest_difference(tuned, reference_logits(model, lists))


def compare_adapter(program, report, name, folder, adapter, lists, tolerance=LOGITS):
    from peft import PeftModel
    model = PeftModel.from_pretrained(load_reference(folder), adapter).eval()
    ours = program.logits(folder, lists, "--adapter", adapter)
    report.near(f"{name}: logits with it", largest_difference(ours, reference_logits(model, lists)), tolerance)
    report.above(f"{name}: it moves the logits by", largest_change(model, lists), 1e-2)


def compare_ours(program, report, name, folder, rows, lists, *flags, tolerance=LOGITS):
    """An adapter of `thinksafe train`, read by PEFT."""
    adapter, log = program.train(folder, rows, "--lr", 1e-3, *flags)
    compare_adapter(program, report, f"{name}: adapter of {len(log)} steps in PEFT", folder, adapter, lists, tolerance)


def save_theirs(program, folder, dtype=torch.float32, **settings):
    """An adapter with a random B in the folder that PEFT writes; stored in dtype."""
    from peft import LoraConfig, get_peft_model
    torch.manual_seed(3)
    model = get_peft_model(load_reference(folder), LoraConfig(**copy.deepcopy(settings)))
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_B" in key:
                p.normal_(0.0, 0.1)
            if "lora_" in key:
                p.data = p.data.to(dtype)
    out = program.new_path("-peft")
    model.save_pretrained(out)
    return out


def compare_theirs(program, report, name, folder, lists, tolerance=LOGITS, **settings):
    """An adapter that PEFT saved, read by the program."""
    adapter = save_theirs(program, folder, **settings)
    compare_adapter(program, report, f"{name}: adapter saved by PEFT", folder, adapter, lists, tolerance)


# name, settings: PEFT saves these, the program does not compute them and must say so.
REFUSED = [
    ("DoRA", {"use_dora": True}),
    ("bias trained too", {"bias": "lora_only"}),
    ("bias of B", {"lora_bias": True}),
    ("a module saved whole", {"modules_to_save": ["lm_head"]}),
    ("PiSSA, which changes the base", {"init_lora_weights": "pissa"}),
    ("targets outside the layers", {"target_modules": ["q_proj", "embed_tokens"]}),
    ("the head", {"target_modules": ["q_proj", "lm_head"]}),
    ("a pattern that takes the embedding", {"target_modules": r".*(q_proj|embed_tokens)"}),
    ("layers named otherwise", {"layers_to_transform": [0], "layers_pattern": "laye.s"}),
]
# name, settings: which modules, of which rank and scale.
RULES = [
    ("some layers alone", {"layers_to_transform": [0, 1]}),
    ("one layer of a pattern", {"layers_to_transform": 1, "layers_pattern": "layers"}),
    ("one path alone", {"target_modules": ["model.layers.1.self_attn.q_proj"]}),
    ("names and a path", {"target_modules": ["up_proj", "0.self_attn.q_proj"]}),
    ("a regular expression", {"target_modules": r".*\.[01]\.(self_attn\.(q|o)|mlp\.down)_proj"}),
    ("modules left out", {"target_modules": "all-linear", "exclude_modules": ["down_proj", "model.layers.0.self_attn.q_proj"]}),
    ("modules left out by expression", {"exclude_modules": r".*\.0\.self_attn\.v_proj"}),
    ("ranks by pattern", {"rank_pattern": {"q_proj": 3, "model.layers.1.self_attn.v_proj": 9}}),
    ("alphas by pattern", {"alpha_pattern": {"q_proj": 3, r"layers\.0\..*": 20}}),
    ("both, with rslora", {"target_modules": "all-linear", "use_rslora": True, "rank_pattern": {r"0\.mlp\..*": 2, "k_proj|v_proj": 6},
                           "alpha_pattern": {"down_proj": 1, "_proj": 4, r"\d\.self_attn\.o_proj": 32}}),
]


def expect_refusal(program, report, name, folder, settings):
    adapter = save_theirs(program, folder, **{"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **settings})
    expect_failure(report, f"adapter refused: {name}", lambda: program.logits(folder, [[1, 2, 3]], "--adapter", adapter))


def row_ids(tok, instruction, response):
    """A training example as transformers sees it: ids, and labels with -100 over the prompt."""
    user = [{"role": "user", "content": instruction}]
    prompt = tok.encode(tok.apply_chat_template(user, tokenize=False, add_generation_prompt=True), add_special_tokens=False)
    text = tok.apply_chat_template([*user, {"role": "assistant", "content": response}], tokenize=False)
    ids = tok.encode(text, add_special_tokens=False)
    assert ids[:len(prompt)] == prompt
    return {"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt):]}


def random_examples(vocab, count, seed):
    """Rows of ids and mask of different lengths, a mask with holes among them, and the same for transformers."""
    rng, ours, theirs = random.Random(seed), [], []
    for i in range(count):
        ids = [rng.randrange(vocab) for _ in range(rng.randrange(5, 90))]
        start = rng.randrange(len(ids) - 2)
        mask = [int(t >= start and not (i % 3 == 0 and t % 4 == 1)) for t in range(len(ids))]
        ours.append({"ids": ids, "mask": mask})
        theirs.append({"input_ids": ids, "labels": [x if m else -100 for x, m in zip(ids, mask)]})
    return ours, theirs


def collate(examples, more=0):
    """Right padding; the padding is neither seen nor a target."""
    width = max(len(e["input_ids"]) for e in examples) + more

    def padded(key, fill):
        return torch.tensor([e[key] + [fill] * (width - len(e[key])) for e in examples])
    ones = [{"mask": [1] * len(e["input_ids"])} for e in examples]
    mask = torch.tensor([o["mask"] + [0] * (width - len(o["mask"])) for o in ones])
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", -100), "attention_mask": mask}


def initial_adapter(program, folder, rows, *flags):
    """The adapter that training starts from: a run of two steps at a rate that moves A by less than f32 can hold. B is then not the
    exact 0 it starts from, but below 1e-25; whoever loads this sets it to 0."""
    return program.train(folder, rows, "--batch-size", len(rows), "--epochs", 2, "--lr", 1e-30, "--dropout", 0, *flags)[0]


def load_initial(folder, start, dtype):
    from peft import PeftModel
    model = PeftModel.from_pretrained(load_reference(folder), start, is_trainable=True).to(dtype)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_B" in key:
                assert p.abs().max() < 1e-25
                p.zero_()
    return model.train()


def trainer(model, scratch, examples, epochs, lr, collator, steps):
    """transformers' Trainer, with what it logs (rounded) kept as it is: steps gets loss, norm and rate of each."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Keep(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **rest):
            if logs and "grad_norm" in logs:
                steps["norm"].append(float(logs["grad_norm"]))

        def on_optimizer_step(self, args, state, control, optimizer=None, **rest):
            steps["rate"].append(float(optimizer.param_groups[0]["lr"]))

    class Kept(Trainer):
        def compute_loss(self, *args, **kwargs):
            loss = super().compute_loss(*args, **kwargs)
            steps["loss"].append(loss.item())
            return loss
    arguments = TrainingArguments(output_dir=scratch, per_device_train_batch_size=len(examples), num_train_epochs=epochs, learning_rate=lr,
                                  lr_scheduler_type="cosine", warmup_steps=0.1, max_grad_norm=1.0, weight_decay=0.0, optim="adamw_torch",
                                  logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
                                  remove_unused_columns=False, dataloader_pin_memory=False)
    done = Kept(model=model, args=arguments, train_dataset=examples, data_collator=collator, callbacks=[Keep()])
    for callback in list(done.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            done.remove_callback(callback)
    return done


@contextlib.contextmanager
def computing_in(dtype):
    """transformers asks for f32 by name in norms, positions, softmax and loss; in f64 these must be f64 too."""
    if dtype == torch.float32:
        yield
        return
    with unittest.mock.patch.object(torch, "float32", torch.float64), unittest.mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        yield


def train_reference(program, folder, start, examples, epochs, lr, dtype=torch.float32, collator=collate):
    """The method's training by Trainer: AdamW, cosine, warm-up 0.1, clip 1; the whole set is one step.  (adapter, steps)"""
    model, steps = load_initial(folder, start, dtype), {"loss": [], "norm": [], "rate": []}
    with computing_in(dtype):
        trainer(model, program.new_path("-trainer"), examples, epochs, lr, collator, steps).train()
    return {k.replace(".default", ""): p.detach().double() for k, p in model.named_parameters() if "lora_" in k}, steps


def relative(ours, theirs):
    return max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(ours, theirs, strict=True))


def flat(adapter):
    return torch.cat([adapter[k].double().flatten() for k in sorted(adapter)])


def errors(adapter, exact, start):
    """How far an adapter lies from the exact one: of the way that training went, and in half and nine tenths of its entries."""
    apart = flat(adapter) - flat(exact)
    return [float(apart.norm() / (flat(exact) - flat(start)).norm()), *(float(apart.abs().quantile(q)) for q in (0.5, 0.9))]


def compare_training(program, report, name, folder, rows, examples, *flags, epochs=12, lr=1e-3):
    begin = initial_adapter(program, folder, rows, *flags)
    ours, log = program.train(folder, rows, "--batch-size", len(rows), "--epochs", epochs, "--lr", lr, "--dropout", 0, *flags)
    exact, steps = train_reference(program, folder, begin, examples, epochs, lr, torch.float64)
    what = f"{name}: {len(log)} steps"
    report.near(f"{what}: loss", relative([s["loss"] for s in log], steps["loss"]), LOSS, " relative")
    report.near(f"{what}: gradient norm", relative([s["grad_norm"] for s in log], steps["norm"]), 2e-5, " relative")
    report.near(f"{what}: learning rate", max(abs(s["lr"] - r) for s, r in zip(log, steps["rate"], strict=True)), 1e-9)
    final, start = load_file(f"{ours}/adapter_model.safetensors"), load_file(f"{begin}/adapter_model.safetensors")
    start = {k: v if "lora_A" in k else torch.zeros_like(v) for k, v in start.items()}
    report.same(f"{what}: keys of the adapter", sorted(final), sorted(final), sorted(exact))
    report.above(f"{what}: loss fell by", steps["loss"][0] - steps["loss"][-1], 1e-2)
    # AdamW's first steps turn a gradient near 0 into a step of either sign, so in f32 a few entries part from f64 by whole steps. How
    # far the reference in f32 parts, with its rows in either order, says what can be asked; half of the entries do not depend on luck.
    theirs = [errors(a, exact, start) for a in (train_reference(program, folder, begin, examples, epochs, lr)[0],
                                                train_reference(program, folder, begin, examples[::-1], epochs, lr,
                                                                collator=lambda rows: collate(rows, 37))[0])]
    found = errors(final, exact, start)
    own = [max(t[i] for t in theirs) for i in range(3)]
    report.near(f"{what}: final adapter, of the way", found[0], max(5e-3, TIMES * own[0]))
    report.near(f"{what}: half of its entries", found[1], TIMES * own[1])
    report.near(f"{what}: nine tenths of its entries", found[2], TIMES * own[2])
    report.note(f"{what}: Trainer in f32", "of the way %.1e, half %.1e, nine tenths %.1e" % tuple(own))
