"""Models of transformers with random weights, filled without transformers' slow initialisation."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM


def random_model(config, dtype, attention):
    config = dict(config)
    made = AutoConfig.for_model(config.pop("model_type"), **config)
    made.use_cache = False
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(made, dtype=dtype, attn_implementation=attention)
    buffers = {name for name, _ in model.named_buffers()}
    model = model.to_empty(device="cpu")
    if buffers:  # angles of rotary positions and the like have values of their own
        restore_buffers(model, made)
    model.tie_weights()
    torch.manual_seed(1)
    table = (torch.randn(65535) * 0.02).to(dtype)  # repeated: a thousand million draws would take longer than the steps
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                fill(parameter.view(-1), table)
            else:
                parameter.fill_(1 if name.endswith("weight") else 0)
    return model


def fill(flat, table):
    whole = len(flat) // len(table) * len(table)
    flat[:whole].view(-1, len(table)).copy_(table)
    flat[whole:].copy_(table[: len(flat) - whole])


def restore_buffers(model, config):
    for module in model.modules():
        if type(module).__name__.endswith("RotaryEmbedding"):
            fresh = type(module)(config=config)
            for name, value in fresh.named_buffers():
                setattr(module, name, value)
