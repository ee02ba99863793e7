// Runs before Gradio does.
// A link to a run opens on its result; the form is folded away from the first paint on (result.css). On a phone it
// is as well where the page opens on an example's answer.
document.documentElement.classList.add(new URLSearchParams(location.search).get("run") ? "is-result" : "is-arrival");
// The tracker that Gradio shows while the page loads is never stopped: it advances a clock in every frame, for
// ever, which takes a tenth of a core from the model. (Seen in 6.31, on a page of one text box.) Once a second
// is enough for it; every other animation keeps its frames.
{
  const frame = window.requestAnimationFrame.bind(window);
  const CLOCK = /performance\.now\(\)\s*-[^;]*\/\s*1e3/;
  window.requestAnimationFrame = (callback) =>
    CLOCK.test(Function.prototype.toString.call(callback)) ? setTimeout(() => callback(performance.now()), 1000) : frame(callback);
}
// Gradio ends its streams as soon as the page is about to be left, takes that for a lost connection, and reloads the
// page two seconds later: whoever has followed a link that takes longer is held back. The browser ends them, too.
addEventListener("beforeunload", (event) => event.stopImmediatePropagation());
// A page that the browser kept while another was looked at has lost its streams, and the server what it had in hand.
addEventListener("pageshow", (event) => event.persisted && location.reload());
