// Pressing a point of the plot of ranks gives 'open' {id}. Plotly's own events are heard on its element,
// which is made anew with every figure.
const listen = () => {
  const plot = document.querySelector("#ranks-plot .js-plotly-plot");
  if (!plot || !plot.on || plot.dataset.heard) return;
  plot.dataset.heard = "yes";
  plot.on("plotly_click", (event) => {
    const id = event.points[0] && event.points[0].customdata;
    if (id) trigger("open", { id: String(id), at: performance.now() });
  });
};
new MutationObserver(listen).observe(document.querySelector("#answer"), { childList: true, subtree: true });
listen();
