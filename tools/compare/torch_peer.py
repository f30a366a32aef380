"""What transformers and PEFT do in a second, on the CPU: one CSV line a figure, as bench/csv.h writes them.

    torch_peer.py MODEL --dtype f32|bf16 --threads N decode  SEQUENCESxCONTEXT,... STEPS SECONDS
    torch_peer.py MODEL --dtype f32|bf16 --threads N prefill TOKENS
    torch_peer.py MODEL --dtype f32|bf16 --threads N judge   PREFIX PAIR PAIRS BATCH
    torch_peer.py MODEL --dtype f32|bf16 --threads N train   TOKENS CHECKPOINTING(0|1) STEPS
    torch_peer.py -     --dtype f32|bf16|numpy --threads N kernels OUT IN ROWS,...

decode: greedy steps after a context of CONTEXT tokens, at most STEPS of them, fewer once SECONDS of CPU time of a thread are over (never
below 4). The context is computed once and copied to the other sequences: how it came about does not change the time of a step. judge: keys
and values of the common PREFIX are computed beforehand and kept, each forward takes BATCH pairs. train: one optimiser step a sequence, LoRA
of rank 32 on q and v. kernels: dtype numpy = f32 by numpy, whose products are OpenBLAS's.
"""
import argparse
import os
import random
import sys
import time

os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")
import torch

LEAST_STEPS = 4


class Clock:
    def __init__(self, threads):
        self.threads, self.wall, self.cpu = threads, time.perf_counter(), time.process_time()

    def stop(self):
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


class Out:
    def __init__(self):
        print("name,case,value,unit,cpu_share", flush=True)

    def put(self, name, case, count, unit, clock):
        print(f"{name},{case},{count / clock.wall:.6g},{unit},{clock.cpu / clock.wall / clock.threads:.4f}", flush=True)


def numbers(text):
    return [int(n) for n in text.split(",")]


def random_ids(rows, length, vocabulary, seed=1):
    draw = random.Random(seed)
    return torch.tensor([[draw.randrange(vocabulary - 1000) for _ in range(length)] for _ in range(rows)])


class Peer:
    def __init__(self, options):
        self.dtype, self.numpy = torch.bfloat16 if options.dtype == "bf16" else torch.float32, options.dtype == "numpy"
        self.threads, self.out = options.threads, Out()
        torch.set_num_threads(options.threads)
        if options.model != "-":
            from transformers import AutoModelForCausalLM
            self.model = AutoModelForCausalLM.from_pretrained(options.model, dtype=self.dtype, attn_implementation="sdpa").eval()
            self.vocabulary = self.model.config.vocab_size

    @torch.inference_mode()
    def context(self, sequences, length, room):
        """Keys and values of `sequences` equal contexts.  In memory set aside: growing tensors are copied in every step."""
        import transformers
        one, many = (transformers.StaticCache(config=self.model.config, max_cache_len=length + room) for _ in range(2))
        self.model(random_ids(1, length, self.vocabulary), past_key_values=one, logits_to_keep=1)
        self.model(random_ids(sequences, 1, self.vocabulary), past_key_values=many)  # makes its tensors
        for to, at in zip(many.layers, one.layers):
            to.keys.copy_(at.keys.expand_as(to.keys))
            to.values.copy_(at.values.expand_as(to.values))
            to.cumulative_length.copy_(at.cumulative_length)
        return many

    @torch.inference_mode()
    def decode(self, pairs, steps, seconds):
        for sequences, context in (map(int, pair.split("x")) for pair in pairs.split(",")):
            cache = self.context(sequences, context, int(steps))
            tokens = random_ids(sequences, 1, self.vocabulary, 2)
            clock, done = Clock(self.threads), 0
            while done < int(steps) and (done < LEAST_STEPS or (time.process_time() - clock.cpu) / self.threads < float(seconds)):
                logits = self.model(tokens, past_key_values=cache).logits
                tokens = logits[:, -1].argmax(-1, keepdim=True)
                done += 1
            clock.stop()
            self.out.put("decode", f"sequences={sequences} context={context} steps={done}", sequences * done, "tokens/s", clock)
            del cache

    @torch.inference_mode()
    def prefill(self, tokens):
        ids = random_ids(1, int(tokens), self.vocabulary)
        self.model(ids[:, :16], logits_to_keep=1)
        clock = Clock(self.threads)
        self.model(ids, logits_to_keep=1)
        clock.stop()
        self.out.put("prefill", f"tokens={tokens}", int(tokens), "tokens/s", clock)

    @torch.inference_mode()
    def judge(self, prefix, pair, pairs, batch):
        import transformers
        prefix, pair, pairs, batch = int(prefix), int(pair), int(pairs), int(batch)
        common, own = random_ids(1, prefix, self.vocabulary), random_ids(pairs, pair, self.vocabulary, 2)
        cache = transformers.DynamicCache(config=self.model.config)
        self.model(common, past_key_values=cache, logits_to_keep=1)
        cache.batch_repeat_interleave(batch)
        clock = Clock(self.threads)
        for at in range(0, pairs, batch):
            if at + batch > pairs:  # the rest fills no batch
                cache.batch_select_indices(torch.arange(pairs - at))
            logits = self.model(own[at:at + batch], past_key_values=cache, logits_to_keep=1).logits
            logits[:, -1].log_softmax(-1)
            cache.crop(-pair)
        clock.stop()
        self.out.put("judge", f"prefix={prefix} pair={pair} pairs={pairs}", pairs, "prompts/s", clock)

    def train(self, tokens, checkpointing, steps):
        from peft import LoraConfig, get_peft_model
        length = int(tokens)
        adapters = LoraConfig(r=32, lora_alpha=16, lora_dropout=0.05, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
        model = get_peft_model(self.model, adapters)
        model.config.use_cache = False
        if int(checkpointing):
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.enable_input_require_grads()
        model.train()
        weights = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(weights, lr=1e-5)

        def step(ids):
            labels = ids.clone()
            labels[:, :ids.shape[1] // 4] = -100  # the first quarter is the prompt
            model(input_ids=ids, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        step(random_ids(1, 32, self.vocabulary))
        rows = random_ids(int(steps), length, self.vocabulary, 2)
        clock = Clock(self.threads)
        for i in range(int(steps)):
            step(rows[i:i + 1])
        clock.stop()
        self.out.put("train", f"length={length} steps={steps}", length * int(steps), "tokens/s", clock)

    @torch.inference_mode()
    def kernels(self, out, width, rows):
        """x W^T with W read from memory: as many copies of W as fill 512 MiB are taken in turn."""
        out, width = int(out), int(width)
        copies = [torch.randn(out, width).to(self.dtype) for _ in range((512 << 20) // (out * width * self.dtype.itemsize))]
        multiply = torch.nn.functional.linear
        if self.numpy:  # its products are OpenBLAS's
            copies, multiply = [w.numpy().T for w in copies], lambda x, w: x @ w
        for m in numbers(rows):
            x, rates = torch.randn(m, width).to(self.dtype), []
            x = x.numpy() if self.numpy else x
            for _ in range(5):
                clock, done = Clock(self.threads), 0
                while done < 3 or time.perf_counter() - clock.wall < 0.2:
                    multiply(x, copies[done % len(copies)])
                    done += 1
                clock.stop()
                rates.append((done / clock.cpu, done, clock))
            _, done, clock = max(rates, key=lambda r: r[0])
            self.out.put("kernels", f"rows={m}", 2e-9 * m * out * width * done, "GFLOP/s", clock)


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("model")
    p.add_argument("--dtype", choices=("f32", "bf16", "numpy"), required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("what", choices=("decode", "prefill", "judge", "train", "kernels"))
    p.add_argument("rest", nargs="*")
    options = p.parse_args()
    getattr(Peer(options), options.what)(*options.rest)


if __name__ == "__main__":
    sys.exit(main())
