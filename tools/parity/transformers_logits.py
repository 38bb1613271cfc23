"""Logits that transformers computes with model folders of ours, and the same models saved again in shards by it.

usage: transformers_logits.py JOBS      JOBS is JSON: a list of {base, dtype, ids, out, again}; needs torch, transformers
"""

import json
import sys

import torch
import transformers
from safetensors.torch import save_file

torch.set_num_threads(1)
for job in json.load(open(sys.argv[1])):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        job["base"], attn_implementation="eager", dtype="auto", output_loading_info=True
    )
    wrong = {key: names for key, names in info.items() if names}
    assert not wrong, f"{job['base']}: {wrong}"
    assert model.dtype == getattr(torch, job["dtype"]), f"{job['base']}: {model.dtype}"
    model.save_pretrained(job["again"], max_shard_size="3KB")
    ids = torch.tensor([job["ids"]])
    with torch.no_grad():
        logits = model.double().eval()(input_ids=ids).logits[0]
    save_file({"logits": logits.float().contiguous()}, job["out"])
