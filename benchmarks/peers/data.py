"""The text of the work as plain files, and one SentencePiece model for both peers."""

import io
from collections.abc import Sequence

import sentencepiece

from benchmarks.peers.toolkit import Work
from nmt.data.corpus import load_texts
from nmt.text import write_bytes, write_text

SPECIALS = 4  # pieces that the peers add themselves: unknown, padding, begin, end


def write_data(work: Work) -> None:
    """Writes train, valid and test as text, `spm.model` and `vocab.txt`, unless they are there."""
    if (work.data / "vocab.txt").exists():
        return
    options = work.recipe.data
    sides = (options.source, options.target)
    training: list[str] = []
    for name, split in (("train", options.train), ("valid", options.validation), ("test", options.test)):
        assert split is not None
        for side, lines in zip(sides, load_texts(options, split), strict=True):
            write_text(work.data / f"{name}.{side}", "".join(_one_line(line) + "\n" for line in lines))
            training += lines if name == "train" else []
    model = _train_tokenizer(training, work.recipe.tokenizer.vocab_size)
    write_bytes(work.data / "spm.model", model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(number) for number in range(SPECIALS, processor.get_piece_size())]
    write_text(work.data / "vocab.txt", "".join(piece + "\n" for piece in pieces))


def _train_tokenizer(lines: Sequence[str], size: int) -> bytes:
    """A joint BPE model with the special ids where both peers expect them."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        character_coverage=1.0,
        unk_id=0,
        pad_id=1,
        bos_id=2,
        eos_id=3,
        pad_piece="<pad>",
        minloglevel=2,
    )
    return model.getvalue()


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
