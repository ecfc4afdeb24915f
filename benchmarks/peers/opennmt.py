"""OpenNMT-py 3.5.1 on the common work: how it is installed, what it is told, and what its log says."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.peers.environment import create, installed
from benchmarks.peers.toolkit import Search, Speed, Translated, Work, count_words, first_number
from benchmarks.process import Finished, run
from nmt.metrics import bleu
from nmt.recipe.evaluation import of_translations
from nmt.text import write_text

VERSION = "3.5.1"

# It declares an old torch, but runs with a new one; so it comes without its dependencies, and they by hand.
_DEPENDENCIES = (
    "configargparse",
    "ctranslate2>=4,<5",
    "fasttext-wheel",
    "flask",
    "pyahocorasick",
    "pyonmttok>=1.37,<2",
    "pyyaml",
    "rapidfuzz",
    "sacrebleu",
    "sentencepiece",
    "six",
    "spacy",
    "tensorboard",
    "waitress",
)

# Its checkpoints hold pickled objects, which torch has refused since 2.6 unless it is told to trust them.
_TRUST = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}

_NEVER = 1_000_000  # updates


@dataclass(frozen=True)
class OpenNMT:
    """OpenNMT-py in a virtual environment of its own."""

    work: Work
    venv: Path

    @property
    def name(self) -> str:
        """See `Toolkit`."""
        return "OpenNMT-py"

    def version(self) -> str:
        """See `Toolkit`."""
        return installed(self.venv, "OpenNMT-py", "torch")

    def set_up(self) -> None:
        """See `Toolkit`."""
        create(self.venv, ["--no-deps", f"OpenNMT-py=={VERSION}"], _DEPENDENCIES)

    def train(self, updates: int) -> None:
        """See `Toolkit`."""
        if not self._checkpoints():
            self._train(updates, {"save_model": str(self._models / "model"), "save_checkpoint_steps": updates})

    def speed(self, updates: int, block: int) -> Speed:
        """See `Toolkit`."""
        scratch = str(self.work.folder / "scratch" / "opennmt" / "model")
        finished = self._train(updates, {"save_model": scratch, "report_every": block})
        return Speed(training_rates(finished.errors + finished.output)[1:], finished.peak_mib, finished.largest_mib)

    def translate(self, search: Search) -> Translated:
        """See `Toolkit`."""
        source, target = (self.work.folder / "scratch" / f"opennmt.{side}" for side in ("source", "target"))
        write_text(source, "".join(line + "\n" for line in self.work.sources[: search.lines]))
        options: dict[str, Any] = {
            "model": str(self._checkpoints()[-1]),
            "src": str(source),
            "output": str(target),
            "transforms": ["sentencepiece"],
            **self._tokenizer(),
            "gpu": -1,
            "batch_type": "sents",
            "batch_size": search.batch_size,
            "beam_size": search.beam_size,
            "length_penalty": "wu",
            "alpha": self.work.recipe.search.length_penalty,
            "max_length": 80,
            "report_time": True,
        }
        finished = self._run("onmt_translate", options)
        lines = target.read_text(encoding="utf-8").split("\n")[: search.lines]
        score = bleu(lines, self.work.references[: search.lines], of_translations(self.work.recipe.evaluation))
        seconds = translation_seconds(finished.errors + finished.output)
        return Translated(seconds, score, count_words(lines), finished.peak_mib, finished.largest_mib)

    @property
    def _models(self) -> Path:
        return self.work.folder / "models" / "opennmt"

    def _checkpoints(self) -> list[Path]:
        return sorted(self._models.glob("model_step_*.pt"), key=lambda path: path.stat().st_mtime)

    def _train(self, updates: int, changes: dict[str, Any]) -> Finished:
        data, model, training = self.work.data, self.work.recipe.model, self.work.recipe.training
        source, target = self.work.recipe.data.source, self.work.recipe.data.target
        corpora = {
            name: {
                "path_src": str(data / f"{name}.{source}"),
                "path_tgt": str(data / f"{name}.{target}"),
                "transforms": ["sentencepiece", "filtertoolong"] if name == "train" else ["sentencepiece"],
            }
            for name in ("train", "valid")
        }
        options = {
            "data": corpora,
            "src_vocab": str(data / "vocab.txt"),
            "tgt_vocab": str(data / "vocab.txt"),
            "share_vocab": True,  # one list of pieces; the embeddings remain two
            "save_data": str(self.work.folder / "scratch" / "opennmt" / "sample"),
            "overwrite": True,
            **self._tokenizer(),
            "src_seq_length": self.work.recipe.data.max_length,
            "tgt_seq_length": self.work.recipe.data.max_length,
            "world_size": 1,
            "gpu_ranks": [],
            "num_workers": 2,
            "bucket_size": 29000,
            "batch_type": "sents",
            "batch_size": training.batch_size,
            "normalization": "tokens",
            "model_dtype": "fp32",
            "encoder_type": "brnn",
            "decoder_type": "rnn",
            "rnn_type": "LSTM",
            "layers": model.layers,
            "hidden_size": model.hidden_size,  # of the decoder; each direction of the encoder has half of it
            "word_vec_size": model.embedding_size,
            "global_attention": model.attention.type,
            "input_feed": int(self.work.feeds_input),
            "dropout": [model.dropout],
            "optim": training.optimizer.type,
            "learning_rate": training.learning_rate,
            "decay_method": "none",
            "max_grad_norm": self.work.recipe.trainer.gradient_clip_val,
            "seed": training.seed,
            "train_steps": updates,
            "valid_steps": _NEVER,
            "save_checkpoint_steps": _NEVER,
            "report_every": 50,
            **changes,
        }
        return self._run("onmt_train", options)

    def _tokenizer(self) -> dict[str, str]:
        model = str(self.work.data / "spm.model")
        return {"src_subword_model": model, "tgt_subword_model": model}

    def _run(self, program: str, options: dict[str, Any]) -> Finished:
        path = self.work.folder / "scratch" / f"{program}.yaml"
        write_text(path, yaml.safe_dump(options, sort_keys=False))
        return run([str(self.venv / "bin" / program), "-config", str(path)], folder=self.work.folder, variables=_TRUST)


def training_rates(log: str) -> list[float]:
    """Target tokens per second of every report; the line has source and target as `1700/1780 tok/s`."""
    return [float(rate) for rate in re.findall(r"\d+/ *(\d+) tok/s", log)]


def translation_seconds(log: str) -> float:
    """Time of a translation without loading."""
    return first_number(r"Total translation time \(s\): ([\d.]+)", log)
