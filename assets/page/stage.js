// The picture with its box. Python gives {src, alt, box, snapped, grid}; we give back
// 'box' {box: [x0, y0, x1, y1] or null} when one was drawn, and 'upload' {token} when a file was dropped.
const host = element.querySelector(".stage-host");
const make = (tag, name, parent) => {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
};
const frame = make("div", "stage", host);
const picture = make("img", "stage-picture", frame);
picture.draggable = false;
const snapped = make("div", "stage-snapped", frame);
const drawn = make("div", "stage-drawn", frame);
const invite = make("div", "stage-invite", frame);
make("span", "stage-glyph", invite);
make("p", "", invite).textContent = "Generate a picture, drop one here, or pick an example";
make("div", "stage-busy", frame);

const place = (part, box) => {
  part.hidden = !box;
  if (!box) return;
  const [x0, y0, x1, y1] = box.map((side) => 100 * side);
  part.style.left = `${x0}%`;
  part.style.top = `${y0}%`;
  part.style.width = `${x1 - x0}%`;
  part.style.height = `${y1 - y0}%`;
};

// The same rule as Box.snapped, so that the preview follows the finger; the server's answer replaces it.
const snap = ([x0, y0, x1, y1], [height, width]) => {
  const left = Math.floor(x0 * width + 1e-9), top = Math.floor(y0 * height + 1e-9);
  const right = Math.max(Math.ceil(x1 * width - 1e-9), left + 1);
  const bottom = Math.max(Math.ceil(y1 * height - 1e-9), top + 1);
  return [left / width, top / height, right / width, bottom / height];
};

let box = null;
const show = (shown) => {
  box = shown;
  place(drawn, shown);
  place(snapped, shown && snap(shown, props.value.grid));
  frame.classList.toggle("has-box", !!shown);
};

const render = () => {
  const value = props.value;
  frame.classList.toggle("has-picture", !!value.src);
  picture.hidden = !value.src;
  if (value.src && picture.src !== value.src) picture.src = value.src;
  picture.alt = value.alt || "";
  if (value.src) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "The picture. Draw a box with the pointer, or with Enter and the arrow keys; Shift sizes it, Delete removes it.");
  }
  box = value.box;
  place(drawn, value.box);
  place(snapped, value.snapped);
  frame.classList.toggle("has-box", !!value.box);
};

const clamp = (number) => Math.min(1, Math.max(0, number));
const at = (event) => {
  const area = frame.getBoundingClientRect();
  return [clamp((event.clientX - area.left) / area.width), clamp((event.clientY - area.top) / area.height)];
};
const tell = (shown) => {
  show(shown);
  trigger("box", { box: shown });
};

let start = null;
frame.addEventListener("pointerdown", (event) => {
  if (!props.value.src || event.button !== 0) return;
  start = at(event);
  frame.setPointerCapture(event.pointerId);
});
const between = (event) => {
  const [x, y] = at(event);
  return [Math.min(start[0], x), Math.min(start[1], y), Math.max(start[0], x), Math.max(start[1], y)];
};
const isBox = ([x0, y0, x1, y1]) => x1 - x0 > 0.02 && y1 - y0 > 0.02;
frame.addEventListener("pointermove", (event) => {
  if (!start) return;
  const shown = between(event);
  if (isBox(shown)) show(shown);
});
frame.addEventListener("pointerup", (event) => {
  if (!start) return;
  const shown = between(event).map((side) => Math.round(side * 1000) / 1000);
  start = null;
  if (isBox(shown)) tell(shown);
  else if (box) tell(null); // a click takes the box away
});
frame.addEventListener("pointercancel", () => {
  start = null;
  render();
});

let telling = null; // arrow keys repeat: tell once they rest
frame.addEventListener("keydown", (event) => {
  if (!props.value.src) return;
  const [rows, columns] = props.value.grid;
  const moves = { ArrowLeft: [-1 / columns, 0], ArrowRight: [1 / columns, 0], ArrowUp: [0, -1 / rows], ArrowDown: [0, 1 / rows] };
  let next;
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) next = box || [0.25, 0.25, 0.75, 0.75];
  else if (event.key === "Delete" || event.key === "Backspace") next = null;
  else if (moves[event.key] && box) {
    const [dx, dy] = moves[event.key];
    let [x0, y0, x1, y1] = box;
    if (event.shiftKey) {
      x1 = Math.max(x0 + 1 / columns, clamp(x1 + dx));
      y1 = Math.max(y0 + 1 / rows, clamp(y1 + dy));
      if (x1 > 1 || y1 > 1) return;
    } else {
      const right = Math.min(Math.max(dx, -x0), 1 - x1), down = Math.min(Math.max(dy, -y0), 1 - y1);
      [x0, y0, x1, y1] = [x0 + right, y0 + down, x1 + right, y1 + down];
    }
    next = [x0, y0, x1, y1].map(clamp);
  } else return;
  event.preventDefault();
  show(next);
  clearTimeout(telling);
  telling = setTimeout(() => trigger("box", { box: next }), 250);
});

// A file dropped on the picture is an upload.
frame.addEventListener("dragover", (event) => {
  event.preventDefault();
  frame.classList.add("is-target");
});
frame.addEventListener("dragleave", () => frame.classList.remove("is-target"));
frame.addEventListener("drop", async (event) => {
  event.preventDefault();
  frame.classList.remove("is-target");
  const file = event.dataTransfer.files[0];
  if (file) trigger("upload", await window.whence.upload(file));
});

watch("value", render);
render();
