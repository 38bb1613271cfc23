"""A square matrix product of PyTorch: the measure of bench/matrix.ts."""

import statistics
import time

import torch

from process import report, settings


def main():
    given = settings()
    torch.set_num_threads(given["threads"])
    dtype = torch.bfloat16 if given["precision"] == "bf16" else torch.float32
    size = given["size"]
    a, b = torch.full((size, size), 0.5, dtype=dtype), torch.full((size, size), 0.25, dtype=dtype)
    out, seconds, cpu = torch.empty(size, size, dtype=dtype), [], []
    for i in range(given["repeats"] + 2):
        started, cpu_started = time.perf_counter(), time.process_time()
        torch.matmul(a, b, out=out)
        if i >= 2:
            seconds.append(time.perf_counter() - started)
            cpu.append(time.process_time() - cpu_started)
    flops = 2 * size**3 / statistics.median(seconds)
    report({"flopsPerSecond": flops, "cpuSeconds": statistics.median(cpu)}, {"torch": torch.__version__})


main()
