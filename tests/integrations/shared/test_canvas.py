"""The image that charts are drawn on is a PNG file that any reader opens."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tracklet_integrations.shared.canvas import GRID, TEXT, Canvas, series_colour, shade

DARK = [0x26, 0x26, 0x26]


def pixels(canvas):
    return np.asarray(Image.open(io.BytesIO(canvas.png())).convert("RGB"))


def written(text, method="text"):
    canvas = Canvas(60, 60)
    getattr(canvas, method)(10, 40 if method == "rising_text" else 10, text)
    return (pixels(canvas) == DARK).all(axis=2)


def test_what_is_drawn_is_there_and_nothing_else():
    canvas = Canvas(40, 30)
    canvas.fill(5, 6, 10, 4, series_colour(0))
    canvas.line([(20, 10), (30, 10), (30, 20)], TEXT)
    found = pixels(canvas)
    assert found.shape == (30, 40, 3)
    expected = np.full((30, 40, 3), 255)
    expected[6:10, 5:15] = [0x1F, 0x77, 0xB4]
    expected[10:12, 20:32] = expected[10:22, 30:32] = DARK
    assert (found == expected).all()


def test_a_line_joins_its_ends():
    canvas = Canvas(40, 30)
    canvas.line([(3, 25), (33, 5)], TEXT)
    drawn = (pixels(canvas) == DARK).all(axis=2)
    assert drawn[25, 3]
    assert drawn[5, 33]
    assert drawn[:, 3:34].any(axis=0).all()


def test_what_lies_outside_is_not_drawn():
    canvas = Canvas(20, 20)
    canvas.fill(-5, -5, 3, 3, TEXT)
    canvas.fill(18, 18, 30, 30, GRID)
    canvas.line([(-9, 3), (-2, 30)], TEXT)
    canvas.line([(19, 5), (40, 19)], TEXT)
    canvas.text(-3, 2, "a")
    canvas.text(16, 2, "a")
    canvas.rising_text(2, 60, "a")
    found = pixels(canvas)
    assert found.shape == (20, 20, 3)
    assert (found == DARK).all(axis=2).sum() == 0


def test_rising_text_is_the_text_turned():
    assert written("Rise").sum() == written("Rise", "rising_text").sum() > 30
    turned = np.rot90(written("F"))
    rising = written("F", "rising_text")
    assert (
        turned[turned.any(axis=1)][:, turned.any(axis=0)]
        == rising[rising.any(axis=1)][:, rising.any(axis=0)]
    ).all()


def test_letters_of_other_scripts_are_drawn_and_unknown_ones_are_a_question_mark():
    seen = {written(letter).tobytes() for letter in "aäéøßŁαΩЖя?"}
    assert len(seen) == 11
    assert (written("中") == written("?")).all()
    assert (written("ǻ") == written("a")).all() or (written("ǻ") == written("å")).all()


def test_shades_grow_darker_and_stay_within_their_ends():
    lightness = []
    for share in (-1.0, 0.0, 0.1, 0.5, 0.9, 1.0, 7.0):
        canvas = Canvas(1, 1)
        canvas.fill(0, 0, 1, 1, shade(share))
        lightness.append(int(pixels(canvas).sum()))
    assert lightness[0] == lightness[1] > lightness[2] > lightness[3] > lightness[4]
    assert lightness[4] > lightness[5] == lightness[6]


def test_a_copy_is_drawn_on_by_itself():
    canvas = Canvas(10, 10)
    other = canvas.copy()
    other.fill(0, 0, 10, 10, TEXT)
    assert (pixels(canvas) == 255).all()
    assert (pixels(other) == DARK).all()
