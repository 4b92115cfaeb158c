"""Learn: seven short lessons on the real engine, with a model that trains in seconds."""

from pathlib import Path

import streamlit as st

from backend.analysis.lessons import HEADS, LAYERS, ROWS
from pages.parts.common.ui import show_errors
from pages.parts.lessons import LESSONS

TEXTS = Path(__file__).parents[1] / "assets" / "lessons"


def choose() -> int:
    """The lesson in the address, counted from 1."""
    asked = st.query_params.get("lesson", "1")
    number = int(asked) if asked.isdecimal() and 1 <= int(asked) <= len(LESSONS) else 1
    chosen: int = st.segmented_control(
        "Lesson",
        range(1, len(LESSONS) + 1),
        default=number,
        required=True,
        key=f"lesson-{number}",
        format_func=lambda one: f"{one}",
    )
    if chosen != number:
        go_to(chosen)
    return number


def go_to(number: int) -> None:
    st.query_params["lesson"] = str(number)
    st.rerun()


st.title("Learn", anchor=False)
st.caption(
    f"Seven lessons on a real but small model: {LAYERS} layers of {HEADS} heads, trained on {ROWS:,} film "
    "reviews while you wait. Larger models behave similarly; the numbers differ. LFR, the label "
    "flip rate, is also called attack success rate (ASR)."
)
number = choose()
lesson = LESSONS[number - 1]
st.subheader(f"{number} · {lesson.title}", anchor=False)
st.markdown((TEXTS / f"{number}.md").read_text(encoding="utf-8"))
with show_errors():
    lesson.show()
with st.container(horizontal=True, horizontal_alignment="distribute"):
    if number > 1 and st.button(LESSONS[number - 2].title, icon=":material/arrow_back:", key="back"):
        go_to(number - 1)
    if number < len(LESSONS) and st.button(LESSONS[number].title, icon=":material/arrow_forward:", key="on"):
        go_to(number + 1)
