// What bertviz asks of require.js: a module loader for two libraries that are here already.
const require = {config() {}};
const requirejs = (names, start) => start(jQuery, d3);

// After bertviz has drawn: names for those who do not see it, crosses on pruned heads, the theme around it.
function finish() {
  PANELS.forEach((panel, number) => {
    const root = document.getElementById(panel.root_div_id), choice = root.querySelector("#layer");
    const draw = () => {
      const drawing = root.querySelector("svg");
      drawing.setAttribute("role", "img");
      drawing.setAttribute("aria-label", "Attention as lines between tokens");
      if (choice) markHeads(drawing, +choice.value, PRUNED[number]);
      else markThumbnails(drawing, panel.include_layers, PRUNED[number]);
    };
    draw();
    // bertviz's own handler draws anew before this one is called.
    if (choice) jQuery(choice).on("change", draw);
  });
  followTheme();
}

function markHeads(drawing, layer, pruned) {
  const size = 20;
  drawing.querySelectorAll(":scope > g:last-of-type > rect").forEach((box, head) => {
    const gone = pruned.some(one => one[0] === layer && one[1] === head);
    const title = document.createElementNS(drawing.namespaceURI, "title");
    title.textContent = `Head ${head}${gone ? ", pruned" : ""}. Click: show or hide; double click: alone, or all`;
    box.append(title);
    if (gone) cross(box.parentNode, head * size + 5, 5, size - 10);
  });
}

function markThumbnails(drawing, layers, pruned) {
  // Its width is fixed; in a narrow window all of it shrinks.
  drawing.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
  drawing.setAttribute("width", "100%");
  drawing.removeAttribute("height");
  for (const [layer, head] of pruned) {
    const box = drawing.querySelector(`#attn_background_${layers.indexOf(layer)}_${head}`);
    if (box) cross(box.parentNode, +box.getAttribute("x") + 4, +box.getAttribute("y") + 4, 10);
  }
}

function cross(parent, x, y, size) {
  const mark = document.createElementNS(parent.namespaceURI, "path");
  mark.setAttribute("class", "pruned");
  mark.setAttribute("d", `M${x} ${y}l${size} ${size}m0 ${-size}l${-size} ${size}`);
  parent.append(mark);
}

// The page around the frame says what is light and what is dark, and may change its mind.
function followTheme() {
  const app = window.frameElement && window.frameElement.ownerDocument.querySelector(".stApp");
  if (!app) return;
  const follow = () => {
    const colour = getComputedStyle(app).backgroundColor;
    document.documentElement.classList.toggle("dark", d3.lab(colour).l < 50);
    document.documentElement.style.backgroundColor = colour;
  };
  follow();
  new MutationObserver(follow).observe(app, {attributes: true});
}
