// Words that the captions have: pressing one writes it at the end of the prompt, as captions would say it.
element.addEventListener("click", (event) => {
  const button = event.target.closest ? event.target.closest("[data-word]") : null;
  const area = document.querySelector("#prompt textarea");
  if (!button || !area) return;
  const { word, lead } = button.dataset, before = area.value.trimEnd();
  area.value = before ? `${before} ${lead ? `${lead} ` : ""}${word}` : word;
  area.dispatchEvent(new Event("input", { bubbles: true }));
});
