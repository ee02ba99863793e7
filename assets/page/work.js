// Is my work in here? Gives 'bring' {token, at} or {refused, at}, and 'open' {id, at}; what comes back is
// written, and escaped, by Python. `at` is when a picture was chosen, on this page's clock.
const host = element.querySelector(".work-host"), words = element.querySelector(".work-words");
const input = element.querySelector("input"), zone = element.querySelector(".work-drop"), said = words.textContent;
let latest = 0;
const send = async (file) => {
  const at = latest = performance.now();
  words.textContent = `Looking for ${file.name} …`;
  host.setAttribute("aria-busy", "true");
  input.value = "";
  trigger("bring", { ...(await window.whence.upload(file)), at });
};
window.whence.takeFile(input, zone, send);
document.addEventListener("paste", (event) => {
  const file = window.whence.pasted(event);
  if (!file || document.body.dataset.library !== "work" || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  send(file);
});
host.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell[data-id]");
  if (cell) trigger("open", { id: cell.dataset.id, at: performance.now() });
});
watch("value", () => {
  if (!props.value || props.value.at < latest) return; // another has been chosen since
  words.textContent = said;
  host.setAttribute("aria-busy", "false");
  host.innerHTML = props.value.html;
});
