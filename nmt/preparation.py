"""What is done to a text before it is cut into pieces, where a recipe asks for it, and how it is undone."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from nmt.recipe.data import DataOptions
from nmt.recipe.tokenizer import TokenizerOptions


@dataclass(frozen=True)
class Preparation:
    """The steps of the older systems' scripts, in their order; without any, text stays as it is.

    Attributes:
        lowercase: lower-case the text.
        normalize_punctuation: one form for each mark, as Moses' normalize-punctuation.perl.
        moses: set marks apart from words by spaces, as Moses' tokenizer.perl, but without escapes such as `&apos;`.
        language: the language whose rules Moses follows, `de`; empty where none of its scripts is asked for.
    """

    lowercase: bool = False
    normalize_punctuation: bool = False
    moses: bool = False
    language: str = ""

    def prepare(self, text: str) -> str:
        """The text as it is cut into pieces; a blank one stays blank."""
        if self.lowercase:
            text = text.lower()
        if self.normalize_punctuation:
            text = _normalizer(self.language).normalize(text)
        if self.moses:
            text = _tokenizer(self.language).tokenize(text, return_str=True, escape=False)
        return text

    def restore(self, text: str) -> str:
        """A prepared text as a person writes it: tokens put together again; case and marks stay as they are."""
        return str(_detokenizer(self.language).detokenize(text.split(), unescape=False)) if self.moses else text


def preparations(options: TokenizerOptions, data: DataOptions) -> tuple[Preparation, Preparation]:
    """The preparations of source and target that a recipe asks for."""
    steps = (options.lowercase, options.normalize_punctuation, options.moses)
    source, target = data.languages if options.needs_languages else ("", "")
    return Preparation(*steps, language=source), Preparation(*steps, language=target)


# Imported when they are needed: most recipes ask for none of them. Each is made once, for it compiles its rules.


@cache
def _normalizer(language: str) -> Any:
    from sacremoses import MosesPunctNormalizer

    return MosesPunctNormalizer(language)


@cache
def _tokenizer(language: str) -> Any:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(language)


@cache
def _detokenizer(language: str) -> Any:
    from sacremoses import MosesDetokenizer

    return MosesDetokenizer(language)
