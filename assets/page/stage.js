// The picture with its boxes. Python gives {src, alt, boxes: [{label, box, snapped}], active, most, grid, at};
// we give back 'box' {box: [x0, y0, x1, y1] or null, index, at} when one was drawn, moved or taken away,
// 'choose' {index} when one was picked, and 'upload' {token} when a file was dropped. `at` is when a box was
// told, on this page's clock: one may be drawn while the answer to the one before is on its way.
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
const shade = document.createElementNS("http://www.w3.org/2000/svg", "svg");
shade.setAttribute("class", "stage-shade");
shade.setAttribute("viewBox", "0 0 1 1");
shade.setAttribute("preserveAspectRatio", "none");
shade.setAttribute("aria-hidden", "true");
frame.append(shade);
const traced = make("div", "stage-traced", frame);
const taught = make("div", "stage-taught", frame); // the first training images of the part that is pointed at
for (const each of [traced, taught]) each.setAttribute("aria-hidden", "true");
const marks = make("div", "stage-marks", frame);
const invite = make("div", "stage-invite", frame);
make("span", "stage-glyph", invite);
make("p", "", invite).textContent = "Generate a picture, drop or paste one, or pick an example";
make("div", "stage-busy", frame);

// The same rule as Box.snapped, so that the preview follows the finger; the server's answer replaces it.
const snap = ([x0, y0, x1, y1], [height, width]) => {
  const left = Math.floor(x0 * width + 1e-9), top = Math.floor(y0 * height + 1e-9);
  const right = Math.max(Math.ceil(x1 * width - 1e-9), left + 1);
  const bottom = Math.max(Math.ceil(y1 * height - 1e-9), top + 1);
  return [left / width, top / height, right / width, bottom / height];
};

let boxes = []; // as they are on the screen: [{label, box, snapped}]
let active = 0; // the one that is drawn and moved; one past the last while another is to be added
const place = (part, [x0, y0, x1, y1]) => {
  part.style.left = `${100 * x0}%`;
  part.style.top = `${100 * y0}%`;
  part.style.width = `${100 * (x1 - x0)}%`;
  part.style.height = `${100 * (y1 - y0)}%`;
};
const draw = () => {
  marks.replaceChildren();
  boxes.forEach(({ label, box, snapped }, index) => {
    const outer = make("div", "picture-box stage-snapped", marks);
    place(outer, snapped);
    outer.dataset.part = label;
    outer.classList.toggle("is-active", index === active);
    if (boxes.length > 1) make("b", "", outer).textContent = label;
    place(make("div", "stage-drawn", marks), box);
  });
  const holes = boxes.map(({ snapped: [x0, y0, x1, y1] }) => `<rect x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}" fill="black"/>`);
  shade.innerHTML = boxes.length ? `<mask id="stage-holes"><rect width="1" height="1" fill="white"/>${holes.join("")}</mask><rect width="1" height="1" fill="rgb(15 12 9 / 48%)" mask="url(#stage-holes)"/>` : "";
  frame.classList.toggle("has-box", boxes.length > 0);
  frame.classList.toggle("is-adding", active >= boxes.length && boxes.length > 0);
};
const show = (box, index) => {
  const next = boxes.slice();
  if (box) next[index] = { label: "ABCDEFGH"[index], box, snapped: snap(box, props.value.grid) };
  else next.splice(index, 1);
  boxes = next;
  active = index;
  draw();
};

// What was traced unasked (traced.js): pointed at here as there, and pressed to be asked about.
let found = [], lit = null; // [{word, box, tint, ranks, rows}], and which of them is pointed at
const lightPart = (index) => {
  lit = index;
  [...traced.children].forEach((part, at) => part.classList.toggle("is-lit", at === index));
  taught.replaceChildren();
  if (index === null) return;
  const { box: [, y0, , y1], rows } = found[index];
  taught.classList.toggle("is-below", y0 + y1 < 1); // away from the part
  for (const row of rows) make("img", "", taught).src = `thumbs/${row}`;
};
const pointAt = (index) => {
  const ranks = index === null ? {} : found[index].ranks;
  if (index !== lit) document.dispatchEvent(new CustomEvent("whence-part", { detail: { index, ranks } }));
};
document.addEventListener("whence-parts", ({ detail }) => {
  found = detail;
  traced.replaceChildren();
  for (const { word, box, tint } of found) {
    const part = make("div", "stage-part", traced);
    place(part, box);
    part.style.setProperty("--tint", tint);
    make("b", "", part).textContent = word;
  }
  lightPart(null);
});
document.addEventListener("whence-part", ({ detail: { index } }) => lightPart(index));
document.addEventListener("whence-ask", ({ detail: box }) => tell(box, Math.min(active, props.value.most - 1)));
// The smallest part that a place lies in.
const partAt = ([x, y]) => {
  const size = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
  const over = found.filter(({ box: [x0, y0, x1, y1] }) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
  return over.length ? found.indexOf(over.reduce((one, other) => (size(other) < size(one) ? other : one))) : null;
};

const render = () => {
  const value = props.value;
  if (value.at < latest) return; // what was drawn since is not in it
  frame.classList.toggle("has-picture", !!value.src);
  frame.classList.toggle("is-preview", !!value.preview);
  picture.hidden = !value.src;
  if (value.src && picture.src !== value.src) picture.src = value.src;
  picture.alt = value.alt || "";
  if (value.src) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "The picture. Draw a box with the pointer, or with Enter and the arrow keys; Shift sizes it, Delete removes it, plus adds another, 1 to 4 choose one.");
  }
  boxes = value.boxes || [];
  active = value.active || 0;
  draw();
};

const clamp = (number) => Math.min(1, Math.max(0, number));
const at = (event) => {
  const area = frame.getBoundingClientRect();
  return [clamp((event.clientX - area.left) / area.width), clamp((event.clientY - area.top) / area.height)];
};
let latest = 0; // when a box was told last
const send = (box, index) => {
  latest = performance.now();
  trigger("box", { box, index, at: latest });
};
const tell = (box, index) => {
  show(box, index);
  send(box, index);
};
const free = () => boxes.length < props.value.most;

let start = null, target = 0, before = [];
frame.addEventListener("pointerdown", (event) => {
  if (!props.value.src || props.value.preview || event.button !== 0) return;
  start = at(event);
  target = event.shiftKey && free() ? boxes.length : Math.min(active, props.value.most - 1);
  before = boxes;
  frame.setPointerCapture(event.pointerId);
});
const between = (event) => {
  const [x, y] = at(event);
  return [Math.min(start[0], x), Math.min(start[1], y), Math.max(start[0], x), Math.max(start[1], y)];
};
const isBox = ([x0, y0, x1, y1]) => x1 - x0 > 0.02 && y1 - y0 > 0.02;
frame.addEventListener("pointermove", (event) => {
  if (!start && event.pointerType === "mouse") pointAt(partAt(at(event)));
  if (!start) return;
  const box = between(event);
  if (isBox(box)) show(box, target);
});
frame.addEventListener("pointerup", (event) => {
  if (!start) return;
  const box = between(event).map((side) => Math.round(side * 1000) / 1000);
  const [x, y] = start;
  start = null;
  if (isBox(box)) return tell(box, target);
  boxes = before;
  const hit = boxes.findIndex(({ snapped: [x0, y0, x1, y1] }) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
  const part = partAt([x, y]);
  if (hit >= 0 && boxes.length > 1) trigger("choose", { index: hit });
  else if (hit < 0 && part !== null) {
    if (event.pointerType === "mouse" || part === lit) return tell(found[part].box, target);
    pointAt(part); // a finger points first
  } else if (hit < 0 && boxes.length === 1 && active === 0) tell(null, 0); // a click beside it takes it away
  draw();
});
frame.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && pointAt(null));
frame.addEventListener("pointercancel", () => {
  start = null;
  render();
});

let telling = null, resting = () => {}; // arrow keys repeat: tell once they rest
const rest = () => {
  clearTimeout(telling);
  resting();
  resting = () => {};
};
// Ctrl+Enter asks at once (page.js), of where the box is by now.
addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && rest(), true);
frame.addEventListener("keydown", (event) => {
  if (!props.value.src || props.value.preview || event.ctrlKey || event.metaKey || event.altKey) return;
  const [rows, columns] = props.value.grid;
  const moves = { ArrowLeft: [-1 / columns, 0], ArrowRight: [1 / columns, 0], ArrowUp: [0, -1 / rows], ArrowDown: [0, 1 / rows] };
  const box = boxes[active] && boxes[active].box;
  let next, index = active;
  if (event.key === "Enter") next = box || [0.25, 0.25, 0.75, 0.75];
  else if (event.key === "+" && boxes.length && free()) [next, index] = [[0.3, 0.3, 0.7, 0.7], boxes.length];
  else if ((event.key === "Delete" || event.key === "Backspace") && box) next = null;
  else if (/^[1-9]$/.test(event.key) && boxes[event.key - 1]) {
    event.preventDefault();
    return trigger("choose", { index: event.key - 1 });
  } else if (moves[event.key] && box) {
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
  show(next, index);
  clearTimeout(telling);
  resting = () => send(next, index);
  telling = setTimeout(rest, 250);
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

// So is a picture that is pasted anywhere on the desk; text goes where the cursor is.
document.addEventListener("paste", async (event) => {
  const file = window.whence.pasted(event);
  if (!file || !window.whence.deskIsSeen()) return;
  event.preventDefault();
  trigger("upload", await window.whence.upload(file));
});

watch("value", render);
render();
