"""Which target words translate a source word: IBM Model 1 (Brown et al. 1993), learned from sentence pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nmt.errors import UserError
from nmt.tokenizer import EOS, UNK

_ITERATIONS = 5  # of expectation and maximisation
_MOST_LINKS = 50_000_000  # between the words of all pairs, so that memory stays bounded; 200,000 sentences of 15 words
_LINKS_AT_ONCE = 5_000_000
_NOTHING = 0  # stands for the empty source word, from which every target word may come


@dataclass(frozen=True)
class Lexicon:
    """Candidates for translations.

    Attributes:
        by_word: the most probable translations of each source word, best first; -1 where there are fewer.
        always: the most frequent target words, the unknown word and the end.
    """

    by_word: npt.NDArray[np.int32]
    always: npt.NDArray[np.int32]

    def recall(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> tuple[float, float]:
        """What the candidates of given sentences are worth.

        Returns:
            The share of the words of the translations that are among the candidates of their sentences, and the mean
            number of candidates of a sentence.
        """
        found = total = size = 0
        for source, target in zip(sources, targets, strict=True):
            candidates = np.union1d(self.by_word[list(source)].ravel(), self.always)
            found += int(np.isin(list(target), candidates).sum())
            total += len(target)
            size += int((candidates >= 0).sum())
        return found / max(total, 1), size / max(len(sources), 1)


def learn_lexicon(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    src_vocab: int,
    tgt_vocab: int,
    candidates: int,
    frequent: int,
    joint: bool,
) -> Lexicon:
    """Learns from sentence pairs; of very many, from as many as memory allows, evenly spread.

    Args:
        sources: ids of each sentence, without begin and end.
        targets: of its translation.
        src_vocab: number of source words.
        tgt_vocab: number of target words.
        candidates: how many translations of each source word.
        frequent: how many of the most frequent target words may always come.
        joint: whether both sides have the same words; then each is a candidate of itself: names, numbers.

    Raises:
        UserError: if there is no pair of sentences.
    """
    pairs = _spread([(np.array(s), np.array(t)) for s, t in zip(sources, targets, strict=True) if s and t])
    if not pairs:
        raise UserError("data.train: there are no sentence pairs to learn from")
    keys = _different(pairs, tgt_vocab)
    of_source, of_target = keys // tgt_vocab, keys % tgt_vocab
    parts = [_Part(np.searchsorted(keys, links).astype(np.int32), sizes) for links, sizes in _links(pairs, tgt_vocab)]
    probabilities: npt.NDArray[np.float64] = np.ones(len(keys))
    for _ in range(_ITERATIONS):
        counts = np.zeros(len(keys))
        for part in parts:
            counts += part.expected_counts(probabilities)
        totals = np.bincount(of_source, counts, minlength=src_vocab)
        probabilities = (counts / totals[of_source]).astype(np.float64)
    by_word = _best(of_source, of_target, probabilities, src_vocab, candidates)
    by_word[_NOTHING] = -1
    if joint:
        by_word = np.concatenate([by_word, np.arange(src_vocab, dtype=np.int32)[:, None]], axis=1)
    frequencies = np.bincount(np.concatenate([target for _, target in pairs]), minlength=tgt_vocab)
    common = np.argsort(-frequencies, kind="stable")[:frequent]
    always = np.unique(np.concatenate([common[frequencies[common] > 0], [UNK, EOS]])).astype(np.int32)
    return Lexicon(by_word, always)


def learn_dictionary(sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> dict[str, str]:
    """The most probable translation of each source word, learned as `learn_lexicon` does.

    Args:
        sources: words of each sentence.
        targets: words of its translation.

    Raises:
        UserError: if there is no pair of sentences.
    """
    of_source, of_target = _numbers(sources), _numbers(targets)
    lexicon = learn_lexicon(
        [[of_source[word] for word in line] for line in sources],
        [[of_target[word] for word in line] for line in targets],
        len(of_source) + 1,
        len(of_target) + 1,
        candidates=1,
        frequent=0,
        joint=False,
    )
    words = {number: word for word, number in of_target.items()}
    best = lexicon.by_word[:, 0].tolist()
    return {word: words[best[number]] for word, number in of_source.items() if best[number] in words}


def _numbers(lines: Sequence[Sequence[str]]) -> dict[str, int]:
    """A number for each word, from 1, for 0 stands for nothing."""
    return {word: number for number, word in enumerate(dict.fromkeys(word for line in lines for word in line), start=1)}


Pairs = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


def _spread(pairs: Pairs) -> Pairs:
    """Every n-th pair, if they are too many."""
    total = sum((len(source) + 1) * len(target) for source, target in pairs)
    return pairs[:: max(-(-total // _MOST_LINKS), 1)]


def _links(pairs: Pairs, tgt_vocab: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """All pairs of words in a sentence pair, some sentences at a time.

    Yields:
        Source * tgt_vocab + target for each link, those of each target word one after another; and the number of links
        of each target word.
    """
    links: list[npt.NDArray[np.int64]] = []
    sizes: list[npt.NDArray[np.int64]] = []
    size = 0
    for number, (source, target) in enumerate(pairs, start=1):
        words = np.append(source, _NOTHING)
        links.append((words[None, :] * tgt_vocab + target[:, None]).ravel())
        sizes.append(np.full(len(target), len(words)))
        size += len(links[-1])
        if number == len(pairs) or size >= _LINKS_AT_ONCE:
            yield np.concatenate(links), np.concatenate(sizes)
            links, sizes, size = [], [], 0


def _different(pairs: Pairs, tgt_vocab: int) -> npt.NDArray[np.int64]:
    """The different links, in ascending order."""
    keys = np.empty(0, dtype=np.int64)
    for links, _ in _links(pairs, tgt_vocab):
        keys = np.union1d(keys, links)
    return keys


@dataclass(frozen=True)
class _Part:
    """Some of the links: the place of each among the different ones, and the number of links of each target word."""

    places: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]

    def expected_counts(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How often each different link is the one from which a target word comes, by the probabilities so far."""
        weights = probabilities[self.places]
        weights /= np.repeat(np.add.reduceat(weights, np.cumsum(self.sizes) - self.sizes), self.sizes)
        return np.bincount(self.places, weights, minlength=len(probabilities)).astype(np.float64)


def _best(
    of_source: npt.NDArray[np.int64],
    of_target: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    src_vocab: int,
    candidates: int,
) -> npt.NDArray[np.int32]:
    """The most probable targets of each source, in descending order."""
    order = np.lexsort((-probabilities, of_source))
    sources = of_source[order]
    ranks = np.arange(len(order)) - np.searchsorted(sources, sources)
    kept = ranks < candidates
    most = int(ranks[kept].max()) + 1  # no source word has more
    best = np.full((src_vocab, most), -1, dtype=np.int32)
    best[sources[kept], ranks[kept]] = of_target[order[kept]]
    return best
