"""A BPE vocabulary learnt and text encoded by sentencepiece or by Hugging Face tokenizers: the measure of bench/text.ts."""

import os
import statistics
import tempfile
import time

from process import report, settings


def with_sentencepiece(file, vocabulary, threads):
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "model")
        started = time.perf_counter()
        sentencepiece.SentencePieceTrainer.train(
            input=file, model_prefix=prefix, vocab_size=vocabulary, model_type="bpe", byte_fallback=True,
            character_coverage=0.9999, normalization_rule_name="identity", num_threads=threads, minloglevel=2,
            max_sentence_length=100000,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        processor = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
    return seconds, lambda lines: [processor.encode(line) for line in lines], sentencepiece.__version__


def with_tokenizers(file, vocabulary, threads):
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    import tokenizers

    tokenizer = tokenizers.SentencePieceBPETokenizer()
    started = time.perf_counter()
    tokenizer.train([file], vocab_size=vocabulary, show_progress=False)
    seconds = time.perf_counter() - started
    return seconds, lambda lines: [tokenizer.encode(line) for line in lines], tokenizers.__version__


def main():
    given = settings()
    library = {"sentencepiece": with_sentencepiece, "tokenizers": with_tokenizers}[given["library"]]
    with open(given["file"], encoding="utf-8") as text:
        lines = text.read().split("\n")
    characters = sum(len(line) for line in lines)
    seconds, encode, version = library(given["file"], given["vocabulary"], given["threads"])
    runs = []
    for i in range(4):
        started = time.perf_counter()
        encode(lines)
        if i > 0:
            runs.append(time.perf_counter() - started)
    figures = {
        "trainSeconds": seconds,
        "trainCharacters": characters / seconds,
        "encodeCharacters": characters / statistics.median(runs),
    }
    report(figures, {given["library"]: version})


main()
