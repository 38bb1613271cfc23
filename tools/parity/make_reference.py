"""Tiny random checkpoints in Hugging Face layout, with the numbers PyTorch gives for them in float64.

A case is a folder: config.json, model.safetensors (adapters: adapter/ in PEFT's format and case.json naming the base),
inputs.json, expected.safetensors (logits [B, T, V] and grad.<parameter> of the mean next-token loss) and expected.json
(loss; ten AdamW losses: lr 1e-2, weight decay 0.1 on matrices, clipping 1; a greedy continuation of six tokens).

usage: make_reference.py OUT [--seed N] [--only NAME,NAME]      needs torch, transformers, peft; see test/parity/README.md
"""

import argparse
import json
import os

import peft
import torch
import transformers
from safetensors.torch import save_file

VOCABULARY, LENGTH, PROMPT, CONTINUATION = 113, 24, 6, 16
TOKENS = dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2)
LLAMA = dict(**TOKENS, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64)
SMALL = dict(**TOKENS, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64)
GPT2 = dict(**TOKENS, n_embd=32, n_layer=2, n_head=4, n_positions=64)
FALCON = dict(**TOKENS, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, ffn_hidden_size=40)
NO_PADDING = dict(pad_token_id=None)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, beta_slow=0.1, original_max_position_embeddings=16)
LONGROPE = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.3], long_factor=[1.5, 3.0, 6.0])
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)

# A window must reach over the six places of padding (see draw_batch): PyTorch has NaN where nothing is visible.
BASES = {
    "gpt2": lambda: transformers.GPT2Config(**GPT2),
    "gpt2-untied": lambda: transformers.GPT2Config(**{**GPT2, "n_embd": 24}, n_inner=40, activation_function="gelu", tie_word_embeddings=False),
    "llama": lambda: transformers.LlamaConfig(**LLAMA, num_key_value_heads=4, tie_word_embeddings=False),
    "llama-gqa-tied": lambda: transformers.LlamaConfig(
        **LLAMA, num_key_value_heads=2, head_dim=16, tie_word_embeddings=True, rope_theta=500000.0, attention_bias=True, mlp_bias=True
    ),
    "llama-rope3": lambda: transformers.LlamaConfig(**SMALL, num_key_value_heads=1, hidden_act="gelu", rope_parameters=LLAMA3),
    "llama-rope-linear": lambda: transformers.LlamaConfig(**SMALL, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0)),
    "mistral": lambda: transformers.MistralConfig(**SMALL, num_key_value_heads=2, head_dim=8, sliding_window=None),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen3": lambda: transformers.Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=12),
    "mistral-window": lambda: transformers.MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=8),
    "qwen2-window": lambda: transformers.Qwen2Config(
        **SMALL, num_key_value_heads=1, use_sliding_window=True, sliding_window=7, max_window_layers=1
    ),
    "mixtral": lambda: transformers.MixtralConfig(**{**SMALL, "intermediate_size": 16}, num_key_value_heads=2, num_local_experts=4),
    "gemma": lambda: transformers.GemmaConfig(**SMALL, **NO_PADDING, num_key_value_heads=2, head_dim=12),
    "gemma2": lambda: transformers.Gemma2Config(
        **SMALL, **NO_PADDING, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=12, sliding_window=8,
        attn_logit_softcapping=1.5, final_logit_softcapping=2.5
    ),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **SMALL, **NO_PADDING, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=12, sliding_window=8,
        layer_types=["sliding_attention", "full_attention"]
    ),
    "falcon-7b": lambda: transformers.FalconConfig(**FALCON),
    "falcon-40b": lambda: transformers.FalconConfig(**FALCON, new_decoder_architecture=True, num_kv_heads=2, bias=True),
    "falcon-rw": lambda: transformers.FalconConfig(**FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True),
    "bloom": lambda: transformers.BloomConfig(**TOKENS, hidden_size=24, n_layer=2, n_head=6),
    "pythia": lambda: transformers.GPTNeoXConfig(**SMALL),
    "gpt-neox-serial": lambda: transformers.GPTNeoXConfig(
        **SMALL, use_parallel_residual=False, attention_bias=False, rope_parameters=dict(rope_theta=500.0, partial_rotary_factor=1.0)
    ),
    "gpt-neo": lambda: transformers.GPTNeoConfig(
        **TOKENS, hidden_size=24, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=5, max_position_embeddings=64
    ),
    "gpt-j": lambda: transformers.GPTJConfig(**TOKENS, n_embd=24, n_layer=2, n_head=3, n_positions=64, rotary_dim=4),
    "stablelm": lambda: transformers.StableLmConfig(**SMALL, num_key_value_heads=4, use_qkv_bias=True, rope_parameters=dict(rope_theta=10000.0, partial_rotary_factor=0.67)),
    "stablelm2": lambda: transformers.StableLmConfig(
        **{**SMALL, "hidden_size": 32, "intermediate_size": 28}, num_key_value_heads=2, qk_layernorm=True, use_parallel_residual=True
    ),
    "glm": lambda: transformers.GlmConfig(**SMALL, **NO_PADDING, num_key_value_heads=2, head_dim=8),
    "glm4": lambda: transformers.Glm4Config(**SMALL, **NO_PADDING, num_key_value_heads=1, head_dim=12, attention_bias=False),
    "phi3": lambda: transformers.Phi3Config(
        **SMALL, **NO_PADDING, num_key_value_heads=2, sliding_window=8, rope_parameters=dict(rope_theta=10000.0, partial_rotary_factor=0.67)
    ),
    "llama-yarn": lambda: transformers.LlamaConfig(**SMALL, num_key_value_heads=2, rope_parameters=YARN),
    "phi3-longrope": lambda: transformers.Phi3Config(
        **SMALL, **NO_PADDING, num_key_value_heads=2, original_max_position_embeddings=22, rope_parameters=LONGROPE
    ),
    "gpt2-layer-scale": lambda: transformers.GPT2Config(**{**GPT2, "n_embd": 24}, scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False),
}


def lora(**settings):
    return lambda: peft.LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", **settings})


ADAPTERS = {
    "lora-llama": ("llama", lora(lora_alpha=16, target_modules="all-linear")),
    "lora-gpt2": ("gpt2", lora(target_modules=["c_attn"], fan_in_fan_out=True)),
    "lora-gpt2-all": ("gpt2", lora(target_modules="all-linear", fan_in_fan_out=True, use_rslora=True)),
    "lora-rows-tied": ("llama-gqa-tied", lora(target_modules=["q_proj", "v_proj"], trainable_token_indices=[112, 5, 40])),
    "lora-rows-untied": ("llama", lora(target_modules=["o_proj"], trainable_token_indices={"embed_tokens": [3, 112], "lm_head": [3, 112]})),
    "lora-head": ("llama", lora(target_modules=["up_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "lora-embedding": ("llama-gqa-tied", lora(target_modules=["v_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out")
    arguments.add_argument("--seed", type=int, default=20261122)
    arguments.add_argument("--only", default="")
    options = arguments.parse_args()
    wanted = set(filter(None, options.only.split(","))) or {*BASES, *ADAPTERS}
    for index, (name, config) in enumerate(BASES.items()):
        if name in wanted:
            write_base(os.path.join(options.out, name), config(), options.seed + index)
    for index, (name, (base, config)) in enumerate(ADAPTERS.items()):
        if name in wanted:
            write_adapter(options.out, name, base, config(), options.seed + 500 + index)


def write_base(folder, config, seed):
    generator = torch.Generator().manual_seed(seed)
    for key in ("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout", "hidden_dropout", "resid_dropout", "embed_dropout"):
        if hasattr(config, key):
            setattr(config, key, 0.0)
    config._experts_implementation = "eager"  # the fast ones know no float64
    # eager attention adds Falcon's ALiBi twice, sdpa once, as the published models were trained
    attention = "sdpa" if getattr(config, "alibi", False) else "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.1 * values if is_norm else values * (0.2 if parameter.ndim > 1 else 0.05))
    model.tie_weights()
    model.save_pretrained(folder)
    write_expected(model, folder, generator)


def write_adapter(out, name, base, config, seed):
    generator = torch.Generator().manual_seed(seed)
    folder = os.path.join(out, name)
    model = transformers.AutoModelForCausalLM.from_pretrained(os.path.join(out, base), attn_implementation="eager")
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(os.path.join(folder, "adapter"))
    os.remove(os.path.join(folder, "adapter", "README.md"))
    write_json(os.path.join(folder, "case.json"), {"base": base})
    write_expected(model, folder, generator)


def write_expected(model, folder, generator):
    ids, labels, mask = draw_batch(generator)
    model = model.double().eval()
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    logits = model(input_ids=ids, attention_mask=mask).logits
    loss = next_token_loss(logits, labels)
    model.zero_grad()
    loss.backward()
    tensors = {"logits": logits}
    for name, parameter in trained:
        tensors["grad." + name] = parameter.grad
    tensors = {name: tensor.detach().float().clone().contiguous() for name, tensor in tensors.items()}
    greedy = continue_greedily(model, ids[:1, :PROMPT])
    losses = train_ten_steps(model, [parameter for _, parameter in trained], ids, labels, mask)
    save_file(tensors, os.path.join(folder, "expected.safetensors"))
    write_json(os.path.join(folder, "expected.json"), dict(loss=loss.item(), losses=losses, greedy=greedy))
    inputs = dict(input_ids=ids.tolist(), labels=labels.tolist(), attention_mask=mask.tolist())
    write_json(os.path.join(folder, "inputs.json"), inputs)


def draw_batch(generator):
    """Two rows; the first has a prompt that is not learned, the second also ends in padding."""
    ids = torch.randint(3, VOCABULARY, (2, LENGTH), generator=generator)
    ids[0, 10] = 5
    ids[1, 6] = 112
    labels = ids.clone()
    labels[0, :7] = -100
    labels[1, :3] = -100
    labels[1, 18:] = -100
    mask = torch.ones_like(ids)
    mask[1, 18:] = 0
    ids[1, 18:] = 0
    return ids, labels, mask


def next_token_loss(logits, labels):
    rows = logits[:, :-1].reshape(-1, logits.shape[-1])
    return torch.nn.functional.cross_entropy(rows, labels[:, 1:].reshape(-1), ignore_index=-100)


def continue_greedily(model, ids):
    with torch.no_grad():
        for _ in range(CONTINUATION):
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            ids = torch.cat([ids, logits[:, -1:].argmax(-1)], 1)
    return ids[0].tolist()


def train_ten_steps(model, parameters, ids, labels, mask):
    groups = [
        dict(params=[p for p in parameters if p.ndim >= 2], weight_decay=0.1),
        dict(params=[p for p in parameters if p.ndim < 2], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for _ in range(10):
        loss = next_token_loss(model(input_ids=ids, attention_mask=mask).logits, labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return losses


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
