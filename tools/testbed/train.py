"""Training of the student and the guard, and a small version of the ThinkSafe step."""
import math
import random
import sys
import time

import torch
import torch.nn.functional as F


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def batches(draw, encode, batch, rng, pool=64):
    """Endless batches of (prompt ids, target ids).  Rows of a pool are sorted by length to save padding."""
    while True:
        rows = sorted((encode(*draw()) for _ in range(pool)), key=lambda r: len(r[0]) + len(r[1]))
        groups = [rows[i:i + batch] for i in range(0, pool, batch)]
        rng.shuffle(groups)
        yield from groups


def response_loss(model, rows):
    """Mean next-token cross-entropy over the target tokens of all rows, and their number."""
    width = max(len(p) + len(t) for p, t in rows) - 1
    ids, labels = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -1)
    for i, (prompt, target) in enumerate(rows):
        both = torch.tensor(prompt + target)
        ids[i, :len(both) - 1] = both[:-1]
        labels[i, len(prompt) - 1:len(both) - 1] = both[len(prompt):]
    wanted = labels >= 0
    # Rows are padded on the right, so with causal attention no real token sees padding.
    logits = model.logits(model(ids)[wanted])
    return F.cross_entropy(logits, labels[wanted]), int(wanted.sum())


def base_rate(step, steps, warmup=100, decay=0.4):
    """Linear warm-up, flat, linear decay to 0 over the last 40%."""
    return min(1, (step + 1) / warmup, (steps - step) / (decay * steps))


def train_base(model, draw, encode, lr, steps, seed, batch=8, save=None, save_every=500):
    rng, start, tokens, total = random.Random(seed), time.time(), 0, 0.0
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05},
                                   {"params": vectors, "weight_decay": 0.0}], lr=lr, betas=(0.9, 0.98), fused=True)
    for step, rows in zip(range(steps), batches(draw, encode, batch, rng)):
        for group in optimiser.param_groups:
            group["lr"] = lr * base_rate(step, steps)
        loss, _ = response_loss(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        tokens += sum(len(p) + len(t) for p, t in rows)
        total += float(loss.detach())
        if (step + 1) % 100 == 0:
            say(f"step {step + 1}/{steps}  loss {total / 100:.4f}  {tokens} tokens  {time.time() - start:.0f} s")
            total = 0.0
        if save and (step + 1) % save_every == 0:
            save()
    return tokens


def train_lora(model, rows, lr=1e-3, epochs=3, batch=8, seed=42):
    """The fine-tuning of the method: AdamW without decay, warm-up over 10% of the steps, cosine to 0.

    `rows` are (prompt ids, target ids).  Returns the number of steps.
    """
    torch.manual_seed(seed)
    parameters, rng = model.add_lora(), random.Random(seed)
    optimiser = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.999), weight_decay=0.0)
    steps = epochs * math.ceil(len(rows) / batch)
    warmup, step = math.ceil(0.1 * steps), 0
    model.train()
    for _ in range(epochs):
        order = rng.sample(rows, len(rows))
        for i in range(0, len(order), batch):
            progress = (step - warmup) / (steps - warmup)
            for group in optimiser.param_groups:
                group["lr"] = lr * (step / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * progress)))
            loss, _ = response_loss(model, order[i:i + batch])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            optimiser.zero_grad()
            step += 1
    model.eval()
    return steps
