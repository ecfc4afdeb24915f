"""Promise 12: memory grows with the batch, not with the corpus."""

import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nmt.bundle import write_tokenizers
from nmt.text import read_blocks
from nmt.tokenizer import EOS
from nmt.translator import Translator
from tests.fixtures_text import KINDS, make_bundle, piecewise, tokenizer_pair

# What a training does before and between its steps. The memory of the process itself is measured: pages of the
# memory-mapped corpus are not counted, which the system takes back as it needs them.
PROGRAM = """
import itertools, json, sys, threading, time
from pathlib import Path
from nmt.bundle import read_tokenizers
from nmt.data.batch import BatchPlan
from nmt.data.corpus import load_split, text_hash
from nmt.data.encoded import encode_corpus
from nmt.data.loader import BatchLoader
from nmt.recipe.data import DataOptions
from nmt.recipe.recipe import Recipe

peak, done = 0, False

def watch():
    global peak
    while not done:
        with open("/proc/self/status") as file:
            peak = max(peak, *(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon")))
        time.sleep(0.002)

folder = Path(sys.argv[1])
recipe = Recipe(data=DataOptions(path=[str(folder / "a.de"), str(folder / "a.en")]))
tokenizers = read_tokenizers(folder, recipe)
watcher = threading.Thread(target=watch)
watcher.start()
dataset = load_split(recipe.data, "train")
text_hash(dataset)
corpus = encode_corpus(dataset, tokenizers, workers=1).usable(100)
plan = BatchPlan(corpus.src_lengths, corpus.tgt_lengths, 256, "sentences")
sentences = sum(map(len, itertools.islice(BatchLoader(corpus, plan, 0, tokenizers), 200)))
done = True
watcher.join()
print(json.dumps({"pairs": len(corpus), "sentences": sentences, "peak": peak}))
"""

WORDS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
FEW, MANY = 40 * 256, 400 * 256


def lines(size: int, word: str) -> Iterator[str]:
    """Lines of 20 to 100 characters, all different."""
    for number in range(size):
        some = (WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(3 + number % 14))
        yield f"{word} {number} {' '.join(some)}\n"


def peak_of(size: int, folder: Path) -> int:
    """Most bytes in use while a corpus of so many pairs is made into batches."""
    folder.mkdir()
    write_tokenizers(tokenizer_pair("bpe"), folder)
    for side in ("de", "en"):
        with (folder / f"a.{side}").open("w", encoding="utf-8") as file:
            file.writelines(lines(size, side))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env={**os.environ, "HF_HOME": str(folder / "cache"), "HF_DATASETS_CACHE": str(folder / "cache" / "datasets")},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["pairs"] == size
    assert found["sentences"] == min(size, 200 * 256)
    return int(found["peak"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of a process' memory")
def test_the_corpus_stays_on_disk(tmp_path: Path) -> None:
    growth = peak_of(MANY, tmp_path / "many") - peak_of(FEW, tmp_path / "few")
    # Lengths and order take about 30 bytes for each pair; its text as Python's would take some 300, its ids 1,000.
    assert growth < 100 * (MANY - FEW)


@pytest.mark.bare
@pytest.mark.parametrize("kind", KINDS)
def test_translating_holds_one_block(kind: str) -> None:
    bundle = KINDS[kind](make_bundle())
    with torch.no_grad():
        bundle.model.output.words.bias[EOS] = 1e4  # every translation ends at once
    options = bundle.recipe.search.model_copy(update={"beam_size": 1, "batch_size": 64})
    translate = Translator(bundle.model, bundle.tokenizers, options)

    def peak(size: int) -> int:
        """Most bytes that Python held while so many lines were translated."""
        text = lines(size, "de")
        stream = piecewise(iter(lambda: "".join(itertools.islice(text, 125)).encode(), b""))
        tracemalloc.start()
        count = sum(1 for _ in translate.stream(read_blocks(stream, 128)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == size
        return most

    peak(150)
    assert peak(1500) < 1.2 * peak(500)
