// The parts of the picture: gives 'choose' {index}, 'remove' {index} or 'another' {}.
element.addEventListener("click", (event) => {
  const button = event.target.closest ? event.target.closest("button[data-do]") : null;
  if (button) trigger(button.dataset.do, { index: Number(button.dataset.index) });
});
