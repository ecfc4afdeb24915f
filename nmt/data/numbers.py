"""The embedded corpus: German-English pairs of number words, dates and clock times, made by a small grammar.

It stands in for a downloaded corpus where there is no network. Each German line has one English line and
the other way round, and either can be worked out from the other, so a model can learn it completely.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from itertools import islice
from typing import NamedTuple

_LIMIT = 1_000_000_000


class Pair(NamedTuple):
    """A German line, or a part of one, and its English."""

    de: str
    en: str


def _pairs(german: str, english: str) -> list[Pair]:
    return [Pair(*words) for words in zip(german.split(), english.split(), strict=True)]


_SMALL = _pairs(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    "sechzehn siebzehn achtzehn neunzehn",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen",
)
_TENS = _pairs(
    "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "- - twenty thirty forty fifty sixty seventy eighty ninety",
)
_GERMAN_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
_ENGLISH_ORDINALS = {
    **{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"},
    **{"nine": "ninth", "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"},
}
_MONTHS = _pairs(
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "January February March April May June July August September October November December",
)
_WEEKDAYS = _pairs(
    "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
)

_FIRST_DAY = date(1800, 1, 1)
_DAYS = (date(2100, 1, 1) - _FIRST_DAY).days

_PREPOSITIONS = [
    *(Pair("um", "at"), Pair("gegen", "around"), Pair("ab", "from"), Pair("bis", "until")),
    *(Pair("kurz vor", "shortly before"), Pair("kurz nach", "shortly after")),
]
# Repeated, so that the many weekdays leave room for times without one.
_BEFORE_TIMES = [
    *[Pair("", ""), Pair("es ist ", "it is ")] * 6,
    *[Pair(f"{word.de} ", f"{word.en} ") for word in _PREPOSITIONS] * 4,
    *(Pair(f"am {d.de} {word.de} ", f"on {d.en} {word.en} ") for d in _WEEKDAYS for word in _PREPOSITIONS),
]

# How often a cardinal has how many digits: mostly up to six, so that 10,000 rows are enough to learn from.
_DIGITS = [*(3,) * 3, *(4,) * 6, *(5,) * 7, *(6,) * 8, 7, 8, 9]


def german_cardinal(n: int) -> str:
    """Write a number in German words, with a space after "tausend" and around "Million".

    Raises:
        ValueError: the number is below 0 or not below 1,000,000,000.
    """
    millions, thousands, rest = _groups(n)
    words = []
    if millions:
        words.append("eine Million" if millions == 1 else f"{_german(millions)} Millionen")
    if thousands:
        words.append(f"{_german_factor(thousands)}tausend")
    if rest or not n:
        words.append(_german(rest))
    return " ".join(words)


def english_cardinal(n: int) -> str:
    """Write a number in British English words, with "and" and hyphens but without commas.

    Raises:
        ValueError: the number is below 0 or not below 1,000,000,000.
    """
    millions, thousands, rest = _groups(n)
    words = []
    if millions:
        words.append(f"{_english(millions)} million")
    if thousands:
        words.append(f"{_english(thousands)} thousand")
    if words and 0 < rest < 100:
        words.append("and")
    if rest or not n:
        words.append(_english(rest))
    return " ".join(words)


def number_corpus(split: str) -> list[dict[str, str]]:
    """Make the rows of one split, with the columns "de" and "en": the same on every machine, for ever.

    There are 10,000 in "train", 500 in "validation" and 500 in "test": half are cardinals, a quarter dates,
    a quarter clock times. No line, German or English, occurs twice in the three splits together. The numbers
    below 100 are all in "train": the rest is composed of them.

    Raises:
        ValueError: there is no such split.
    """
    splits = _splits()
    if split not in splits:
        raise ValueError(f"no split {split!r}: the splits are {', '.join(splits)}")
    return [pair._asdict() for pair in splits[split]]


@cache
def _splits() -> dict[str, list[Pair]]:
    rng = random.Random(0)
    cardinals, dates, times = _distinct(_cardinals(rng)), _distinct(_dates(rng)), _distinct(_times(rng))
    splits = {}
    for name, rows in {"train": 10_000, "validation": 500, "test": 500}.items():
        pairs = [*islice(cardinals, rows // 2), *islice(dates, rows // 4), *islice(times, rows // 4)]
        splits[name] = sorted(pairs, key=lambda _: rng.random())
    return splits


def _distinct(pairs: Iterator[Pair]) -> Iterator[Pair]:
    seen = set()
    for pair in pairs:
        if pair not in seen:
            seen.add(pair)
            yield pair


def _below(bound: int, rng: random.Random) -> int:
    # Python promises for random() alone that later versions keep its sequence, so all draws go through it.
    return int(rng.random() * bound)


def _cardinals(rng: random.Random) -> Iterator[Pair]:
    """Yield the numbers below 100, then larger ones without end, every fourth of them rounded down."""
    for n in range(100):
        yield Pair(german_cardinal(n), english_cardinal(n))
    while True:
        digits = _DIGITS[_below(len(_DIGITS), rng)]
        smallest = 10 ** (digits - 1)
        n = smallest + _below(9 * smallest, rng)
        if _below(4, rng) == 0:
            n -= n % 10 ** _below(digits, rng)
        yield Pair(german_cardinal(n), english_cardinal(n))


def _dates(rng: random.Random) -> Iterator[Pair]:
    """Yield days of 1800 to 2099, half of them with their weekday."""
    while True:
        day = _FIRST_DAY + timedelta(_below(_DAYS, rng))
        number, month, year = _ordinal(day.day), _MONTHS[day.month - 1], _year(day.year)
        weekday = _WEEKDAYS[day.weekday()]
        before = Pair(f"{weekday.de}, dem ", f"{weekday.en}, ") if _below(2, rng) else Pair("", "")
        yield Pair(
            f"am {before.de}{number.de}en {month.de} {year.de}",
            f"on {before.en}the {number.en} of {month.en} {year.en}",
        )


def _times(rng: random.Random) -> Iterator[Pair]:
    """Yield clock times: four tenths in everyday words, a tenth full hours, half as hour and minute."""
    while True:
        before, style = _BEFORE_TIMES[_below(len(_BEFORE_TIMES), rng)], _below(10, rng)
        if style < 4:
            time = _everyday_time(1 + _below(12, rng), 5 + 5 * _below(11, rng))
        else:
            time = _formal_time(_below(24, rng), 0 if style == 4 else 1 + _below(59, rng))
        yield Pair(before.de + time.de, before.en + time.en)


def _formal_time(hour: int, minute: int) -> Pair:
    german, english = f"{_german_factor(hour)} Uhr", _english(hour)
    if minute:
        return Pair(f"{german} {_german(minute)}", f"{english} {_english_two_digits(minute)}")
    return Pair(german, f"{english} o'clock" if 1 <= hour <= 12 else f"{english} hundred hours")


def _everyday_time(hour: int, minute: int) -> Pair:
    """Name a time that is a multiple of five minutes, such as "Viertel vor drei", "quarter to three"."""
    following = hour % 12 + 1
    # From minute 25 German counts from the hour to come, English only after the half hour.
    if minute < 25:
        german = f"{_minutes(minute).de} nach {_german(hour)}"
    elif minute > 35:
        german = f"{_minutes(60 - minute).de} vor {_german(following)}"
    else:
        german = {25: "fünf vor ", 30: "", 35: "fünf nach "}[minute] + f"halb {_german(following)}"
    if minute <= 30:
        return Pair(german, f"{_minutes(minute).en} past {_english(hour)}")
    return Pair(german, f"{_minutes(60 - minute).en} to {_english(following)}")


def _minutes(minute: int) -> Pair:
    special = {15: Pair("Viertel", "quarter"), 30: Pair("halb", "half")}
    return special.get(minute) or Pair(_german(minute), _english(minute))


def _ordinal(n: int) -> Pair:
    """Name the n-th, n below 100: the German without its ending."""
    german = _GERMAN_ORDINALS.get(n) or _german(n) + ("t" if n < 20 else "st")
    tens, hyphen, last = _english(n).rpartition("-")
    return Pair(german, tens + hyphen + _ENGLISH_ORDINALS.get(last, f"{last}th"))


def _year(year: int) -> Pair:
    """Read a year of 1100 to 2099: in hundreds, but German from 2000 on and English to 2009 as a number."""
    german = _german(year) if year < 2000 else german_cardinal(year).replace(" ", "")
    if 2000 <= year <= 2009:
        return Pair(german, english_cardinal(year))
    hundreds, rest = divmod(year, 100)
    return Pair(german, f"{_english(hundreds)} {_english_two_digits(rest) if rest else 'hundred'}")


def _groups(n: int) -> tuple[int, int, int]:
    if not 0 <= n < _LIMIT:
        raise ValueError(f"only a number from 0 to {_LIMIT - 1} can be written in words, not {n}")
    return n // 1_000_000, n // 1000 % 1000, n % 1000


def _german(n: int) -> str:
    """Write a number below 2000 in one word, counting hundreds."""
    if n < 20:
        return _SMALL[n].de
    if n < 100:
        tens, ones = divmod(n, 10)
        return f"{_german_factor(ones)}und{_TENS[tens].de}" if ones else _TENS[tens].de
    hundreds, rest = divmod(n, 100)
    return f"{_german_factor(hundreds)}hundert{_german(rest) if rest else ''}"


def _german_factor(n: int) -> str:
    """Write a number in front of what it counts."""
    return "ein" if n == 1 else _german(n)


def _english(n: int) -> str:
    """Write a number below 1000."""
    if n < 20:
        return _SMALL[n].en
    if n < 100:
        tens, ones = divmod(n, 10)
        return f"{_TENS[tens].en}-{_SMALL[ones].en}" if ones else _TENS[tens].en
    hundreds, rest = divmod(n, 100)
    return f"{_SMALL[hundreds].en} hundred" + (f" and {_english(rest)}" if rest else "")


def _english_two_digits(n: int) -> str:
    """Read the last two digits of a year or a time."""
    return f"oh {_english(n)}" if n < 10 else _english(n)
