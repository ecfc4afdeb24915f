"""What is done to a text before it is cut into pieces, where a recipe asks for it, and how it is undone."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
        protected: a regular expression for what Moses leaves whole; empty where it leaves nothing.
        language: the language whose rules Moses follows, `de`; empty where none of its scripts is asked for.
        line_separator: stands between the lines of a text, each of which goes through these steps by itself; empty
            where line ends are white space like any other.
    """

    lowercase: bool = False
    normalize_punctuation: bool = False
    moses: bool = False
    language: str = ""
    # The fingerprint of tokenizers without these two does not know of them.
    line_separator: str = field(default="", repr=False)
    protected: str = field(default="", repr=False)

    def prepare(self, text: str) -> str:
        """The text as it is cut into pieces; a blank one stays blank, and no two separators stand side by side."""
        return self._by_line(self._prepare_line, text)

    def restore(self, text: str) -> str:
        """A prepared text as a person writes it: tokens put together again; case, marks and separators stay."""
        return self._by_line(self._restore_line, text)

    def with_line_ends(self, text: str) -> str:
        """A text as it was written, with its lines on lines of their own, whether it has line ends or separators."""
        return text.replace(self.line_separator, "\n") if self.line_separator else text

    def without_separators(self, prepared: str) -> str:
        """A prepared text, as long as it was, with spaces in the place of its separators."""
        if not self.line_separator:
            return prepared
        alone = rf"(?<!\S){re.escape(self.line_separator)}(?!\S)"
        return re.sub(alone, " " * len(self.line_separator), prepared)

    def _by_line(self, change: Callable[[str], str], text: str) -> str:
        if not self.line_separator:
            return change(text)
        lines = (change(line.strip()).strip() for line in _line_ends(self.line_separator).split(text))
        return f" {self.line_separator} ".join(filter(None, lines))

    def _prepare_line(self, text: str) -> str:
        if self.lowercase:
            text = text.lower()
        if self.normalize_punctuation:
            text = _normalizer(self.language).normalize(text)
        if self.moses:
            text = self._words_apart(text)
        return text

    def _words_apart(self, text: str) -> str:
        """Moses' words; of those that are protected each is a word that its rules leave whole, until they are done."""
        whole: list[str] = []
        word = "Protected0"  # begins as a name and ends as a number, as the words that tokenizer.perl puts there
        while word in _CONTROL.sub("", text):
            word = f"X{word}"

        def put_away(found: re.Match[str]) -> str:
            whole.append(found[0])
            return word

        if self.protected:
            text = re.sub(self.protected, put_away, text, flags=re.IGNORECASE)
        words = str(_tokenizer(self.language).tokenize(text, return_str=True, escape=False))
        back = iter(whole)
        return re.sub(word, lambda _: next(back), words) if whole else words

    def _restore_line(self, text: str) -> str:
        return str(_detokenizer(self.language).detokenize(text.split(), unescape=False)) if self.moses else text


def preparations(options: TokenizerOptions, data: DataOptions) -> tuple[Preparation, Preparation]:
    """The preparations of source and target that a recipe asks for."""
    steps = (options.lowercase, options.normalize_punctuation, options.moses)
    source, target = data.languages if options.needs_languages else ("", "")
    of_target = Preparation(*steps, language=target, protected=options.protected or "")
    return replace(of_target, language=source, line_separator=options.line_separator or ""), of_target


_CONTROL = re.compile(r"[\x00-\x1f]")
"""What Moses' rules leave out."""


@cache
def _line_ends(separator: str) -> re.Pattern[str]:
    """Where lines end: there, or where the separator was written."""
    return re.compile(rf"[\r\n]+|{re.escape(separator)}")


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
