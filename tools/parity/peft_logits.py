"""Logits that PEFT computes with adapters of ours.

usage: peft_logits.py JOBS      JOBS is JSON: a list of {base, adapter, ids, out}; needs torch, transformers, peft
"""

import json
import sys

import peft
import torch
import transformers
from safetensors.torch import save_file

torch.set_num_threads(1)
for job in json.load(open(sys.argv[1])):
    model = transformers.AutoModelForCausalLM.from_pretrained(job["base"], attn_implementation="eager")
    model = peft.PeftModel.from_pretrained(model, job["adapter"]).double().eval()
    ids = torch.tensor([job["ids"]])
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -len(job["ids"]) :]
    save_file({"logits": logits.float().contiguous()}, job["out"])
