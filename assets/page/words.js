// Words that the captions have: pressing one writes it at the end of the prompt, as captions would say it. Each
// line is one stop of the Tab key; the arrow keys go along it.
element.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -1, ArrowRight: 1 }, here = event.target;
  if (!(event.key in steps) || !here.matches("[data-word]")) return;
  const line = [...here.closest(".known-group").querySelectorAll("[data-word]")];
  const next = line[line.indexOf(here) + steps[event.key]];
  if (!next) return;
  event.preventDefault();
  for (const each of line) each.tabIndex = each === next ? 0 : -1;
  next.focus();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest ? event.target.closest("[data-word]") : null;
  const area = document.querySelector("#prompt textarea");
  if (!button || !area) return;
  const { word, lead } = button.dataset, before = area.value.trimEnd();
  area.value = before ? `${before} ${lead ? `${lead} ` : ""}${word}` : word;
  area.dispatchEvent(new Event("input", { bubbles: true }));
});
