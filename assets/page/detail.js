// One training image, large, in a dialog of the browser's own. It lives outside the template, so that
// a new value does not close it. value: {html, id, at, closer}; the markup is written, and escaped, by
// Python. Gives 'open' {id, at} for another image and 'use' {id} for the one that is to be asked about.
// `at` is when an image was asked for, on this page's clock: requests overtake each other.
const dialog = document.createElement("dialog");
dialog.className = "detail";
dialog.setAttribute("aria-label", "Training image");
const button = (name, label, text) => {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.setAttribute("aria-label", label);
  made.textContent = text;
  return made;
};
const bar = document.createElement("div");
bar.className = "detail-bar";
const before = button("detail-before", "Previous image", "‹");
const after = button("detail-after", "Next image", "›");
const place = document.createElement("span");
place.className = "detail-place";
place.setAttribute("aria-live", "polite");
const close = button("detail-close", "Close", "×");
bar.append(before, after, place, close);
const body = document.createElement("div");
body.className = "detail-body";
dialog.append(bar, body);
document.querySelector(".gradio-container").append(dialog);

let row = [], name = ""; // the images of the ranking, or of the neighbours, that this one was opened from
let asked = null; // the image that was asked for last: keys may be quicker than answers
let latest = 0; // when the image that is shown was asked for: an answer that was overtaken is not shown
const open = (id) => {
  asked = id;
  trigger("open", { id, at: performance.now() });
};
const listed = (buttons, key) => [...buttons].map((one) => one.dataset[key]);
document.addEventListener("click", (event) => {
  const cell = event.target.closest && event.target.closest(".cell[data-id]");
  if (!cell) return;
  asked = null;
  row = listed(cell.closest(".cells").querySelectorAll(".cell[data-id]"), "id");
  name = cell.closest(".strip, .unsure-strip, .shelf")?.querySelector("h3, h4")?.textContent || "";
}, true);
const move = (step) => {
  const at = row.indexOf(asked || body.dataset.id);
  if (at >= 0 && row[at + step] !== undefined) open(row[at + step]);
};
const told = () => {
  const at = row.indexOf(body.dataset.id);
  before.disabled = at < 1;
  after.disabled = at < 0 || at === row.length - 1;
  place.textContent = at < 0 ? "" : `${at + 1} of ${row.length} · ${name}`;
};
before.addEventListener("click", () => move(-1));
after.addEventListener("click", () => move(1));
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
  const near = event.target.closest("[data-open]");
  const used = event.target.closest("[data-use]");
  if (near) {
    row = listed(near.closest("ul").querySelectorAll("[data-open]"), "open");
    name = near.closest("ul").previousElementSibling.textContent;
    open(near.dataset.open);
  }
  if (used) {
    dialog.close();
    trigger("use", { id: used.dataset.use });
    document.querySelector("#stage").scrollIntoView({ behavior: "smooth", block: "nearest" });
  }
});
dialog.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  event.preventDefault();
  move(event.key === "ArrowLeft" ? -1 : 1);
});
watch("value", () => {
  if (!props.value || !props.value.html) return;
  // What comes later belongs to the image that is open still, or to nothing.
  if (props.value.at < latest) return;
  latest = props.value.at;
  if (!props.value.closer && props.value.id === asked) asked = null;
  if (props.value.closer && (!dialog.open || body.dataset.id !== props.value.id)) return;
  const held = body.contains(document.activeElement); // what had the focus is about to go
  const same = body.dataset.id === props.value.id;
  const scrolled = dialog.scrollTop;
  body.dataset.id = props.value.id;
  body.innerHTML = props.value.html;
  told();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = same ? scrolled : 0;
  if (held) body.querySelector("h3").focus({ preventScroll: true });
});
