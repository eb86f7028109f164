"""Every error that zhiyin raises on purpose; knows nothing of the rooms that raise them.

ZhiyinError
├── InputError          an argument has the wrong shape, type or range
│   └── NotFittedError  a component was used before ``fit``
├── ConfigError         a recipe, a setting or an environment variable is wrong
├── DataError           a file or a table cannot be used; carries ``problems``
│   ├── RejectedRowsError   too many rows of a file cannot be used; carries ``report`` (data room)
│   └── LeakError           an evaluation would know what it asks for; ``problems`` names the rows
├── ArtifactError       a saved folder is missing, damaged, too new, or cannot be written
├── StoreError          the store cannot be opened, read or written
├── ServerError         a zhiyin server refused a request, or did not answer
├── ModelError          a language model or encoder cannot be found, read or run
└── MissingExtraError   an optional library is not installed
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "InputError",
    "LeakError",
    "MissingExtraError",
    "ModelError",
    "NotFittedError",
    "ServerError",
    "StoreError",
    "ZhiyinError",
]


class ZhiyinError(Exception):
    """Base of all errors; says what was expected, what came, and what to do.

    Parameters
    ----------
    message : str
        One sentence: what went wrong, naming the file, field or argument.
    expected, received : str or None
        The two sides of the disagreement.
    hint : str or None
        The remedy, as an instruction.

    Examples
    --------
    >>> print(ZhiyinError("k is wrong", expected="k >= 1", received="0", hint="Pass k=10."))
    k is wrong
      expected: k >= 1
      received: 0
      hint: Pass k=10.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        received: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.received = received
        self.hint = hint

    def __str__(self) -> str:
        parts = (("expected", self.expected), ("received", self.received), ("hint", self.hint))
        return "\n".join([self.message, *(f"  {name}: {text}" for name, text in parts if text is not None)])


class InputError(ZhiyinError, ValueError):
    """An argument has the wrong shape, type or range."""


class NotFittedError(InputError):
    """A component was used before ``fit``."""

    def __init__(self, component: str) -> None:
        super().__init__(
            f"{component} is not fitted",
            expected="a fitted component",
            received="one fresh from its constructor",
            hint="Call .fit(train) or .load(folder) first.",
        )


class ConfigError(ZhiyinError, ValueError):
    """A recipe, a setting or an environment variable is wrong."""


class DataError(ZhiyinError, ValueError):
    """A file or a table cannot be used; ``problems`` lists each place."""

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        received: str | None = None,
        hint: str | None = None,
        problems: Sequence[object] = (),
    ) -> None:
        super().__init__(message, expected=expected, received=received, hint=hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = [f"  {problem}" for problem in self.problems[:20]]
        more = len(self.problems) - len(shown)
        return "\n".join([super().__str__(), *shown, *([f"  … and {more} more"] if more > 0 else [])])


class LeakError(DataError):
    """An evaluation would know what it asks for; ``problems`` names the rows."""


class ArtifactError(ZhiyinError, OSError):
    """A saved folder is missing, damaged, too new, or cannot be written."""


class StoreError(ZhiyinError, RuntimeError):
    """The store cannot be opened, read or written."""


class ServerError(ZhiyinError, RuntimeError):
    """A zhiyin server refused a request, or did not answer in time."""


class ModelError(ZhiyinError, RuntimeError):
    """A language model or encoder cannot be found, read or run."""


class MissingExtraError(ZhiyinError, ImportError):
    """An optional library is not installed."""

    exit_code = 3
