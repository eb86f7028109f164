"""Prompts: files in English and Chinese, filled by name; knows no model and no dataset.

A prompt is a file ``prompts/<language>/<scenario>/<name>.txt``, or ``prompts/<language>/<name>.txt`` where
it is the same for all, or several parts ``<name>.<part>.txt``. A field
stands at the end of a line: ``Product: $title``, or alone on it, where each value becomes a line
"- value". All values are sanitised, so that no value can end its line and pose as another part of
the prompt. A line whose field is empty is left out. A file that ends in ``$continues`` ends exactly
there, where a model goes on writing: editors that trim white space cannot change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from string import Template
from typing import Final

from zhiyin.errors import InputError
from zhiyin.safety import sanitise
from zhiyin.types import Message

__all__ = ["ANSWERS", "LANGUAGES", "SCENARIOS", "Field", "messages", "render", "split", "version"]

Field = str | Sequence[str]

LANGUAGES: Final = ("en", "zh")
SCENARIOS: Final = ("retail", "news", "music", "video", "courses", "finance", "speakers")
# "不" and not "否", which small models split into two tokens.
ANSWERS: Final[Mapping[str, tuple[str, str]]] = {"en": ("Yes", "No"), "zh": ("是", "不")}
OPTIONAL: Final[Mapping[str, Field]] = {"wish": ""}
LONGEST: Final[Mapping[str, int]] = {"facts": 1_200}
LINE: Final = 200
BOUNDARY: Final = "zhiyin-text-ends-here"


def render(name: str, language: str, *, scenario: str = "retail", **fields: Field) -> str:
    """Fill a prompt.

    Parameters
    ----------
    name : str
        ``next_item`` (fields: history, wish), ``any_item``, ``will_take`` (history, wish, title),
        ``which_one`` (candidates), ``timeline``, ``rephrase`` (facts), ``describe_item`` (title), or one
        part of them, such as ``will_take.prefix``. A prompt of several parts gives them all, joined by a
        line end. ``next_item`` and ``any_item`` end in "- ": a title follows directly.
    language : {"en", "zh"}
    scenario : str
        What the items are and who takes them: one of ``SCENARIOS``.
    **fields : str or sequence of str
        A value for each field of the prompt; ``wish`` may be left out. Values are cut at 200
        characters each, ``facts`` at 1,200.

    Returns
    -------
    str
        The text, without chat markup.

    Raises
    ------
    InputError
        When there is no such prompt, language or scenario, or a field is missing or unknown.

    Examples
    --------
    >>> print(render("next_item", "en", history=["RED MUG, 2.50", "TEA PLATE, 4.00"]) + "TEAPOT")
    Products that one customer of an online shop bought, oldest first:
    - RED MUG, 2.50
    - TEA PLATE, 4.00
    - TEAPOT
    """
    texts = _parts(name, language, scenario)
    known = {field for text in texts.values() for field in Template(text).get_identifiers()} - {"continues"}
    missing, unknown = known - set(fields) - set(OPTIONAL), set(fields) - known
    if missing or unknown:
        raise InputError(
            f"The prompt {name!r} got the wrong fields",
            expected=", ".join(sorted(known)) or "no fields",
            received=", ".join(sorted(fields)) or "no fields",
            hint=_hint(missing, unknown),
        )
    given = {**OPTIONAL, **fields}
    return "\n".join(_fill(text, given) for text in texts.values())


def messages(name: str, language: str, *, scenario: str = "retail", **fields: Field) -> list[Message]:
    """Fill a prompt whose parts are the turns of a chat: ``<name>.system``, ``<name>.user``.

    Fields and errors as in ``render``; each field goes to the turns that have it.

    Examples
    --------
    >>> [turn["role"] for turn in messages("rephrase", "en", facts=["Often buys mugs."])]
    ['system', 'user']
    """
    render(
        name, language, scenario=scenario, **fields
    )  # all fields are checked together, then each turn takes its own
    turns: list[Message] = []
    for part, text in _parts(name, language, scenario).items():
        role = part.rpartition(".")[2]
        if role not in ("system", "user", "assistant"):
            raise InputError(
                f"The prompt {name!r} is no chat", expected="parts system and user", received=part
            )
        turns.append({"role": role, "content": _fill(text, {**OPTIONAL, **fields})})
    return turns


def split(
    name: str,
    language: str,
    *,
    shared: Mapping[str, Field],
    each: Sequence[Mapping[str, Field]],
    scenario: str = "retail",
    ending: str | None = None,
    wrap: Callable[[str], str] | None = None,
) -> tuple[str, list[str]]:
    """Fill a prompt of the parts ``prefix`` and ``suffix`` for many candidates at once.

    Parameters
    ----------
    name, language, scenario : str
        As in ``render``.
    shared : Mapping
        Fields of the prefix, which all candidates share.
    each : sequence of Mapping
        Fields of the suffix, one mapping a candidate.
    ending : str or None
        Another prompt in the place of the suffix.
    wrap : callable, optional
        Puts a text inside a user's turn of a chat. What it writes before the text goes to the
        prefix, what it writes after goes to every suffix.

    Returns
    -------
    prefix : str
    suffixes : list of str
        ``prefix + suffixes[i]`` is the whole prompt of candidate i, chat markup included.

    Raises
    ------
    InputError
        As in ``render``; also when ``wrap`` loses the text.

    Examples
    --------
    >>> prefix, suffixes = split("will_take", "en", shared={"history": ["RED MUG"]},
    ...     each=[{"title": "TEAPOT"}], wrap=lambda text: f"<user>{text}</user>")
    >>> print(suffixes[0])
    Product: TEAPOT
    Will this customer buy it? Answer Yes or No.</user>
    """
    prefix = render(f"{name}.prefix", language, scenario=scenario, **shared) + "\n"
    last = f"{name}.suffix" if ending is None else ending
    suffixes = [render(last, language, scenario=scenario, **fields) for fields in each]
    if wrap is None:
        return prefix, suffixes
    before, found, after = wrap(prefix + BOUNDARY).rpartition(BOUNDARY)
    if not found:
        raise InputError("wrap does not return the text it was given", expected="the text inside markup")
    return before, [suffix + after for suffix in suffixes]


@lru_cache(maxsize=256)
def version(name: str, language: str, *, scenario: str = "retail") -> str:
    """Identify the text of a prompt, for cache keys: 12 hex digits of the sha256 of its files.

    Examples
    --------
    >>> len(version("will_take", "en")), version("will_take", "en") != version("will_take", "zh")
    (12, True)
    """
    digest = hashlib.sha256()
    for part, text in _parts(name, language, scenario).items():
        digest.update(f"{part}\0{text}\0".encode())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=256)
def _parts(name: str, language: str, scenario: str) -> Mapping[str, str]:
    """The files of a prompt by name, without their last line end; ``prefix`` and ``system`` first."""
    if language not in LANGUAGES:
        raise InputError(
            "No prompts in this language", expected=", ".join(LANGUAGES), received=repr(language)
        )
    if scenario not in SCENARIOS:
        raise InputError(
            "No prompts for this scenario", expected=", ".join(SCENARIOS), received=repr(scenario)
        )
    common = resources.files("zhiyin.text") / "prompts" / language
    files = {
        file.name.removesuffix(".txt"): file
        for folder in (common, common / scenario)
        for file in folder.iterdir()
        if file.name.endswith(".txt")
    }
    found = [file for file in sorted(files) if file == name or file.startswith(f"{name}.")]
    if not found:
        raise InputError("No prompt has this name", expected=", ".join(sorted(files)), received=repr(name))
    return {part: files[part].read_text("utf-8").removesuffix("\n") for part in found}


def _hint(missing: set[str], unknown: set[str]) -> str:
    add = f"Add {', '.join(sorted(missing))}." if missing else ""
    remove = f"Remove {', '.join(sorted(unknown))}." if unknown else ""
    return f"{add} {remove}".strip()


def _fill(text: str, fields: Mapping[str, Field]) -> str:
    lines = []
    for line in text.split("\n"):
        template = Template(line)
        names = [name for name in template.get_identifiers() if name != "continues"]
        block = len(names) == 1 and line == f"${names[0]}"
        values = {name: _value(name, fields[name], block=block) for name in names}
        if all(values.values()):
            lines.append(template.substitute(values, continues=""))
    return "\n".join(lines)


def _value(name: str, value: Field, *, block: bool) -> str:
    texts = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"The field {name!r} is no text", expected="a string or strings", received=repr(value)[:80]
        )
    clean = [sanitise(text, max_chars=LONGEST.get(name, LINE)) for text in texts]
    if block:
        return "\n".join(f"- {text}" for text in clean if text)
    return "; ".join(text for text in clean if text)
