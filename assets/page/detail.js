// One training image, large, in a dialog of the browser's own. It lives outside the template, so that
// a new value does not close it. value: {html, id, shown, closer}; the markup is written, and escaped, by Python.
const dialog = document.createElement("dialog");
dialog.className = "detail";
dialog.setAttribute("aria-label", "Training image");
const body = document.createElement("div");
body.className = "detail-body";
const close = document.createElement("button");
close.className = "detail-close";
close.type = "button";
close.setAttribute("aria-label", "Close");
close.textContent = "×";
dialog.append(close, body);
document.querySelector(".gradio-container").append(dialog);
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
watch("value", () => {
  if (!props.value || !props.value.html) return;
  // What comes later belongs to the image that is open still, or to nothing.
  if (props.value.closer && (!dialog.open || body.dataset.id !== props.value.id)) return;
  body.dataset.id = props.value.id;
  body.innerHTML = props.value.html;
  if (!dialog.open) dialog.showModal();
});
