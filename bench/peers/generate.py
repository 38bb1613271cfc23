"""A prompt read and tokens made one by one by transformers, greedy: the measure of bench/generation.ts."""

import statistics
import time

import torch
import transformers

from models import random_model
from process import report, settings
from random_tokens import random_tokens


def main():
    given = settings()
    torch.set_num_threads(given["threads"])
    dtype = torch.bfloat16 if given["precision"] == "bf16" else torch.float32
    prompt = torch.tensor([random_tokens(given["config"]["vocab_size"], given["prompt"])])
    runs = {name: [] for name in ["eager", "sdpa"]}
    with torch.inference_mode():
        models = {name: random_model(given["config"], dtype, name).eval() for name in runs}
        for model in models.values():
            run(model, prompt, given["made"])
        trial = {name: run(model, prompt, given["made"])[1] for name, model in models.items()}
        best = min(trial, key=trial.get)
        for name in set(models) - {best}:
            del models[name]
        parts = [run(models[best], prompt, given["made"]) for _ in range(given["repeats"])]
    token = statistics.median(part[1] for part in parts) / given["made"]
    figures = {
        "promptPerSecond": given["prompt"] / statistics.median(part[0] for part in parts),
        "tokensPerSecond": 1 / token,
        "tokenSeconds": token,
        "cpuSeconds": statistics.median(part[2] for part in parts) / given["made"],
    }
    report(figures, {"torch": torch.__version__, "transformers": transformers.__version__, "attention": best})


def run(model, prompt, made):
    started = time.perf_counter()
    out = model(input_ids=prompt, use_cache=True, logits_to_keep=1)
    read = time.perf_counter()
    cpu = time.process_time()
    for _ in range(made):
        token = out.logits[:, -1].argmax(-1, keepdim=True)
        out = model(input_ids=token, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
    return read - started, time.perf_counter() - read, time.process_time() - cpu


main()
