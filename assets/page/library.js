// The library. What is looked at stands in the address, so that it can be linked and Back goes back:
// ?library=shelf|collection|work, text, by, is=COLUMN:VALUE, like, space, and PAGE. Gives 'look' {question, at}
// and 'bring' {token} or {refused}; the markup that comes back is written, and escaped, by Python.
// What is chosen image by image lives in this tab.
const PICKED = "whence-picked", MOST_PICKED = 1000;
const PAGE = "library-page";  // "page" names a page of Gradio's, and an unknown one is refused
const part = (name) => element.querySelector(name);
const form = part(".library-search"), shelf = part(".shelf-host"), columns = part(".columns-host");
const problem = part(".library-problem"), tray = part(".tray");
const text = form.elements.text, by = form.elements.by;

// The address

const view = () => new URLSearchParams(location.search).get("library");
const question = () => {
  const asked = new URLSearchParams(location.search);
  const filters = asked.getAll("is").map((each) => {
    const colon = each.indexOf(":");
    return [decodeURIComponent(each.slice(0, colon)), each.slice(colon + 1)];
  });
  const page = Math.max(1, Math.floor(Number(asked.get(PAGE))) || 1);
  return { text: asked.get("text") || "", by: asked.get("by") || "words", filters, like: asked.get("like") || "", space: asked.get("space") || "", page };
};
const go = (name, asked = question()) => {
  const there = new URL(location.href);
  for (const key of ["library", "text", "by", "is", "like", "space", PAGE]) there.searchParams.delete(key);
  if (name) {
    there.searchParams.set("library", name);
    if (asked.text) there.searchParams.set("text", asked.text);
    if (asked.text && asked.by !== "words") there.searchParams.set("by", asked.by);
    for (const [column, value] of asked.filters) there.searchParams.append("is", `${encodeURIComponent(column)}:${value}`);
    for (const key of ["like", "space"]) if (asked[key]) there.searchParams.set(key, asked[key]);
    if (asked.page > 1) there.searchParams.set(PAGE, asked.page);
  }
  if (there.href !== location.href) history.pushState(history.state, "", there);
  show();
};
const ask = (changes) => go("shelf", { ...question(), page: 1, ...changes });

// What is shown

let latest = 0, shown = ""; // when the last look was asked for; what the shelf shows
const show = () => {
  const name = view(), open = document.getElementById("library-open");
  if (name) document.body.dataset.library = name;
  else delete document.body.dataset.library;
  open.setAttribute("aria-pressed", String(!!name));
  for (const button of element.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  if (!name) return;
  const asked = question();
  text.value = asked.text;
  if (by) by.value = [...by.options].some((one) => one.value === asked.by) ? asked.by : "words";
  window.whence.library = { view: name, question: asked }; // for a panel that comes later than this one
  document.dispatchEvent(new Event("whence-library"));
  const key = JSON.stringify(asked);
  if (name !== "shelf" || key === shown) return;
  shown = key;
  latest = performance.now();
  shelf.setAttribute("aria-busy", "true");
  trigger("look", { question: asked, at: latest });
};
const said = (words) => {
  problem.textContent = words;
  problem.hidden = !words;
};
watch("value", () => {
  const value = props.value;
  if (!value) return;
  if (value.does === "brought") {
    shown = ""; // another picture may have been brought under the same address
    ask({ like: "brought" });
    return;
  }
  if (value.does === "shelf" && value.at < latest) return; // it was overtaken
  shelf.setAttribute("aria-busy", "false");
  if (value.does === "problem") {
    said(value.words);
    shown = "";
    if (!shelf.children.length) shelf.innerHTML = "";
    return;
  }
  said("");
  const open = new Set([...columns.querySelectorAll("details[open]")].map((one) => one.dataset.more));
  const held = columns.contains(document.activeElement) ? document.activeElement.dataset : null;
  columns.innerHTML = value.columns;
  for (const one of columns.querySelectorAll("details")) one.open = open.has(one.dataset.more);
  if (held) [...columns.querySelectorAll("input")].find((one) => one.dataset.column === held.column && one.dataset.value === held.value)?.focus();
  const paged = shelf.contains(document.activeElement);
  shelf.innerHTML = value.html;
  ticked();
  if (paged) {
    shelf.querySelector("h3").focus({ preventScroll: true });
    if (shelf.getBoundingClientRect().top < 0) shelf.scrollIntoView({ block: "start" });
  }
});

// Looking

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask({ text: text.value.trim(), by: by ? by.value : "words" });
});
text.addEventListener("search", () => text.value || ask({ text: "" })); // its own cross was pressed
if (by) by.addEventListener("change", () => text.value.trim() && ask({ text: text.value.trim(), by: by.value }));
const without = (column, value) => question().filters.filter((each) => each[0] !== column || each[1] !== value);
columns.addEventListener("change", (event) => {
  const { column, value } = event.target.dataset;
  if (!column) return;
  if (event.target.type === "text") {
    const typed = event.target.value.trim();
    if (typed) ask({ filters: [...without(column, typed), [column, typed]] });
  } else ask({ filters: event.target.checked ? [...without(column, value), [column, value]] : without(column, value) });
});
shelf.addEventListener("click", (event) => {
  const on = (name) => event.target.closest(name);
  const cell = on(".cell[data-id]"), chip = on(".chip"), paged = on("[data-page]");
  if (cell) trigger("open", { id: cell.dataset.id, at: performance.now() });
  else if (chip) ask({ filters: without(chip.dataset.column, chip.dataset.value) });
  else if (paged) go("shelf", { ...question(), page: Number(paged.dataset.page) });
  else if (on(".shelf-unlike")) ask({ like: "", space: "", ...(question().by === "words" ? {} : { text: "", by: "words" }) });
  else if (on(".shelf-take")) go("collection", { ...question(), like: "", space: "", page: 1 });
});
shelf.addEventListener("change", (event) => {
  if (event.target.matches(".pager input")) go("shelf", { ...question(), page: Math.max(1, Math.floor(Number(event.target.value)) || 1) });
  if (event.target.matches(".shelf-like select")) ask({ space: event.target.value });
  if (event.target.dataset.pick) pick(event.target.dataset.pick, event.target.checked);
});
const file = part(".library-bring input"), bring = part(".library-bring span"), named = bring.textContent;
file.addEventListener("change", async () => {
  if (!file.files[0]) return;
  bring.textContent = "Reading …";
  trigger("bring", { ...(await window.whence.upload(file.files[0])), at: performance.now() });
  bring.textContent = named;
  file.value = "";
});

// Choosing one by one

const picked = () => {
  try {
    const found = JSON.parse(sessionStorage.getItem(PICKED) || "[]");
    return Array.isArray(found) ? found.filter((id) => typeof id === "string") : [];
  } catch {
    return []; // a private window, or not ours
  }
};
let chosen = picked();
const keep = (ids) => {
  chosen = ids.slice(0, MOST_PICKED);
  try { sessionStorage.setItem(PICKED, JSON.stringify(chosen)); } catch { /* a private window */ }
  ticked();
};
const pick = (id, on) => keep(on ? [...chosen.filter((each) => each !== id), id] : chosen.filter((each) => each !== id));
const ticked = () => {
  for (const box of shelf.querySelectorAll("[data-pick]")) box.checked = chosen.includes(box.dataset.pick);
  tray.hidden = !chosen.length;
  part(".tray-words").textContent = `${chosen.length} ${chosen.length === 1 ? "image" : "images"} chosen`;
};
part(".tray-clear").addEventListener("click", () => keep([]));
part(".tray-take").addEventListener("click", () => go("collection", { text: "", by: "words", filters: [], like: "", space: "", page: 1 }));

// Coming and going

element.addEventListener("click", (event) => {
  const other = event.target.closest("[data-view]");
  if (other) go(other.dataset.view);
  if (event.target.closest(".library-leave")) go(null);
});
document.addEventListener("click", (event) => {
  if (!event.target.closest) return;
  if (event.target.closest("#library-open")) go(view() ? null : "shelf");
  const like = event.target.closest("[data-like]");
  if (like) {
    like.closest("dialog")?.close();
    go("shelf", { text: "", by: "words", filters: [], like: like.dataset.like, space: like.dataset.space || "", page: 1 });
  }
  if (event.target.closest("[data-use]") && view()) go(null); // it is asked about at the other side
});
addEventListener("popstate", show);
const wide = matchMedia("(min-width: 981px)");
const unfold = () => { part(".library-columns").open = wide.matches; };
wide.addEventListener("change", unfold);
unfold();
ticked();
show();
