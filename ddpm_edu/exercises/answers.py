"""`answer` judges a predicted number. The page does the same in JavaScript, by the rules written here.

**Reading what was typed** (`read`). Blanks around it go, and a sign of approximation in front (`≈`, `~`, `=`, `about`).
The characters − and – are minus signs. A number is then one of

- digits with a point or a comma for the decimals: `0.5`, `,5`, `-3`, `1.5e-4`, `1,5e-4`;
- digits in groups of three, with blanks or apostrophes between them (`1 000`, `12 345.6`), or with commas where there are
  two of them or a decimal point behind (`1,000,000`, `1,234.5`). One comma with three digits behind it means decimals
  after a 0 (`0,125`) and is asked about otherwise (`1,000`);
- a power of ten: `10^-4`, `2·10^-4`, `2*10**-4`, `2 × 10⁻⁴`;
- a fraction of two such numbers: `1/2`;
- any of these with `%` or `per cent` or `percent` behind it, which divides by 100.

Whatever else it is, the reader is told why it is no number. Nothing is evaluated.

**Judging the number**, the first rule that fits:

1. It lies within `tolerance` of `answer`: right, and `why` says how one gets there. Where a per cent sign stood behind it,
   the number before the sign may be the right one too: whoever answers "50 %" to a question for per cent means 50.
2. It lies within a slip's `tolerance` of the slip's `value`: the slip's `says`.
3. It lies within `near` of `answer`, four times the tolerance: "Close: you are off by 3.1 %, and 2 % is asked."
4. It lies within a confusion's `tolerance` of its `value`: a wrong sign, a factor of 100, the reciprocal, the square or the
   root, one minus the number, natural against decimal logarithm or against bits. A confusion whose value cannot be told
   from the answer, from a slip or from an earlier confusion is left out.
5. "Too large" or "Too small", and, where the signs agree, whether by more than a factor of ten.

A number with a per cent sign that fits none of rules 1 to 4 goes through rules 2 to 4 once more without the sign.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from . import register
from .register import Prediction, Program
from .verdict import Verdict, not_yet

NEAR = 4
"""Up to how many tolerances from the answer a number counts as close."""

_NO_NUMBER = "Type one number, like `0.25`, `25 %` or `1/4`."


def answer(name: str, value: Any) -> Verdict:
    """Judge `value` as the answer to the prediction `name`: a number, or text that holds one.

    Never raises for a bad name or value; the verdict says what was wrong with it.
    """
    if not isinstance(name, str):
        return not_yet(f"The first argument is the exercise's name, in quotation marks, but it was {shown(name)}.")
    try:
        exercise = register.find(name)
    except LookupError as error:
        return not_yet(str(error))
    if isinstance(exercise, Program):
        parameters = ", ".join(exercise.parameters)
        return not_yet(
            f"The exercise `{name}` asks for a function of ({parameters}): hand it to `exercises.check({name!r}, your_function)`."
        )
    try:
        number, without_sign = read(value)
    except ValueError as error:
        return not_yet(str(error))
    data = page_data(name)
    readings = [number] if without_sign is None else [number, without_sign]
    if any(abs(reading - data["answer"]) <= data["tolerance"] for reading in readings):
        return Verdict(True, (f"Right. More exactly: {_exactly(data['answer'])}.", data["why"]))
    hints = (_hint(data, reading) for reading in readings)
    return not_yet(next((hint for hint in hints if hint), _size(data["answer"], number)))


@cache
def page_data(name: str) -> dict[str, Any]:
    """All that a page needs to judge a prediction by the rules above, ready for JSON.

    `answer`, `tolerance` (both in the answer's unit), `relative` (the asked accuracy as a share, or None where the tolerance
    is absolute), `near`, `slips` and `confusions` (lists of `value`, `tolerance` and `says`), `why`, `name`, `chapter`.
    Raises ValueError if no prediction has that name, or a slip cannot be told from the answer.
    """
    exercise = register.find(name)
    if not isinstance(exercise, Prediction):
        raise ValueError(f"name must be that of an exercise that asks for a number, but {name!r} asks for a function")
    tolerance = exercise.tolerance(exercise.answer)
    slips = [_entry(exercise, value, says) for value, says in exercise.wrong]
    return {
        "name": name,
        "chapter": exercise.chapter,
        "answer": exercise.answer,
        "tolerance": tolerance,
        "relative": exercise.relative,
        "near": NEAR * tolerance,
        "slips": slips,
        "confusions": _confusions(exercise, slips),
        "why": exercise.why,
    }


def read(value: Any) -> tuple[float, float | None]:
    """The number that `value` is or holds, and, where it came with a per cent sign, also the number before the sign.

    Raises ValueError, with a sentence for the reader, if there is none.
    """
    if value is None:
        raise ValueError(f"`None` is no number: does your function `return` what it computes? {_NO_NUMBER}")
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}:
        raise ValueError(f"`{value}` is a truth value, not a number. {_NO_NUMBER}")
    if callable(value):
        raise ValueError(f"That is a function. Call it and hand over the number that it returns. {_NO_NUMBER}")
    size = _size_of(value)
    if size is not None and size != 1:
        raise ValueError(f"The answer is one number, but you gave {size} of them.")
    try:
        value = value.item() if hasattr(value, "item") else value[0] if isinstance(value, (list, tuple)) else value
        if isinstance(value, complex):
            raise ValueError(f"{shown(value)} is a complex number; the answer is a real one.")
        number = float(value)
    except ValueError as error:
        raise ValueError(
            str(error) if "complex" in str(error) else f"{shown(value)} is no number. {_NO_NUMBER}"
        ) from None
    except Exception:
        raise ValueError(f"{shown(value)} is no number. {_NO_NUMBER}") from None
    return _finite(number, shown(value)), None


def shown(value: Any, longest: int = 60) -> str:
    """`value` as one would type it, between backticks and cut short; its type where it cannot be printed."""
    try:
        text = " ".join(repr(value)[:1000].split())
    except Exception:
        return f"something of the type `{type(value).__name__}`"
    return f"`{text if len(text) <= longest else text[: longest - 1] + '…'}`"


def _read_text(text: str) -> tuple[float, float | None]:
    quoted = shown(text, 40)
    plain = re.sub(r"[−–]", "-", text.strip())
    plain = re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda raised: "^" + raised[0].translate(_SUPERSCRIPTS), plain)
    plain = re.sub(r"^(≈|~|=|about|ca\.)\s*", "", plain)
    if not plain:
        raise ValueError(f"There is nothing to judge yet. {_NO_NUMBER}")
    percent = re.fullmatch(r"(.*?)\s*(?:%|per ?cent)", plain)
    if percent:
        plain = percent[1]
    upper, slash, lower = plain.partition("/")
    number = _read_part(upper.strip(), quoted)
    if slash:
        divisor = _read_part(lower.strip(), quoted)
        if divisor == 0:
            raise ValueError(f"{quoted} divides by 0.")
        number /= divisor
    _finite(number, quoted)
    return (number / 100, number) if percent else (number, None)


_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_DECIMAL = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"


def _read_part(text: str, quoted: str) -> float:
    ambiguous = re.fullmatch(r"[+-]?([1-9][0-9]{0,2}),([0-9]{3})", text)
    if ambiguous:
        whole, rest = ambiguous[1], ambiguous[2]
        raise ValueError(f"{quoted} can be read in two ways: type `{whole}{rest}` or `{whole}.{rest}`.")
    text = re.sub(r"(?<=[0-9])[\s'’_](?=[0-9]{3}(?![0-9]))", "", text)
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?", text) and (text.count(",") > 1 or "." in text):
        text = text.replace(",", "")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if re.fullmatch(rf"[+-]?{_DECIMAL}(?:[eE][+-]?[0-9]+)?", text):
        return float(text)
    power = re.fullmatch(rf"([+-]?)(?:({_DECIMAL})\s*[*·×x]\s*)?10\s*(?:\^|\*\*)\s*\(?([+-]?[0-9]+)\)?", text)
    if power is None:
        if text.lower().lstrip("+-") in {"nan", "inf", "infinity", "∞"}:
            raise ValueError(f"{quoted} is not a finite number; the answer is one.")
        raise ValueError(f"{quoted} is no number that I can read. {_NO_NUMBER}")
    return float(f"{power[1]}{power[2] or 1}e{power[3]}")


def _finite(number: float, quoted: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{quoted} is not a finite number; the answer is one.")
    return number


def _size_of(value: Any) -> int | None:
    try:
        return math.prod(value.shape) if hasattr(value, "shape") else len(value)
    except Exception:
        return None


def _entry(exercise: Prediction, value: float, says: str) -> dict[str, Any]:
    return {"value": value, "tolerance": exercise.tolerance(value), "says": says}


def _confusions(exercise: Prediction, slips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    right = exercise.answer
    candidates: list[tuple[float, str]] = [
        (-right, "The size is right, the sign is not."),
        (100 * right, "Off by a factor of 100: is that in per cent, where the question asks for the share itself?"),
        (right / 100, "Off by a factor of 100: is that the share, where the question asks for per cent?"),
        (
            1 - right,
            "That is one minus the number asked for: what is left, where what is gone is asked for, or the reverse.",
        ),
    ]
    if right != 0:
        candidates.append((1 / right, "That is the reciprocal of the number asked for: what is divided by what?"))
    if right > 0:
        candidates += [
            (math.sqrt(right), "That is the square root of the number asked for: is one root too many?"),
            (right**2, "That is the square of the number asked for: is a root missing?"),
        ]
    candidates += [
        (right * math.log(10), "Off by the factor ln 10: did you take the natural logarithm for the decimal one?"),
        (right / math.log(10), "Off by the factor ln 10: did you take the decimal logarithm for the natural one?"),
        (right / math.log(2), "Off by the factor ln 2: are these bits, where nats are asked for?"),
        (right * math.log(2), "Off by the factor ln 2: are these nats, where bits are asked for?"),
    ]
    kept: list[dict[str, Any]] = []
    near = NEAR * exercise.tolerance(right)
    for value, says in candidates:
        entry = _entry(exercise, value, says)
        if exercise.absolute is not None and right:
            entry["tolerance"] *= min(1, abs(value / right))
        others = [*slips, *kept]
        if abs(value - right) > near + entry["tolerance"] and all(
            abs(value - other["value"]) > entry["tolerance"] + other["tolerance"] for other in others
        ):
            kept.append(entry)
    return kept


def _hint(data: dict[str, Any], number: float) -> str | None:
    for slip in data["slips"]:
        if abs(number - slip["value"]) <= slip["tolerance"]:
            return str(slip["says"])
    off = abs(number - data["answer"])
    if off <= data["near"]:
        return _close(data, off)
    for confusion in data["confusions"]:
        if abs(number - confusion["value"]) <= confusion["tolerance"]:
            return str(confusion["says"])
    return None


def _close(data: dict[str, Any], off: float) -> str:
    if data["relative"] is None:
        return f"Close: you are off by {off:.2g}, and no more than {data['tolerance']:.2g} is asked."
    return (
        f"Close: you are off by {100 * off / abs(data['answer']):.2g} %, and {100 * data['relative']:.2g} % is asked."
    )


def _exactly(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def _size(right: float, number: float) -> str:
    word = "large" if number > right else "small"
    far = number * right > 0 and not 0.1 <= number / right <= 10
    return f"Too {word}, by more than a factor of ten." if far else f"Too {word}."
