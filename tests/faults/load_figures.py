"""Figures that a test prints, past pytest's capture: what somebody runs these tests for."""

from collections.abc import Sequence

import pytest


def print_lines(config: pytest.Config, lines: Sequence[str]) -> None:
    """The lines stand on the terminal, whatever becomes of the test."""
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(lines), flush=True)  # noqa: T201 (it is what the test is run for)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The rows in columns as wide as their widest cell."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000 * len(ordered)) // 1000) - 1))]
