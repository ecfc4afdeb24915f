"""The number corpus against num2words and Babel, which know nothing of its grammar."""

import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from babel.dates import format_date, get_month_names
from num2words import num2words

import nmt.data.numbers
from nmt.data.numbers import english_cardinal, german_cardinal, number_corpus

SPLITS = {"train": 10_000, "validation": 500, "test": 500}
ROWS = {split: [(row["de"], row["en"]) for row in number_corpus(split)] for split in SPLITS}
ALL_ROWS = [row for rows in ROWS.values() for row in rows]


def words(n: int, lang: str, to: str = "cardinal") -> str:
    return str(num2words(n, lang=lang, to=to))


def expected_cardinal(n: int) -> tuple[str, str]:
    """Give what num2words writes, but with a space after an inner "tausend" and without English commas."""
    return re.sub("tausend(?!$)", "tausend ", words(n, "de")), words(n, "en_GB").replace(",", "")


def spread_numbers() -> Iterator[int]:
    """Give every number to 2000, then numbers of every length, round ones and others."""
    yield from range(2001)
    for digits in range(4, 10):
        smallest = 10 ** (digits - 1)
        yield from range(smallest, 10 * smallest, smallest // 30 + 7)
        yield from range(smallest, 10 * smallest, smallest)
        yield 10 * smallest - 1
    yield from range(1_000, 1_000_000, 3_000)
    yield from range(1_000_000, 1_000_000_000, 7_000_000)


@pytest.mark.parametrize(
    ("n", "german", "english"),
    [
        (0, "null", "zero"),
        (21_305, "einundzwanzigtausend dreihundertfünf", "twenty-one thousand three hundred and five"),
        (1_001_017, "eine Million eintausend siebzehn", "one million one thousand and seventeen"),
        (30_000_000, "dreißig Millionen", "thirty million"),
    ],
)
def test_cardinal_examples(n: int, german: str, english: str) -> None:
    assert (german_cardinal(n), english_cardinal(n)) == (german, english)


def test_cardinals_are_those_of_num2words() -> None:
    numbers = sorted(set(spread_numbers()))
    assert len(numbers) > 4000
    wrong = [n for n in numbers if (german_cardinal(n), english_cardinal(n)) != expected_cardinal(n)]
    assert wrong == []


@pytest.mark.parametrize("n", [-1, 1_000_000_000])
def test_cardinals_outside_the_range_are_refused(n: int) -> None:
    for cardinal in german_cardinal, english_cardinal:
        with pytest.raises(ValueError, match=f"from 0 to 999999999 .* not {n}"):
            cardinal(n)


# The tables and functions below take each German line of the corpus apart and say what the row has to be.

# num2words agrees in every German year, and in every English one but for a hyphen: "nineteen oh-five".
GERMAN_YEARS = {words(year, "de", "year"): year for year in range(1800, 2100)}
ENGLISH_YEARS = {year: words(year, "en_GB", "year").replace("oh-", "oh ") for year in range(1800, 2100)}
# num2words says "dritte" and "siebte"; after "am" and "dem" the ending is "n".
GERMAN_DAYS = {words(day, "de", "ordinal") + "n": day for day in range(1, 32)}
GERMAN_MONTHS = {name: month for month, name in get_month_names("wide", locale="de").items()}
ENGLISH_MONTHS = get_month_names("wide", locale="en")
WEEKDAYS = {
    format_date(day, "EEEE", locale="de"): format_date(day, "EEEE", locale="en")
    for day in (date(2024, 1, n) for n in range(1, 8))
}

# What is said at so many minutes past {hour}, when {next} is the hour to come.
EVERYDAY = {
    5: ("fünf nach {hour}", "five past {hour}"),
    10: ("zehn nach {hour}", "ten past {hour}"),
    15: ("Viertel nach {hour}", "quarter past {hour}"),
    20: ("zwanzig nach {hour}", "twenty past {hour}"),
    25: ("fünf vor halb {next}", "twenty-five past {hour}"),
    30: ("halb {next}", "half past {hour}"),
    35: ("fünf nach halb {next}", "twenty-five to {next}"),
    40: ("zwanzig vor {next}", "twenty to {next}"),
    45: ("Viertel vor {next}", "quarter to {next}"),
    50: ("zehn vor {next}", "ten to {next}"),
    55: ("fünf vor {next}", "five to {next}"),
}
BEFORE_TIMES = {
    "es ist": "it is",
    "um": "at",
    "gegen": "around",
    "ab": "from",
    "bis": "until",
    "kurz vor": "shortly before",
    "kurz nach": "shortly after",
}


def formal_times() -> Iterator[tuple[str, str]]:
    for hour in range(24):
        german = "ein Uhr" if hour == 1 else f"{words(hour, 'de')} Uhr"
        english = words(hour, "en_GB")
        yield german, f"{english} o'clock" if 1 <= hour <= 12 else f"{english} hundred hours"
        for minute in range(1, 60):
            oh = "oh " if minute < 10 else ""
            yield f"{german} {words(minute, 'de')}", f"{english} {oh}{words(minute, 'en_GB')}"


def everyday_times() -> Iterator[tuple[str, str]]:
    for hour in range(1, 13):
        following = 1 if hour == 12 else hour + 1
        for german, english in EVERYDAY.values():
            yield (
                german.format(hour=words(hour, "de"), next=words(following, "de")),
                english.format(hour=words(hour, "en_GB"), next=words(following, "en_GB")),
            )


TIMES = dict([*formal_times(), *everyday_times()])
TIME = re.compile(rf"(?:am (\w+) )?(?:({'|'.join(BEFORE_TIMES)}) )?({'|'.join(sorted(TIMES, reverse=True))})")
DATE = re.compile(r"am (?:(\w+), dem )?(\w+) ([A-Z]\w+) (\w+)")


def expected_time(german: str) -> tuple[str, str] | None:
    """Translate a clock time, or say that the line is none."""
    if not (match := TIME.fullmatch(german)):
        return None
    weekday, before, time = match.groups()
    english = [f"on {WEEKDAYS[weekday]}"] if weekday else []
    english += [BEFORE_TIMES[before]] if before else []
    return german, " ".join([*english, TIMES[time]])


def expected_date(german: str) -> tuple[str, str] | None:
    """Translate a date, with its right weekday in both lines, or say that the line is none."""
    if not (match := DATE.fullmatch(german)) or match[4] not in GERMAN_YEARS:
        return None
    day = date(GERMAN_YEARS[match[4]], GERMAN_MONTHS[match[3]], GERMAN_DAYS[match[2]])
    number = words(day.day, "en_GB", "ordinal")
    english = f"the {number} of {ENGLISH_MONTHS[day.month]} {ENGLISH_YEARS[day.year]}"
    if match[1] is None:
        return german, f"on {english}"
    weekday = format_date(day, "EEEE", locale="de")
    return german.replace(match[1], weekday), f"on {WEEKDAYS[weekday]}, {english}"


BELOW_HUNDRED = {words(n, "en_GB"): n for n in range(100)}


def value(english: str) -> int:
    """Read a number in English words."""
    total = group = 0
    for word in english.split():
        if word in ("thousand", "million"):
            total += group * {"thousand": 1_000, "million": 1_000_000}[word]
            group = 0
        elif word == "hundred":
            group *= 100
        elif word != "and":
            group += BELOW_HUNDRED[word]
    return total + group


@pytest.mark.parametrize("split", SPLITS)
def test_every_row_is_right_and_the_mix_is_as_promised(split: str) -> None:
    kinds = Counter[str]()
    for german, english in ROWS[split]:
        if expected := expected_date(german):
            kinds["date"] += 1
        elif expected := expected_time(german):
            kinds["time"] += 1
        else:
            kinds["cardinal"] += 1
            number = value(english)
            expected = german_cardinal(number), english_cardinal(number)
        assert (german, english) == expected
    size = SPLITS[split]
    assert kinds == {"cardinal": size // 2, "date": size // 4, "time": size // 4}


@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("neunzehnhundertvierundachtzig", "nineteen eighty-four"),
        ("zweitausendfünf", "two thousand and five"),
        ("zweitausendvierundzwanzig", "twenty twenty-four"),
        ("neunzehnhundertfünf", "nineteen oh five"),
        ("neunzehnhundert", "nineteen hundred"),
        ("zweitausend", "two thousand"),
    ],
)
def test_years_are_read_as_people_read_them(german: str, english: str) -> None:
    years = [en for de, en in ALL_ROWS if de.startswith("am ") and de.endswith(f" {german}")]
    assert years
    assert all(line.endswith(f" {english}") for line in years)


@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("Viertel vor drei", "quarter to three"),
        ("halb vier", "half past three"),
        ("fünf nach halb eins", "twenty-five to one"),
        ("zehn nach acht", "ten past eight"),
        ("ein Uhr", "one o'clock"),
        ("zwölf Uhr", "twelve o'clock"),
        ("dreizehn Uhr", "thirteen hundred hours"),
        ("null Uhr", "zero hundred hours"),
        ("einundzwanzig Uhr fünfzehn", "twenty-one fifteen"),
        ("neun Uhr fünf", "nine oh five"),
    ],
)
def test_times_are_said_as_people_say_them(german: str, english: str) -> None:
    assert TIMES[german] == english
    assert any(de.endswith(german) and en.endswith(english) for de, en in ALL_ROWS)


def test_train_has_every_small_number_word_and_everyday_time() -> None:
    train = set(ROWS["train"])
    assert all(expected_cardinal(n) in train for n in range(100))
    known, all_words = ({word for _, en in rows for word in en.split()} for rows in (train, ALL_ROWS))
    assert known == all_words
    for german, english in everyday_times():
        assert any(de.endswith(german) and en.endswith(english) for de, en in train)


def test_cardinals_have_every_length_but_mostly_up_to_six_digits() -> None:
    lengths = Counter(len(str(value(en))) for de, en in ROWS["test"] if not (expected_date(de) or expected_time(de)))
    assert set(lengths) == set(range(3, 10))
    assert 0.8 < sum(lengths[digits] for digits in range(3, 7)) / lengths.total() < 0.95


def test_sizes() -> None:
    assert {split: len(rows) for split, rows in ROWS.items()} == SPLITS


def test_no_line_occurs_twice_in_either_language() -> None:
    # So either language decides the other, and no split gives away another.
    for lines in zip(*ALL_ROWS, strict=True):
        assert [line for line, count in Counter(lines).items() if count > 1] == []


def test_no_time_has_two_names_alike() -> None:
    # The same for the times that the corpus happens to leave out.
    assert len(TIMES) == len(set(TIMES.values())) == 24 * 60 + 12 * 11


def test_the_corpus_never_changes() -> None:
    text = "".join(f"{split}\t{de}\t{en}\n" for split, rows in ROWS.items() for de, en in rows)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "d2355d5c52dc8c579b167b441c6d30cf8e96af553f07b2172379cb7491104b8e"


def test_a_caller_may_change_what_it_gets() -> None:
    rows = number_corpus("test")
    rows.pop()["de"] = "changed"
    rows[0]["de"] = "changed"
    assert [(row["de"], row["en"]) for row in number_corpus("test")] == ROWS["test"]


@pytest.mark.parametrize("split", ["dev", "", "Train"])
def test_an_unknown_split_is_refused_with_the_known_ones(split: str) -> None:
    with pytest.raises(ValueError, match=f"{split!r}.* train, validation, test"):
        number_corpus(split)


def test_the_corpus_needs_neither_torch_nor_datasets() -> None:
    root = Path(nmt.data.numbers.__file__).parents[2]
    code = "import sys, nmt.data.numbers; print(sorted({'torch', 'datasets'} & sys.modules.keys()))"
    output = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    assert output == "[]\n"
