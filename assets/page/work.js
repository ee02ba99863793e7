// Is my work in here? Gives 'bring' {token} or {refused}, and 'open' {id, at}; what comes back is written,
// and escaped, by Python.
const host = element.querySelector(".work-host"), words = element.querySelector(".work-words");
const input = element.querySelector("input"), zone = element.querySelector(".work-drop"), said = words.textContent;
const send = async (file) => {
  words.textContent = `Looking for ${file.name} …`;
  host.setAttribute("aria-busy", "true");
  trigger("bring", await window.whence.upload(file));
  input.value = "";
};
window.whence.takeFile(input, zone, send);
host.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell[data-id]");
  if (cell) trigger("open", { id: cell.dataset.id, at: performance.now() });
});
watch("value", () => {
  if (!props.value) return;
  words.textContent = said;
  host.setAttribute("aria-busy", "false");
  host.innerHTML = props.value;
});
