"""The dashboard: page config, navigation, and what runs beside it: a worker, and readers of files."""

from pathlib import Path

import streamlit as st

from pages.parts.common.reading import read_files_elsewhere
from pages.parts.common.supervisor import supervisor

ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="Excise", page_icon=str(ASSETS / "icon.svg"), layout="wide")
st.logo(ASSETS / "logo.svg", icon_image=ASSETS / "icon.svg", size="large")
st.html(ASSETS / "style.css")
supervisor()
read_files_elsewhere()
st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/home:", default=True),
        st.Page("pages/check.py", title="Check", icon=":material/policy:"),
        st.Page("pages/attack.py", title="Attack", icon=":material/bug_report:"),
        st.Page("pages/defend.py", title="Defend", icon=":material/shield:"),
        st.Page("pages/heads.py", title="Heads", icon=":material/apps:"),
        st.Page("pages/attention.py", title="Attention", icon=":material/visibility:"),
        st.Page("pages/playground.py", title="Playground", icon=":material/science:"),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("pages/learn.py", title="Learn", icon=":material/school:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/list_alt:"),
        st.Page("pages/library.py", title="Library", icon=":material/inventory_2:"),
        st.Page("pages/studies.py", title="Studies", icon=":material/grid_view:"),
    ]
).run()
