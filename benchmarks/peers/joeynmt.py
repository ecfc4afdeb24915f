"""JoeyNMT 2.3.0 on the common work: how it is installed, what it is told, and what its log says."""

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

VERSION = "2.3.0"

# It imports the first without saying so, and calls what the second has lost since.
_DEPENDENCIES = ("importlib_metadata", "sentencepiece==0.2.0")

_NEVER = 1_000_000  # updates


@dataclass(frozen=True)
class JoeyNMT:
    """JoeyNMT in a virtual environment of its own."""

    work: Work
    venv: Path

    @property
    def name(self) -> str:
        """See `Toolkit`."""
        return "JoeyNMT"

    def version(self) -> str:
        """See `Toolkit`."""
        return installed(self.venv, "joeynmt", "torch")

    def set_up(self) -> None:
        """See `Toolkit`."""
        create(self.venv, [f"joeynmt=={VERSION}"], _DEPENDENCIES)

    def train(self, updates: int) -> None:
        """See `Toolkit`; it keeps a model only when it validates."""
        if not (self._model / "best.ckpt").exists():
            often = {"validation_freq": updates, "logging_freq": updates}  # the one has to be a multiple of the other
            self._train(self._model, {"updates": updates, **often})

    def speed(self, updates: int, block: int) -> Speed:
        """See `Toolkit`."""
        scratch = self.work.folder / "scratch" / "joeynmt"
        finished = self._train(scratch, {"updates": updates, "logging_freq": block})
        return Speed(training_rates(finished.errors + finished.output)[1:], finished.peak_mib, finished.largest_mib)

    def translate(self, search: Search) -> Translated:
        """See `Toolkit`."""
        options = self._options(self._model)
        options["testing"] |= {"beam_size": search.beam_size, "batch_size": search.batch_size}
        text = "".join(line + "\n" for line in self.work.sources[: search.lines])
        finished = self._run("translate", options, text)
        lines = finished.output.split("\n")[: search.lines]
        score = bleu(lines, self.work.references[: search.lines], of_translations(self.work.recipe.evaluation))
        return Translated(
            translation_seconds(finished.errors), score, count_words(lines), finished.peak_mib, finished.largest_mib
        )

    @property
    def _model(self) -> Path:
        return self.work.folder / "models" / "joeynmt"

    def _train(self, folder: Path, changes: dict[str, Any]) -> Finished:
        options = self._options(folder)
        options["training"] |= changes
        return self._run("train", options, "", "--skip-test")

    def _options(self, folder: Path) -> dict[str, Any]:
        recipe, data = self.work.recipe, self.work.data
        model, training = recipe.model, recipe.training
        side = {
            "max_length": recipe.data.max_length,
            "lowercase": False,
            "normalize": False,
            "level": "bpe",
            "voc_min_freq": 1,
            "voc_file": str(data / "vocab.txt"),
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {"model_file": str(data / "spm.model"), "pretokenizer": "none"},
        }
        recurrent = {
            "type": "recurrent",
            "rnn_type": "lstm",
            "embeddings": {"embedding_dim": model.embedding_size},
            "dropout": model.dropout,
        }
        return {
            "name": "work",
            "joeynmt_version": VERSION,
            "model_dir": str(folder),
            "use_cuda": False,
            "fp16": False,
            "random_seed": training.seed,
            "data": {
                "train": str(data / "train"),
                "dev": str(data / "valid"),
                "test": str(data / "test"),
                "dataset_type": "plain",
                "src": {"lang": recipe.data.source, **side},
                "trg": {"lang": recipe.data.target, **side},
            },
            "testing": {
                "n_best": 1,
                "beam_size": 1,
                "beam_alpha": recipe.search.length_penalty,
                "batch_size": training.batch_size,
                "batch_type": "sentence",
                "max_output_length": 80,
                "eval_metrics": ["bleu"],
                "sacrebleu_cfg": {"tokenize": of_translations(recipe.evaluation).bleu_tokenize},
            },
            "training": {
                "optimizer": training.optimizer.type,
                "learning_rate": training.learning_rate,
                "scheduling": "exponential",  # a constant rate: this one crashes when no schedule is named
                "decrease_factor": 1.0,
                "clip_grad_norm": recipe.trainer.gradient_clip_val,
                "loss": "crossentropy",
                "normalization": "tokens",
                "batch_size": training.batch_size,
                "batch_type": "sentence",
                "epochs": 1000,
                "validation_freq": _NEVER,
                "logging_freq": 50,
                "early_stopping_metric": "ppl",
                "overwrite": True,
                "shuffle": True,
                "keep_best_ckpts": 1,
            },
            "model": {
                "initializer": "xavier_uniform",
                "embed_initializer": "normal",
                "embed_init_weight": 0.1,
                "encoder": {
                    **recurrent,
                    "hidden_size": model.encoder_size,
                    "bidirectional": model.encoder.bidirectional,
                    "num_layers": model.encoder.layers,
                },
                "decoder": {
                    **recurrent,
                    "hidden_size": model.hidden_size,
                    "num_layers": model.layers,
                    "hidden_dropout": model.dropout,
                    "input_feeding": self.work.feeds_input,
                    "init_hidden": "bridge",
                    "attention": "luong",
                },
            },
        }

    def _run(self, command: str, options: dict[str, Any], text: str, *arguments: str) -> Finished:
        path = self.work.folder / "scratch" / f"joeynmt-{command}.yaml"
        write_text(path, yaml.safe_dump(options, sort_keys=False))
        program = [str(self.venv / "bin" / "python"), "-m", "joeynmt", command, str(path), *arguments]
        return run(program, text, folder=self.work.folder)


def training_rates(log: str) -> list[float]:
    """Target tokens per second of every report."""
    return [float(rate) for rate in re.findall(r"Tokens per Sec: *(\d+)", log)]


def translation_seconds(log: str) -> float:
    """Time of a translation without loading."""
    return first_number(r"Generation took ([\d.]+)\[sec\]", log)
