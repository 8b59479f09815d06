"""Plots hold all their dots, in the order and the colours that they are given."""

import pytest

from core.html.plots import Dot, axis, dot_plot, histogram

COLOURS = {"high": 0, "mid": 1, "low": 2}


def plot(label, dots, **options):
    return dot_plot(label, dots, COLOURS, "{:.3f}".format, **options)


def test_a_plot_keeps_the_order_of_its_dots_and_its_axis_holds_all():
    dots = [Dot("high_one", "high", 0.8), Dot("low_one", "low", 0.2, (0.1, 0.33))]
    drawn = plot("p", dots, mean=0.5)
    assert drawn.columns == ["high_one", "low_one"] and drawn.legend == [("high", 0), ("low", 2)]
    assert [(kind, colour) for kind, colour, _ in drawn.paths] == [("whisker", 2), ("dot", 0), ("dot", 2)]
    assert drawn.description == "p: from 0.800 in high_one to 0.200 in low_one"
    assert drawn.ticks[-1][0] < drawn.mean[0] < drawn.ticks[0][0] and drawn.mean[1] == "0.500"
    assert plot("p", []) is None


def test_dots_of_one_label_share_a_column():
    drawn = plot("p", [Dot("a", "high", 1.0), Dot("a", "low", 2.0), Dot("b", "low", 3.0)], with_zero=True)
    columns = {path.split(" ")[0] for _, _, path in drawn.paths}
    assert drawn.columns == ["a", "b"] and len(columns) == 1
    assert drawn.zero == drawn.ticks[0][0] and drawn.ticks[0][1] == "0"


def test_one_series_needs_no_legend():
    assert dot_plot("p", [Dot("a", "x", 1.0)], {"x": 0}, str).legend == []


def test_hundreds_of_columns_stay_wide_enough_for_their_names():
    drawn = plot("p", [Dot(f"l{index}", "mid", float(index)) for index in range(300)])
    assert drawn.column_width == 13 and drawn.width > 300 * 13


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [0.1, 0.97], [-3, 81.2], [1e-9, 2e-9], [0.5, 0.5000001]])
def test_an_axis_holds_its_values_between_a_few_round_numbers(values):
    ticks = axis(values)
    assert ticks[0] <= min(values) and ticks[-1] >= max(values) and 2 <= len(ticks) <= 9


def test_a_histogram_is_as_high_as_its_counts():
    drawn = histogram("h", {"1": 50, "2": 100, "4": 0}, "characters")
    assert drawn.columns == [("1", 50, 75), ("2", 100, 150), ("4", 0, 0)]
    assert histogram("h", {}, "characters") is None and histogram("h", {"1": 0}, "x").columns == [("1", 0, 0)]
