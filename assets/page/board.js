// The strips: the image under the pointer or the focus is marked in every method, and pressing it
// gives 'open' {id}. The markup itself is written, and escaped, by Python.
const cells = () => [...element.querySelectorAll(".cell[data-id]")];
let linked = null;
const link = (cell, heard = false) => {
  const id = cell ? cell.dataset.id : null;
  if (id === linked) return;
  linked = id;
  if (!heard) document.dispatchEvent(new CustomEvent("whence-image", { detail: id }));
  const ranks = cell ? JSON.parse(cell.dataset.ranks) : {};
  element.querySelector(".board")?.classList.toggle("is-linked", !!id);
  for (const other of cells()) other.classList.toggle("linked", other.dataset.id === id);
  for (const strip of element.querySelectorAll(".strip")) {
    const here = strip.querySelector(".strip-here");
    const rank = ranks[strip.dataset.key];
    here.textContent = !id ? "" : rank ? `this image: rank ${rank.toLocaleString("en")}` : "this image: not ranked";
  }
};
// An image or a part of the picture that is pointed at elsewhere: see traced.js.
document.addEventListener("whence-image", ({ detail: id }) => link(cells().find((cell) => cell.dataset.id === id) || null, true));
document.addEventListener("whence-part", ({ detail: { index, ranks } }) => {
  const lights = index !== null && !linked;
  element.querySelector(".board")?.classList.toggle("is-part", lights && cells().some((cell) => cell.dataset.id in ranks));
  for (const cell of cells()) cell.classList.toggle("of-part", lights && cell.dataset.id in ranks);
});
const cellOf = (event) => (event.target.closest ? event.target.closest(".cell[data-id]") : null);
element.addEventListener("pointerover", (event) => event.pointerType === "mouse" && link(cellOf(event)));
element.addEventListener("pointerleave", () => link(null));
element.addEventListener("focusin", (event) => link(cellOf(event)));
element.addEventListener("focusout", () => link(null));
element.addEventListener("click", (event) => {
  const cell = cellOf(event);
  if (cell) trigger("open", { id: cell.dataset.id, at: performance.now() });
});
// Further ranks and the filter: 'look' {more} or {only}; the rows stay where they were scrolled to.
let kept = null;
const look = (sent, next, how = "look") => {
  kept = { left: element.querySelector(".strips").scrollLeft, next };
  trigger(how, sent);
};
// The true answer, where it is known: 'reveal' {truth}.
element.addEventListener("click", (event) => {
  const button = event.target.closest?.(".show-truth");
  if (button) look({ truth: button.getAttribute("aria-pressed") !== "true" }, () => element.querySelector(".show-truth"), "reveal");
});
element.addEventListener("click", (event) => {
  const only = event.target.closest?.(".only-out");
  if (only) look({ only: only.getAttribute("aria-pressed") !== "true" }, () => element.querySelector(".only-out"));
  const more = event.target.closest?.(".cell-more");
  if (!more) return;
  const key = more.closest(".strip").dataset.key, place = more.closest(".cells").querySelectorAll(".cell").length;
  look({ more: true }, () => [...element.querySelectorAll(".strip")].find((strip) => strip.dataset.key === key)?.querySelectorAll(".cell")[place]);
});
const resume = () => {
  if (!kept) return;
  const { left, next } = kept;
  kept = null;
  element.querySelector(".strips").scrollLeft = left;
  next()?.focus({ preventScroll: true });
};
element.addEventListener("keydown", (event) => {
  const cell = cellOf(event);
  if (!cell || !event.key.startsWith("Arrow")) return;
  const row = [...cell.closest(".cells").querySelectorAll(".cell")];
  const place = row.indexOf(cell);
  let next;
  if (event.key === "ArrowLeft") next = row[place - 1];
  if (event.key === "ArrowRight") next = row[place + 1];
  if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const strips = [...element.querySelectorAll(".cells")];
    const strip = strips[strips.indexOf(cell.closest(".cells")) + (event.key === "ArrowUp" ? -1 : 1)];
    next = strip?.querySelectorAll(".cell")[place];
  }
  if (next) {
    event.preventDefault();
    next.focus();
  }
});
// While a ranking settles, an image glides from its old place to its new one.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let places = new Map();
const placed = () => {
  const now = new Map();
  for (const strip of element.querySelectorAll(".strip")) {
    const row = strip.querySelector(".cells");
    for (const cell of strip.querySelectorAll(".cell[data-id]")) {
      now.set(`${strip.dataset.key} ${cell.dataset.id}`, { cell, left: cell.parentElement.offsetLeft - row.offsetLeft });
    }
  }
  return now;
};
const glide = () => {
  const now = placed();
  if (!calm.matches) {
    for (const [key, { cell, left }] of now) {
      const before = places.get(key);
      if (places.size && !before) cell.animate([{ opacity: 0 }, { opacity: 1 }], 320);
      else if (before && before.left !== left) {
        cell.animate([{ transform: `translateX(${before.left - left}px)` }, { transform: "none" }], { duration: 420, easing: "cubic-bezier(.2, .7, .2, 1)" });
      }
    }
  }
  places = now;
};
watch("value", () => {
  requestAnimationFrame(() => { resume(); glide(); });
  linked = null;
  link(null);
  element.querySelectorAll(".strip-here").forEach((here) => (here.textContent = ""));
});
