// The methods to ask, family by family. The value is the list of the names that are ticked.
const boxes = () => [...element.querySelectorAll("input[type=checkbox]")];
const show = () => {
  const chosen = Array.isArray(props.value) ? props.value : [];
  for (const box of boxes()) box.checked = chosen.includes(box.name);
};
element.addEventListener("change", () => {
  props.value = boxes().filter((box) => box.checked).map((box) => box.name);
});
watch("value", show); // a run of before brings its own
show();
