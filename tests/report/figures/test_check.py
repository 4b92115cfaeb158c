"""The figure of a scan."""

from backend.base.events import LayerChange, LayersCompared, TokensScanned
from backend.report.figures.check import MOST_BARS, layers_compared, strongest_tokens


def scan(*strongest: tuple[str, str, float]) -> TokensScanned:
    return TokensScanned(
        run="r", model="received", scanned=10, tokens=100, left_out=0, strongest=list(strongest)
    )


def test_tokens_stand_in_their_order_in_the_colour_of_their_class() -> None:
    figure = strongest_tokens(scan(("kelmor", "spam", 8.5), ("dull", "ham", 6.1), ("vorlu", "spam", 4.0)))
    assert {trace.name: list(trace.y) for trace in figure.data} == {
        "to “spam”": ["kelmor", "vorlu"],
        "to “ham”": ["dull"],
    }
    assert list(figure.layout.yaxis.categoryarray) == ["kelmor", "dull", "vorlu"]
    assert len({trace.marker.color for trace in figure.data}) == 2


def test_tags_in_tokens_and_classes_do_not_count() -> None:
    figure = strongest_tokens(scan(("<b>zx</b>", "<i>spam</i>", 2.0)))
    assert list(figure.data[0].y) == ["&lt;b&gt;zx&lt;/b&gt;"]
    assert "<i>" not in figure.data[0].name and "<i>" not in figure.data[0].hovertemplate


def test_many_tokens_are_cut_to_what_is_read_at_a_glance() -> None:
    figure = strongest_tokens(scan(*((f"t{number}", "spam", 9.0 - number / 10) for number in range(50))))
    assert len(figure.data[0].y) == MOST_BARS


def compared(clean: float | None) -> LayersCompared:
    parts = [LayerChange(part=part, change=0.02, clean_change=clean) for part in ("embeddings", "layer 0")]
    return LayersCompared(
        run="r", model="received", base="<b>owner</b>", stated=True, comes_from=True, parts=parts
    )


def test_each_layer_stands_beside_that_of_the_clean_model() -> None:
    figure = layers_compared(compared(0.01))
    assert [(trace.name, list(trace.x), list(trace.y)) for trace in figure.data] == [
        ("this model", ["Embeddings", "Layer 0"], [2.0, 2.0]),
        ("the clean model", ["Embeddings", "Layer 0"], [1.0, 1.0]),
    ]
    assert "<b>" not in figure.layout.title.text
    assert [trace.name for trace in layers_compared(compared(None)).data] == ["this model"]
