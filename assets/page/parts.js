// Buttons that say what they do: the parts' give 'choose' {index}, 'remove' {index} or 'another' {}, a stale
// answer's 'back' {}.
element.addEventListener("click", (event) => {
  const button = event.target.closest ? event.target.closest("button[data-do]") : null;
  if (button) trigger(button.dataset.do, { index: Number(button.dataset.index) });
});
