// The slider over a test of an answer: the picture as made, then after each set was unlearned. It stays where
// it was put while further sets come in.
let at = 1;
const show = (to) => {
  const slider = element.querySelector(".slider");
  if (!slider) {
    at = 1;
    return;
  }
  const range = slider.querySelector("input");
  const stages = [...slider.querySelectorAll(".slider-picture .slider-stage")];
  const stop = Math.min(to, stages.length - 1);
  range.max = stages.length - 1;
  range.disabled = stages.length < 2;
  range.value = stop;
  range.setAttribute("aria-valuetext", stages[stop].dataset.words);
  for (const group of [stages, slider.querySelectorAll(".slider-words .slider-stage"), slider.querySelectorAll("[data-stop]")]) {
    [...group].forEach((each, index) => each.classList.toggle("is-on", index === stop));
  }
};
element.addEventListener("input", (event) => {
  if (!event.target.matches(".slider input")) return;
  at = Number(event.target.value);
  show(at);
});
element.addEventListener("click", (event) => {
  const stop = event.target.closest ? event.target.closest(".slider [data-stop]") : null;
  if (!stop) return;
  at = Number(stop.dataset.stop);
  show(at);
});
new MutationObserver(() => show(at)).observe(element, { childList: true, subtree: true });
show(at);
