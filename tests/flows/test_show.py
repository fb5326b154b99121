"""Tables on standard output."""

import pytest

from culpa.flows.show import show

RECORDS = [{"row": "a", "value": 0.123456, "note": None}, {"row": "bcd", "value": 12.0, "note": "line\nbreak"}]


def test_columns_are_aligned_and_numbers_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    show(RECORDS, ["row", "value", "note"], as_json=False)
    assert capsys.readouterr().out == "row   value  note\na    0.1235\nbcd      12  line break\n"


def test_json_keeps_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    show(RECORDS, ["row", "value", "note"], as_json=True)
    assert '"value": 0.123456' in capsys.readouterr().out


def test_no_rows_still_name_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show([], ["row", "value"], as_json=False)
    assert capsys.readouterr().out == "row  value\n"


def test_what_is_too_wide_for_the_terminal_is_shown_row_by_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "12")
    show(RECORDS, ["row", "value", "note"], as_json=False)
    assert capsys.readouterr().out.startswith("row    a\nvalue  0.1235\nnote\n\nrow    bcd\n")
