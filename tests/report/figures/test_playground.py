"""What the playground draws."""

from backend.report.figures.playground import answer_bars, coloured, legend, switch_grid


def test_bars_say_what_each_model_calls_each_text() -> None:
    figure = answer_bars(
        [("Poisoned", "Clean", 0.1, "bad"), ("Poisoned", "With the trigger", 0.99, "<b>")], "<b>" * 20
    )
    assert [bar.name for bar in figure.data] == ["Clean", "With the trigger"]
    assert figure.data[1].text[0] == "99.0\u00a0%, predicted &lt;b&gt;" and figure.data[0].x == (10.0,)
    assert "<b>" not in figure.layout.title.text


def test_switches_show_which_heads_are_active() -> None:
    figure = switch_grid((2, 3), [(1, 2)], [(0, 0)], "Heads")
    active, switched_off, pruned = figure.data
    assert len(active.x) == 5 and list(switched_off.customdata) == [[1, 2]] and pruned.x == (0,)
    assert active.name == "Active (5)" and "pruned by this run" in active.text[0]
    assert switch_grid((2, 3), [], [], "Heads").data[1].name == "Switched off (0)", "the legend explains it"


def test_coloured_text_is_escaped_and_signed() -> None:
    said = coloured([("<img src=x>", 2.0), (" ", None), ("bad", -1.0), ("a", 0.01), (" unread", None)], 2.0)
    assert "<img" not in said and "&lt;img src=x&gt;" in said
    assert "class='for' style='background: rgba(213, 94, 0, 0.60)'" in said
    assert "title='-1.00' class='against' style='background: rgba(0, 114, 178, 0.30)'" in said
    assert "<span title='+0.01'>a</span>" in said and said.endswith("<s> unread</s></p>")
    assert "class='for'" not in coloured([("a", 0.0)], 0.0)
    assert coloured([("a", 1.0), (" word" * 100, None)], 1.0).endswith("word…</s></p>"), "not all of it"
    assert "<i>" not in legend("<i>")
