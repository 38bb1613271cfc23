"""Which of transformers' attentions is the faster one here, for each precision: a few layers, forward and backward."""

import contextlib
import time

import torch

from models import random_model
from process import report, settings
from random_tokens import random_tokens


def main():
    given = settings()
    torch.set_num_threads(given["threads"])
    figures = {}
    for precision in ["fp32", "autocast", "bf16"]:
        for attention in ["eager", "sdpa"]:
            figures[f"{precision} {attention}"] = measure(given, precision, attention)
    report(figures, {})


def measure(given, precision, attention):
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = random_model(given["config"], dtype, attention).train()
    ids = torch.tensor(random_tokens(given["config"]["vocab_size"], given["length"])).view(1, -1)
    cast = torch.autocast("cpu", dtype=torch.bfloat16) if precision == "autocast" else contextlib.nullcontext()
    best = float("inf")
    for i in range(4):
        started = time.perf_counter()
        with cast:
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        if i > 0:
            best = min(best, time.perf_counter() - started)
    return best


main()
