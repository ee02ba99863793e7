// A collection of training images. Gives 'collect' {question, picked, ids, at}, 'unlearn' {run, part} and
// 'open' {id, at}; the markup that comes back is written, and escaped, by Python. Which images: all that
// the address finds, or those that were chosen one by one in this tab. Of which questions: this browser's.
const host = element.querySelector(".collection-host");
const stored = (storage, key) => {
  try {
    const found = JSON.parse(storage.getItem(key) || "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return []; // a private window, or not ours
  }
};
let latest = 0;
const collect = () => {
  const { view, question } = window.whence.library || {};
  if (view !== "collection") return;
  latest = performance.now();
  host.setAttribute("aria-busy", "true");
  const ids = stored(localStorage, "whence-runs").map((run) => run && run.id);
  trigger("collect", { question, picked: stored(sessionStorage, "whence-picked"), ids, at: latest });
};
document.addEventListener("whence-library", collect);
host.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell[data-id]"), test = event.target.closest("[data-unlearn]");
  if (cell) trigger("open", { id: cell.dataset.id, at: performance.now() });
  if (!test) return;
  for (const one of host.querySelectorAll("[data-unlearn]")) one.setAttribute("aria-pressed", String(one === test));
  trigger("unlearn", { run: test.dataset.unlearn, part: test.dataset.part });
  document.querySelector("#collection-run").scrollIntoView({ behavior: "smooth", block: "nearest" });
});
watch("value", () => {
  if (!props.value || props.value.at < latest) return; // it was overtaken
  host.setAttribute("aria-busy", "false");
  host.innerHTML = props.value.html;
});
collect(); // the address was that of a collection from the beginning
