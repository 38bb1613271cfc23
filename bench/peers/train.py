"""Whole optimizer steps of PyTorch (with transformers, and PEFT for LoRA): the measure of bench/training.ts."""

import contextlib
import statistics
import time

import torch
import transformers

from models import random_model
from process import peak_bytes, report, settings
from random_tokens import random_tokens


def main():
    given = settings()
    torch.set_num_threads(given["threads"])
    if given["method"]["kind"] == "lora":
        import peft  # noqa: F401  (its memory counts as the start, not as the model)
    about = {"torch": torch.__version__, "transformers": transformers.__version__, "attention": given["attention"]}
    figures, start = {}, peak_bytes()
    for size in given["sizes"]:
        end = f"@{size['x']}" if "x" in size else ""
        for name, value in measure(given, size, about).items():
            figures[name + end] = value
    report({**figures, "ownBytes": peak_bytes() - start}, about)


def measure(given, size, about):
    precision, batch, length = given["precision"], size["batch"], size["length"]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = random_model(size["config"], dtype, given["attention"])
    if given.get("checkpointing"):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if given["method"]["kind"] == "lora":
        model = with_lora(model, given["method"], precision, about)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01, fused=True)
    ids = torch.tensor(random_tokens(size["config"]["vocab_size"], batch * length)).view(batch, length)
    cast = torch.autocast("cpu", dtype=torch.bfloat16) if precision == "autocast" else contextlib.nullcontext()
    losses, steps, updates, cpu = [], [], [], []
    for _ in range(given["warmup"] + given["steps"]):
        started, cpu_started = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        with cast:
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        middle = time.perf_counter()
        optimizer.step()
        ended = time.perf_counter()
        losses.append(loss.item())
        steps.append(ended - started)
        updates.append(ended - middle)
        cpu.append(time.process_time() - cpu_started)
    kept = slice(given["warmup"], None)
    clip_started = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    clip = time.perf_counter() - clip_started
    step, update = statistics.median(steps[kept]), statistics.median(updates[kept])
    return {
        "stepSeconds": step,
        "updateSeconds": update,
        "updateShare": update / step,
        "cpuSeconds": statistics.median(cpu[kept]),
        "tokensPerSecond": batch * length / step,
        "clipSeconds": clip,
        "lossNats": losses[0],
        "lastLossNats": losses[-1],
    }


def with_lora(model, method, precision, about):
    import peft

    about["peft"] = peft.__version__
    gpt2 = model.config.model_type == "gpt2"
    config = peft.LoraConfig(
        r=method["rank"],
        lora_alpha=method["alpha"],
        target_modules="all-linear",
        fan_in_fan_out=gpt2,
        task_type="CAUSAL_LM",
    )
    # pure bf16 means bf16 adapters too: PEFT would otherwise keep them in float32 and cast back and forth
    return peft.get_peft_model(model, config, autocast_adapter_dtype=precision != "bf16")


main()
