// Examples whose answers are kept: history.js opens the one that was pressed. A page whose address names no run
// opens on the first of them, and goes back to it: 'arrive' {id}.
const pictures = () => [...element.querySelectorAll("[data-run]")];
element.addEventListener("click", (event) => {
  const button = event.target.closest ? event.target.closest("[data-run]") : null;
  if (button) document.dispatchEvent(new CustomEvent("whence-open", { detail: button.dataset.run }));
});
document.addEventListener("whence-run", (event) => {
  for (const each of pictures()) each.setAttribute("aria-pressed", String(each.dataset.run === event.detail));
});
const arrive = () => pictures().length && trigger("arrive", { id: pictures()[0].dataset.run });
document.addEventListener("whence-start", arrive);
if (!new URLSearchParams(location.search).get("run")) arrive();
