"""Says in the summary what the checked equations caught."""

from __future__ import annotations

import pytest

SHARES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def shares(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the summary at the end of the run."""
    return request.config.stash.setdefault(SHARES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(SHARES, [])
    if lines:
        terminalreporter.section("checked equations")
        for line in lines:
            terminalreporter.write_line(line)
