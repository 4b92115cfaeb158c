"use strict";
// Draws the figures of the report in the colours of the reader's theme, and of paper when it is printed.
const dark = matchMedia("(prefers-color-scheme: dark)");
const LIGHT = { ink: "#1B2733", line: "#D5DDE3", ground: "#FFFFFF" };
const DARK = { ink: "#E6EDF3", line: "#33414E", ground: "#1A232C" };
const PAPER_WIDTH = 660;
const figures = [...document.querySelectorAll(".figure")];

function look(colours) {
  const layout = {
    "font.color": colours.ink,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    "hoverlabel.bgcolor": colours.ground,
    "hoverlabel.font.color": colours.ink,
  };
  for (const axis of ["xaxis", "yaxis"]) {
    for (const part of ["gridcolor", "zerolinecolor", "linecolor", "dividercolor"]) layout[`${axis}.${part}`] = colours.line;
  }
  return layout;
}

function colours() {
  return dark.matches ? DARK : LIGHT;
}

function repaint(palette, size) {
  for (const figure of figures) Plotly.relayout(figure, { ...look(palette), ...size });
}

for (const figure of figures) {
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  const config = {
    responsive: true,
    displaylogo: false,
    toImageButtonOptions: { filename: `excise-${figure.id}`, scale: 2 },
  };
  Plotly.newPlot(figure, data, layout, config).then(() => Plotly.relayout(figure, look(colours())));
}
dark.addEventListener("change", () => repaint(colours(), {}));

const closed = [];
addEventListener("beforeprint", () => {
  closed.push(...document.querySelectorAll("details:not([open])"));
  for (const one of closed) one.open = true;
  repaint(LIGHT, { width: PAPER_WIDTH });
});
addEventListener("afterprint", () => {
  for (const one of closed.splice(0)) one.open = false;
  repaint(colours(), { width: null, autosize: true });
});

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Where a page may not write the clipboard, the reader still can.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
  });
}
