"""The report's small parts: numbers in words, marked words, images."""

import pytest

from culpa.tasks.report.images import LARGEST, Pictures
from culpa.tasks.report.marked import marked
from culpa.tasks.report.wording import decimal, share, signed
from tests.tasks.report.proven_store import png


@pytest.mark.parametrize(
    ("say", "value", "text"),
    [
        (decimal, 1234567.0, "1,234,567"),
        (decimal, -0.00123, "−0.00123"),
        (decimal, None, "–"),
        (decimal, float("nan"), "–"),
        (signed, 0.5, "+0.5"),
        (signed, 0.0, "0"),
        (share, 0.0, "0 %"),
        (share, 0.0002, "<0.1 %"),
        (share, 0.0996, "10 %"),
        (share, 1.0, "100 %"),
    ],
)
def test_numbers_are_told_as_people_read_them(say, value, text):
    assert say(value) == text


def test_marked_words_are_whole_words_of_any_case_and_the_longest_first():
    assert str(marked("New York, new yorkers, NEW", ["new", "new york"])) == (
        "<mark>New York</mark>, <mark>new</mark> yorkers, <mark>NEW</mark>"
    )


def test_a_word_with_signs_of_regular_expressions_is_only_itself():
    assert str(marked("a.b aXb <i>", ["a.b", "<i>"])) == "<mark>a.b</mark> aXb <mark>&lt;i&gt;</mark>"


def test_images_come_from_bytes_from_structs_and_from_files_beside_the_source(tmp_path):
    (tmp_path / "one.png").write_bytes(png())
    pictures = Pictures(tmp_path)
    found = [pictures.data_uri(value) for value in (png(), {"bytes": png(), "path": None}, "one.png")]
    assert len(set(found)) == 1
    assert found[0].startswith("data:image/png;base64,iVBOR")


def test_what_is_no_small_image_is_no_image(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "large.png").write_bytes(png() + bytes(LARGEST))
    pictures = Pictures(tmp_path)
    for value in ("text.png", "large.png", "none.png", "a\0.png", b"no image", png() + bytes(LARGEST), 7, None):
        assert pictures.data_uri(value) is None


def test_a_report_holds_at_most_twenty_images(tmp_path):
    pictures = Pictures(tmp_path)
    assert sum(pictures.data_uri(png()) is not None for _ in range(30)) == 20
