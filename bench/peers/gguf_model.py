"""A GPT-2 with random weights as a GGUF file for llama.cpp: gguf_model.py '{"config": ..., "weights": "Q8_0", "file": ...}'."""

import gguf
import numpy

from process import settings


def main():
    given = settings()
    config, kind = given["config"], gguf.GGMLQuantizationType[given["weights"]]
    width, layers, vocabulary = config["n_embd"], config["n_layer"], config["vocab_size"]
    writer = gguf.GGUFWriter(given["file"], "gpt2")
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(4 * width)
    writer.add_block_count(layers)
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType["ALL_F32" if given["weights"] == "F32" else f"MOSTLY_{given['weights']}"])
    add_vocabulary(writer, vocabulary)
    draw = numpy.random.default_rng(1)

    def matrix(name, rows, columns, kind=kind):
        values = draw.standard_normal((rows, columns), dtype=numpy.float32) * 0.02
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def vector(name, size, value):
        writer.add_tensor(name, numpy.full(size, value, dtype=numpy.float32))

    matrix("token_embd.weight", vocabulary, width)
    matrix("position_embd.weight", config["n_positions"], width, gguf.GGMLQuantizationType.F32)
    for layer in range(layers):
        at = f"blk.{layer}."
        for norm in ["attn_norm", "ffn_norm"]:
            vector(f"{at}{norm}.weight", width, 1)
            vector(f"{at}{norm}.bias", width, 0)
        products = [("attn_qkv", 3 * width, width), ("attn_output", width, width), ("ffn_up", 4 * width, width), ("ffn_down", width, 4 * width)]  # fmt: skip
        for name, rows, columns in products:
            matrix(f"{at}{name}.weight", rows, columns)
            vector(f"{at}{name}.bias", rows, 0)
    vector("output_norm.weight", width, 1)
    vector("output_norm.bias", width, 0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer, size):
    """Letters and made-up words; nothing is ever encoded with them."""
    tokens = [chr(ord("a") + i) if i < 26 else f"t{i}" for i in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)


main()
