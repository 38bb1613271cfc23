"""Bottleneck adapters of the `adapters` library on the bases of make_reference.py, in the layout of its adapters.

usage: make_bottleneck_reference.py OUT [--seed N]      OUT must hold the bases; needs adapters, torch, transformers, peft
"""

import argparse
import os

import adapters
import torch
import transformers

from make_reference import write_expected, write_json

CASES = {
    "pfeiffer-llama": ("llama", adapters.SeqBnConfig(reduction_factor=4)),
    "pfeiffer-gpt2": ("gpt2", adapters.SeqBnConfig(reduction_factor=4)),
    "houlsby-llama": ("llama", adapters.DoubleSeqBnConfig(reduction_factor=4)),
    "houlsby-gpt2": ("gpt2", adapters.DoubleSeqBnConfig(reduction_factor=8)),
}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out")
    arguments.add_argument("--seed", type=int, default=20261122)
    options = arguments.parse_args()
    for index, (name, (base, config)) in enumerate(CASES.items()):
        write_adapter(options.out, name, base, config, options.seed + 1300 + index)


def write_adapter(out, name, base, config, seed):
    generator = torch.Generator().manual_seed(seed)
    folder = os.path.join(out, name)
    model = transformers.AutoModelForCausalLM.from_pretrained(os.path.join(out, base), attn_implementation="eager")
    adapters.init(model)
    model.add_adapter("tiny", config=config)
    model.train_adapter("tiny")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    os.makedirs(os.path.join(folder, "adapter"), exist_ok=True)
    model.save_adapter(os.path.join(folder, "adapter"), "tiny", use_safetensors=True, with_head=False)
    write_json(os.path.join(folder, "case.json"), {"base": base})
    write_expected(model, folder, generator)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
