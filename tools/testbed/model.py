"""One decoder for both architectures, with the tensor names of Hugging Face checkpoints, and a batched sampler.

Qwen3 and Llama differ here in one point only: Qwen3 normalises queries and keys per head (`qk_norm`).
"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import nn

STUDENT = dict(architecture="Qwen3ForCausalLM", model_type="qwen3", layers=4, hidden=96, heads=4, kv_heads=2,
               head_dim=32, mlp=256, qk_norm=True)
GUARD = dict(architecture="LlamaForCausalLM", model_type="llama", layers=3, hidden=96, heads=3, kv_heads=3,
             head_dim=32, mlp=256, qk_norm=False)
VOCABULARY, EPS, THETA, MAX_POSITIONS, INIT_STD = 1280, 1e-6, 1e4, 1024, 0.05


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, EPS)


def linear(n_in, n_out):
    m = nn.Linear(n_in, n_out, bias=False)
    nn.init.normal_(m.weight, std=INIT_STD)
    return m


class Lora(nn.Module):
    """y = W x + alpha/r B A dropout(x), W frozen: PEFT's layout and initialisation."""

    def __init__(self, base, rank, alpha, dropout):
        super().__init__()
        self.base, self.scale, self.dropout = base, alpha / rank, dropout
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=5 ** 0.5)

    def forward(self, x):
        return self.base(x) + self.scale * (F.dropout(x, self.dropout, self.training) @ self.A.T @ self.B.T)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = c["heads"], c["kv_heads"], c["head_dim"]
        self.q_proj = linear(c["hidden"], self.heads * self.head_dim)
        self.k_proj = linear(c["hidden"], self.kv_heads * self.head_dim)
        self.v_proj = linear(c["hidden"], self.kv_heads * self.head_dim)
        self.o_proj = linear(self.heads * self.head_dim, c["hidden"])
        if c["qk_norm"]:
            self.q_norm, self.k_norm = Norm(self.head_dim), Norm(self.head_dim)

    def forward(self, x, rope, mask, cache):
        """x [batch, time, hidden]; `cache` is None or (K, V, filled) whose buffers take the new keys and values."""
        b, t, _ = x.shape
        q, k, v = (p(x).view(b, t, -1, self.head_dim).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        if hasattr(self, "q_norm"):
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = rotate(q, rope), rotate(k, rope)
        if cache is not None:
            keys, values, filled = cache
            keys[:, :, filled:filled + t], values[:, :, filled:filled + t] = k, v
            k, v = keys[:, :, :filled + t], values[:, :, :filled + t]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None,
                                           enable_gqa=self.heads != self.kv_heads)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


def rotate(x, rope):
    """Rotary position embedding, halves layout; rope = (cos, sin) [batch, 1, time, head_dim / 2]."""
    cos, sin = rope
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj, self.up_proj = linear(c["hidden"], c["mlp"]), linear(c["hidden"], c["mlp"])
        self.down_proj = linear(c["mlp"], c["hidden"])

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = Norm(c["hidden"]), Norm(c["hidden"])
        self.self_attn, self.mlp = Attention(c), Mlp(c)

    def forward(self, x, rope, mask, cache):
        x = x + self.self_attn(self.input_layernorm(x), rope, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(VOCABULARY, config["hidden"])
        nn.init.normal_(self.embed_tokens.weight, std=INIT_STD)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["layers"]))
        self.norm = Norm(config["hidden"])
        inv = THETA ** (-torch.arange(0, config["head_dim"], 2, dtype=torch.float64) / config["head_dim"])
        angles = torch.arange(MAX_POSITIONS, dtype=torch.float64)[:, None] * inv
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, ids, positions=None, mask=None, caches=None):
        """Hidden states [batch, time, hidden] after the last norm; `logits` turns chosen ones into logits."""
        if positions is None:
            positions = torch.arange(ids.shape[1]).expand_as(ids)
        rope = self.cos[positions][:, None], self.sin[positions][:, None]
        x = self.embed_tokens(ids)
        for i, layer in enumerate(self.layers):
            x = layer(x, rope, mask, caches and caches[i])
        return self.norm(x)

    def logits(self, hidden):
        return hidden @ self.embed_tokens.weight.T

    def add_lora(self, rank=32, alpha=16, dropout=0.05):
        """Freeze the model and put adapters on q_proj and v_proj; returns their parameters."""
        self.requires_grad_(False)
        for layer in self.layers:
            for name in ("q_proj", "v_proj"):
                setattr(layer.self_attn, name, Lora(getattr(layer.self_attn, name), rank, alpha, dropout))
        return [p for p in self.parameters() if p.requires_grad]

    def rounded_state(self):
        return {f"model.{k}": v.detach().to(torch.bfloat16).contiguous() for k, v in self.state_dict().items()}


# ---------------------------------------------------------------- files

def write_atomic(path, data):
    """A reader sees the old file or the new one, never a part."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.replace(path + ".tmp", path)


def write_json(path, value):
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_weights(path, model):
    write_atomic(path, save(model.rounded_state(), metadata={"format": "pt"}))


def load(folder, config):
    model = Decoder(config)
    state = load_file(os.path.join(folder, "model.safetensors"))
    model.load_state_dict({k.removeprefix("model."): v.float() for k, v in state.items()})
    return model.eval()


def hf_config(config, bos, eos, pad):
    c = {
        "architectures": [config["architecture"]], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": bos, "eos_token_id": eos, "head_dim": config["head_dim"], "hidden_act": "silu",
        "hidden_size": config["hidden"], "initializer_range": INIT_STD, "intermediate_size": config["mlp"],
        "max_position_embeddings": MAX_POSITIONS, "model_type": config["model_type"],
        "num_attention_heads": config["heads"], "num_hidden_layers": config["layers"],
        "num_key_value_heads": config["kv_heads"], "pad_token_id": pad, "rms_norm_eps": EPS, "rope_scaling": None,
        "rope_theta": THETA, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True,
        "vocab_size": VOCABULARY,
    }
    if config["model_type"] == "qwen3":
        c |= {"max_window_layers": config["layers"], "sliding_window": None, "use_sliding_window": False}
    else:
        c |= {"mlp_bias": False, "pretraining_tp": 1}
    return c


# ---------------------------------------------------------------- sampling

def left_pad(rows, pad):
    """ids and mask [batch, longest], right-aligned so that all rows end at the same place."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad)
    real = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, r in enumerate(rows):
        ids[i, width - len(r):], real[i, width - len(r):] = torch.tensor(r), True
    return ids, real


def filter_logits(logits, temperature, top_k, top_p):
    """Temperature, then top-k (ties with the k-th stay), then top-p on the rest (the token that crosses p stays)."""
    logits = logits / temperature
    kth = logits.topk(top_k).values[:, -1:]
    p, order = logits.masked_fill(logits < kth, -torch.inf).softmax(-1).sort(descending=True)
    p[p.cumsum(-1) - p >= top_p] = 0
    return p, order


@torch.inference_mode()
def sample(model, prompts, eos, pad, seed, max_new=128, batch=128, temperature=0.6, top_k=20, top_p=0.95):
    """Lists of new ids, without the end token.  Prompts of similar length go together."""
    generator = torch.Generator().manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    out = [None] * len(prompts)
    c = model.config
    for start in range(0, len(order), batch):
        index = order[start:start + batch]
        ids, real = left_pad([prompts[i] for i in index], pad)
        b, width = ids.shape
        full = torch.cat((real, torch.ones(b, max_new, dtype=torch.bool)), dim=1)
        caches = [[torch.zeros(b, c["kv_heads"], width + max_new, c["head_dim"]),
                   torch.zeros(b, c["kv_heads"], width + max_new, c["head_dim"]), 0] for _ in model.layers]
        positions = (real.long().cumsum(1) - 1).clamp(min=0)
        # Padding sees itself, so that its softmax is defined; nobody sees padding.
        causal = torch.ones(width, width, dtype=torch.bool).tril()
        mask = (real[:, None, None, :] & causal) | torch.eye(width, dtype=torch.bool)
        hidden = model(ids, positions, mask, caches)
        lengths, done, new = positions[:, -1] + 1, torch.zeros(b, dtype=torch.bool), []
        for t in range(max_new):
            p, tokens = filter_logits(model.logits(hidden[:, -1]), temperature, top_k, top_p)
            token = tokens.gather(1, torch.multinomial(p, 1, generator=generator))
            done |= torch.isin(token[:, 0], torch.tensor(eos))
            new.append(token)
            if done.all():
                break
            for cache in caches:
                cache[2] = width + t
            hidden = model(token, (lengths + t)[:, None], full[:, None, None, :width + t + 1], caches)
        for i, row in zip(index, torch.cat(new, dim=1).tolist()):
            ends = [j for j, x in enumerate(row) if x in eos]
            out[i] = row[:ends[0]] if ends else row
    return out
