"""Adapters of PEFT on the bases of make_reference.py, with the numbers PyTorch gives for them in float64.

A case has the layout of make_reference.py's adapters. A p-tuning case also has adapter/prompt_encoder.safetensors, the
network that PEFT does not save; a dropout case has dropout.json with the rate and the seed of its masks, which this file
draws as src/base/random.ts does.

usage: make_adapter_reference.py OUT [--seed N] [--only NAME,NAME]      OUT must hold the bases; needs torch, transformers, peft
"""

import argparse
import os

import numpy
import peft
import torch
import transformers
from safetensors.torch import save_file

from make_reference import continue_greedily, draw_batch, lora, next_token_loss, train_ten_steps, write_expected, write_json


def prompt(**settings):
    return lambda: peft.PromptTuningConfig(num_virtual_tokens=5, task_type="CAUSAL_LM", **settings)


def prefix(**settings):
    return lambda: peft.PrefixTuningConfig(num_virtual_tokens=5, task_type="CAUSAL_LM", **settings)


def p_tuning(**settings):
    return lambda: peft.PromptEncoderConfig(num_virtual_tokens=4, encoder_hidden_size=20, task_type="CAUSAL_LM", **settings)


def ia3(targets, feedforward, **settings):
    return lambda: peft.IA3Config(target_modules=targets, feedforward_modules=feedforward, task_type="CAUSAL_LM", **settings)


def adaption(layers, **settings):
    return lambda: peft.AdaptionPromptConfig(adapter_len=3, adapter_layers=layers, task_type="CAUSAL_LM", **settings)


ADAPTERS = {
    "dora-llama": ("llama", lora(use_dora=True, target_modules=["q_proj", "v_proj", "down_proj"])),
    "dora-gpt2": ("gpt2", lora(use_dora=True, use_rslora=True, target_modules="all-linear", fan_in_fan_out=True)),
    "dora-biases": ("llama-gqa-tied", lora(use_dora=True, target_modules="all-linear")),
    "lora-patterns": (
        "llama",
        lora(
            target_modules=["q_proj", "v_proj", "up_proj", "model.layers.1.mlp.down_proj"],
            rank_pattern={"v_proj": 2, r"layers\.0\.mlp\.up_proj": 6},
            alpha_pattern={"q_proj": 3},
            layers_to_transform=[0],
        ),
    ),
    "lora-dropout": ("llama", lora(target_modules=["q_proj", "down_proj"], lora_dropout=0.25)),
    "dora-dropout": ("llama-gqa-tied", lora(use_dora=True, target_modules=["v_proj", "up_proj"], lora_dropout=0.25)),
    "ia3-llama": ("llama", ia3(["k_proj", "v_proj", "down_proj"], ["down_proj"])),
    "ia3-biases": ("llama-gqa-tied", ia3(["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"], ["o_proj", "down_proj"], modules_to_save=["norm"])),
    "ia3-gpt2": ("gpt2", ia3(["c_attn", "mlp.c_proj"], ["mlp.c_proj"], fan_in_fan_out=True)),
    "prompt-llama": ("llama", prompt()),
    "prompt-gpt2": ("gpt2", prompt()),
    "prompt-tied": ("llama-gqa-tied", prompt()),
    "prefix-llama": ("llama", prefix()),
    "prefix-gpt2": ("gpt2", prefix()),
    "prefix-rope3": ("llama-rope3", prefix()),
    "prefix-projected": ("llama", prefix(prefix_projection=True, encoder_hidden_size=20)),
    "ptuning-llama": ("llama", p_tuning()),
    "ptuning-gpt2": ("gpt2", p_tuning()),
    "adaption-llama": ("llama", adaption(2)),
    "adaption-rope3": ("llama-rope3", adaption(1)),
    "adaption-gpt2": ("gpt2", adaption(1)),
    "lora-ends": ("llama", lora(target_modules=["q_proj", "embed_tokens", "lm_head"], use_rslora=True, rank_pattern={"lm_head": 2})),
    "dora-head": ("gpt2", lora(use_dora=True, target_modules=["c_attn", "lm_head"])),
    "lora-apart": ("llama-gqa-tied", lora(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "lora-biases": ("gpt2", lora(target_modules=["c_attn"], bias="all")),
}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out")
    arguments.add_argument("--seed", type=int, default=20261122)
    arguments.add_argument("--only", default="")
    options = arguments.parse_args()
    wanted = set(filter(None, options.only.split(","))) or set(ADAPTERS)
    for index, (name, (base, config)) in enumerate(ADAPTERS.items()):
        if name in wanted:
            write_adapter(options.out, name, base, config(), options.seed + 900 + index)


def write_adapter(out, name, base, config, seed):
    generator = torch.Generator().manual_seed(seed)
    folder = os.path.join(out, name)
    model = transformers.AutoModelForCausalLM.from_pretrained(os.path.join(out, base), attn_implementation="eager")
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.requires_grad:
                centre = 1 if "ia3_" in parameter_name or "norm" in parameter_name else 0
                if "magnitude" in parameter_name:
                    parameter.mul_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
                else:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1 + centre)
    model.peft_config["default"].base_model_name_or_path = base
    adapter = os.path.join(folder, "adapter")
    model.save_pretrained(adapter)
    os.remove(os.path.join(adapter, "README.md"))
    write_encoder(model, adapter)
    write_json(os.path.join(folder, "case.json"), {"base": base})
    leave_out_virtual_tokens(model)
    if getattr(config, "lora_dropout", 0) > 0:
        write_dropout_expected(model, folder, generator, seed % 1000)
    else:
        write_expected(model, folder, generator)


def leave_out_virtual_tokens(model):
    """Logits of the tokens alone."""
    forward = model.forward

    def trimmed(input_ids, attention_mask):
        output = forward(input_ids=input_ids, attention_mask=attention_mask)
        output.logits = output.logits[:, -input_ids.shape[1] :]
        return output

    model.forward = trimmed


def write_encoder(model, adapter):
    """The network behind the virtual tokens, by its names in PEFT: training goes on from it."""
    encoder = getattr(model, "prompt_encoder", {})
    tensors = encoder["default"].state_dict() if "default" in encoder else {}
    if len(tensors) > 1:
        save_file({"prompt_encoder." + name: tensor.contiguous() for name, tensor in tensors.items()}, os.path.join(adapter, "prompt_encoder.safetensors"))


def write_dropout_expected(model, folder, generator, seed):
    """As write_expected, but loss, gradients and the ten losses are those of training with our masks."""
    ids, labels, mask = draw_batch(generator)
    model = model.double().eval()
    state = {"update": 0, "keys": token_keys(ids, mask)}
    for name, module in model.named_modules():
        if hasattr(module, "lora_dropout") and "default" in module.lora_dropout:
            rate = module.lora_dropout["default"].p
            module.lora_dropout["default"] = OurDropout(name.removeprefix("base_model.model."), rate, seed, state)
    model.eval()
    tensors = {"logits": model(input_ids=ids, attention_mask=mask).logits}
    greedy = continue_greedily(model, ids[:1, :6])
    model.train()
    loss = next_token_loss(model(input_ids=ids, attention_mask=mask).logits, labels)
    model.zero_grad()
    loss.backward()
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    tensors.update({"grad." + name: parameter.grad for name, parameter in trained})
    tensors = {name: tensor.detach().float().clone().contiguous() for name, tensor in tensors.items()}

    def counted(input_ids, attention_mask):
        output = model(input_ids=input_ids, attention_mask=attention_mask)
        state["update"] += 1
        return output

    losses = train_ten_steps(counted, [parameter for _, parameter in trained], ids, labels, mask)
    save_file(tensors, os.path.join(folder, "expected.safetensors"))
    write_json(os.path.join(folder, "expected.json"), dict(loss=loss.item(), losses=losses, greedy=greedy))
    inputs = dict(input_ids=ids.tolist(), labels=labels.tolist(), attention_mask=mask.tolist())
    write_json(os.path.join(folder, "inputs.json"), inputs)
    write_json(os.path.join(folder, "dropout.json"), {"seed": seed})


class OurDropout(torch.nn.Module):
    """Masks as src/model/dropout.ts draws them."""

    def __init__(self, module, rate, seed, state):
        super().__init__()
        self.stream, self.rate, self.seed, self.state = stream_of("dropout:" + module), rate, seed, state

    def forward(self, x):
        if not self.training:
            return x
        place = mix(self.seed, self.stream, self.state["update"])
        columns = numpy.arange(0, x.shape[-1], 2, dtype=numpy.uint32)
        bits = mix(place, self.state["keys"][..., None], columns)
        pairs = numpy.stack([bits & numpy.uint32(0xFFFF), bits >> numpy.uint32(16)], -1)
        kept = pairs.reshape(*pairs.shape[:-2], -1)[..., : x.shape[-1]] >= round(self.rate * 65536)
        return x * torch.from_numpy(kept) / (1 - self.rate)


def u32(value):
    return numpy.asarray(value).astype(numpy.uint64) & numpy.uint64(0xFFFFFFFF)


def imul(a, b):
    return u32(u32(a) * u32(b))


def scramble(h):
    h = imul(h ^ (h >> numpy.uint64(16)), 0x85EBCA6B)
    h = imul(h ^ (h >> numpy.uint64(13)), 0xC2B2AE35)
    return h ^ (h >> numpy.uint64(16))


def mix(seed, stream, counter):
    """src/base/random.ts"""
    h = imul(seed, 0x9E3779B1) ^ imul(u32(stream) + numpy.uint64(0x7F4A7C15), 0x85EBCA6B)
    h = scramble(h ^ imul(u32(counter) + numpy.uint64(0x165667B1), 0xC2B2AE35))
    return scramble(u32(h + imul(u32(counter) ^ u32(stream), 0x27D4EB2F))).astype(numpy.uint32)


def stream_of(name):
    h = 0x811C9DC5
    for character in name:
        h = ((h ^ ord(character)) * 0x01000193) & 0xFFFFFFFF
    return h


def token_keys(ids, mask):
    """A number for each token: rows hold one example and then padding."""
    keys = numpy.zeros(ids.shape, numpy.uint32)
    for row in range(ids.shape[0]):
        for kind in (1, 0):
            places = [t for t in range(ids.shape[1]) if int(mask[row, t]) == kind]
            example = 0
            for t in places:
                example = (((example ^ int(ids[row, t])) * 0x01000193) + 0x9E3779B9) & 0xFFFFFFFF
            for t in places:
                keys[row, t] = mix(example, t, 0)
    return keys


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
