"""Summaries that are sentences or utterances of the document itself: what a system has to be better than."""

from collections.abc import Sequence

from nmt.summaries.text import lines, sentences


def extracts(sources: Sequence[str]) -> dict[str, list[str]]:
    """Some extracts of each document, by name; the parts of an extract stand on lines of their own.

    `lead-1` and `lead-3` are the first one and three sentences. Where most documents of the set have several lines, as
    dialogues have, they are the first lines instead, and `longest-3` are the three longest lines, the longest first
    (Gliwa et al. 2019).
    """
    by_line = 2 * sum(len(lines(source)) > 1 for source in sources) > len(sources)
    parts = [lines(source) if by_line else sentences(source) for source in sources]
    found = {f"lead-{count}": ["\n".join(each[:count]) for each in parts] for count in (1, 3)}
    if by_line:
        found["longest-3"] = ["\n".join(sorted(each, key=len, reverse=True)[:3]) for each in parts]
    return found
