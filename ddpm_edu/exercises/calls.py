"""Running a reader's function so that nothing it does can harm the check: time limit, exceptions, printing, warnings."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import io
import itertools
import linecache
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

KEPT = 2000
"""How many characters of what a function prints are kept."""


class TooLong(BaseException):
    """Raised inside a reader's function when its time is up; no `except Exception` of theirs catches it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a call: its value, or the exception, or that it was stopped; and what it printed."""

    value: Any = None
    error: BaseException | None = None
    endless: bool = False
    printed: str = ""


class Guard:
    """Calls functions under a time limit, for as long as it is entered.

    In the main thread of a Unix system the limit is a timer's signal; elsewhere the function runs in a thread of its own,
    into which an exception is sent. Loops inside compiled code end only when they come back to Python.
    An earlier timer and its handler are put back at the end. Ctrl-C works all the time.
    """

    def __enter__(self) -> Guard:
        self.by_signal = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self.by_signal:
            self.began = time.monotonic()
            self.handler = signal.signal(signal.SIGALRM, _ring)
            self.timer = signal.setitimer(signal.ITIMER_REAL, 0)
        return self

    def __exit__(self, *_: object) -> None:
        if self.by_signal:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if self.handler is None else self.handler)
            left, interval = self.timer
            if left:
                signal.setitimer(signal.ITIMER_REAL, max(1e-3, left - (time.monotonic() - self.began)), interval)

    def run(self, work: Callable[[], Any], seconds: float) -> Outcome:
        """Call `work`, which may do anything, for at most so many seconds. Raises KeyboardInterrupt on Ctrl-C."""
        printed = _Page()
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(_Page()):
            warnings.simplefilter("ignore")
            value, error = (self._timed if self.by_signal else _threaded)(work, seconds)
        endless = isinstance(error, TooLong)
        return Outcome(value, None if endless else error, endless, printed.getvalue())

    def _timed(self, work: Callable[[], Any], seconds: float) -> tuple[Any, BaseException | None]:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                return _inside(work), None
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return None, error


def where(error: BaseException, function: Any) -> str:
    """The line of the reader's code in which `error` arose, as words: " in line 2, `return 1 / t`"; empty if unknown."""
    own = _code(function)
    found: tuple[CodeType, int] | None = None
    with contextlib.suppress(Exception):
        for frame, line in traceback.walk_tb(error.__traceback__):
            if own is not None and frame.f_code.co_filename == own.co_filename:
                found = frame.f_code, line
    if found is None:
        return ""
    code, line = found
    source = linecache.getline(code.co_filename, line).strip()
    name = "" if code is own else f" of `{code.co_name}`"
    return f" in line {line - code.co_firstlineno + 1}{name}" + (f", `{source}`" if source else "")


def _code(function: Any) -> CodeType | None:
    function = inspect.unwrap(getattr(function, "func", function))
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _inside(work: Callable[[], Any]) -> Any:
    return work()


def _ring(signum: int, frame: FrameType | None) -> None:
    if any(each.f_code is _inside.__code__ for each in _stack(frame)):
        # Ring again, after ever other delays, in case that the function catches this one and goes on.
        signal.setitimer(signal.ITIMER_REAL, next(_DELAYS))
        raise TooLong


_DELAYS = itertools.cycle([1e-3, 1e-6, 1e-6, 1e-5])


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _threaded(work: Callable[[], Any], seconds: float) -> tuple[Any, BaseException | None]:
    results: list[tuple[Any, BaseException | None]] = []

    def body() -> None:
        try:
            results.append((work(), None))
        except BaseException as error:
            results.append((None, error))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)
    for _ in range(20):
        if not thread.is_alive():
            break
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TooLong))
        thread.join(0.01)
    return results[0] if results else (None, TooLong())


class _Page(io.StringIO):
    """Where a function prints to: the beginning is kept, the rest let go."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, KEPT - self.tell())])
        return len(text)
