// What was traced unasked. A part that is pointed at, here or on the picture, shows its training images and lights
// them in the rows; a training image lights the part that it taught. Pressing a part asks about it. Heard and said
// on the document: 'whence-parts' [{word, box, tint, ranks, rows}], 'whence-part' {index, ranks} (index null: none; `ranks` the
// part's images), 'whence-image' id or null, 'whence-ask' box. Gives 'trace' {} for a picture that has just come.
const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
const parts = () => [...element.querySelectorAll(".traced-part")];
const ranksOf = (part) => JSON.parse(part.dataset.ranks);
let lit = null;
const light = (index) => {
  if (index === lit) return;
  lit = index;
  const all = parts(), part = all[index];
  say("whence-part", { index: part ? index : null, ranks: part ? ranksOf(part) : {} });
};
// What is shown stays shown: only another part takes its place.
document.addEventListener("whence-part", ({ detail: { index } }) => {
  lit = index;
  const all = parts();
  all.forEach((part, at) => part.classList.toggle("is-lit", at === index));
  if (index === null || !all[index]) return;
  element.querySelectorAll(".traced-of").forEach((images, at) => { images.hidden = at !== index; });
});
document.addEventListener("whence-image", ({ detail: id }) => {
  const ranks = parts().map((part) => (id !== null && ranksOf(part)[id]) || Infinity);
  const best = Math.min(...ranks);
  for (const image of element.querySelectorAll("[data-id]")) image.classList.toggle("is-lit", image.dataset.id === id);
  light(best < Infinity ? ranks.indexOf(best) : null);
});
const partAt = (event) => parts().indexOf(event.target.closest?.(".traced-part"));
const imageAt = (event) => event.target.closest?.(".traced-images [data-id]");
const point = (event) => {
  const image = imageAt(event), index = partAt(event);
  if (image) say("whence-image", image.dataset.id);
  else if (index >= 0) light(index);
};
const leave = (event) => {
  if (imageAt(event)) say("whence-image", null);
  else if (partAt(event) >= 0) light(null);
};
element.addEventListener("pointerover", (event) => event.pointerType === "mouse" && point(event));
element.addEventListener("pointerout", (event) => event.pointerType === "mouse" && leave(event));
element.addEventListener("focusin", point);
element.addEventListener("focusout", leave);
element.addEventListener("click", (event) => {
  const part = parts()[partAt(event)];
  if (part) say("whence-ask", JSON.parse(part.dataset.box));
});
const idle = window.requestIdleCallback || setTimeout;
const tell = () => {
  lit = null;
  const of = (part) => ({ word: part.dataset.word, box: JSON.parse(part.dataset.box), tint: Number(part.dataset.tint), ranks: ranksOf(part), rows: JSON.parse(part.dataset.rows) });
  say("whence-parts", parts().map(of));
  if (element.querySelector("[data-trace]")) idle(() => trigger("trace", {})); // of a picture that has just come
};
watch("value", () => requestAnimationFrame(tell));
