// The methods to ask: those that are ticked in one line, and all, family by family, once it is pressed.
// The value is the list of the names that are ticked.
const boxes = () => [...element.querySelectorAll("input[type=checkbox]")];
const asked = () => element.querySelector(".methods-asked");

const ticked = (box) => {
  const name = document.createElement("em");
  const label = box.closest("label");
  name.dataset.method = box.name;
  name.toggleAttribute("data-measures", label.hasAttribute("data-measures"));
  name.textContent = label.textContent.trim();
  return name;
};

const say = () => {
  const chosen = boxes().filter((box) => box.checked);
  element.querySelector(".methods-ticked").replaceChildren(...(chosen.length ? chosen.map(ticked) : ["none"]));
};

const show = () => {
  const chosen = Array.isArray(props.value) ? props.value : [];
  for (const box of boxes()) box.checked = chosen.includes(box.name);
  say();
};

element.addEventListener("change", () => {
  props.value = boxes().filter((box) => box.checked).map((box) => box.name);
  say();
});
element.addEventListener("click", (event) => {
  if (!event.target.closest(".methods-asked")) return;
  const open = asked().getAttribute("aria-expanded") !== "true";
  asked().setAttribute("aria-expanded", String(open));
  element.querySelector(".method-families").hidden = !open;
  asked().querySelector("i").textContent = open ? "Done" : "Change";
});
watch("value", show); // a run of before brings its own
show();
