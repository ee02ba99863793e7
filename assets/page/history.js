// Runs of before. The list, [{id, key}, ...] with the newest first, lives in this browser alone. Gives
// 'look' {ids}, 'restore' {id, truth} (null: the page as it was opened), 'compare' {id} and 'forget' {runs: [{id, key}, ...], ids};
// Python tells what to do, see app/events/history.py. The dialog lives outside the template, so that a new value does not close it.
const STORED = "whence-runs", LISTED = 60;
const link = element.querySelector(".copy-link");
const make = (tag, name, parent, words) => {
  const made = document.createElement(tag);
  made.className = name;
  if (words) made.textContent = words;
  if (tag === "button") made.type = "button";
  parent.append(made);
  return made;
};
const runs = () => {
  try {
    const found = JSON.parse(localStorage.getItem(STORED) || "[]");
    return Array.isArray(found) ? found.filter((run) => run && typeof run.id === "string") : [];
  } catch {
    return []; // a private window, or not ours
  }
};
const remember = (list) => {
  try { localStorage.setItem(STORED, JSON.stringify(list.slice(0, LISTED))); } catch { /* private window */ }
};

const dialog = document.createElement("dialog");
dialog.className = "history";
dialog.setAttribute("aria-labelledby", "history-title");
const head = make("header", "history-head", dialog);
make("h2", "", head, "History").id = "history-title";
const close = make("button", "detail-close", head, "×");
close.setAttribute("aria-label", "Close");
const list = make("div", "history-list", dialog);
const foot = make("div", "history-foot", dialog);
make("p", "", foot, "Only this browser has the list. Whoever has a run's link can see that run; forgetting a run deletes it, and ends its link.");
const all = make("button", "history-all", foot);
document.querySelector(".gradio-container").append(dialog);

const tidy = () => {
  all.textContent = "Forget all";
  all.hidden = staying().length === 0;
};
// A run whose key is lost could never be deleted: it stays in the list, unseen, until it is said to be gone.
const leaving = new Set();
const staying = () => runs().filter((run) => !leaving.has(run.id));
const look = () => trigger("look", { ids: staying().map((run) => run.id) });
const forget = (gone) => {
  trigger("forget", { runs: gone, ids: staying().map((run) => run.id) }); // the list comes once they are deleted
  gone.forEach((run) => leaving.add(run.id));
  if (leaving.has(address())) show(null, "replace");
  tidy();
};
const forgotten = ({ gone, stayed }) => {
  remember(runs().filter((run) => !gone.includes(run.id)));
  [...gone, ...stayed].forEach((id) => leaving.delete(id));
  tidy();
};

const address = () => new URLSearchParams(location.search).get("run");
const revealed = () => new URLSearchParams(location.search).get("truth") === "shown"; // the link shows the true answer
// Each run has a place of its own among those that Back goes through. What is not answered yet has one that its
// answer takes over: a picture that was never asked about cannot be gone back to.
let here = address(); // the run that the address stands for
// One after another, as fast as Back or an example is pressed: an answer that comes late must not take the place of
// what has been begun since. What was pressed last is asked for when the answer before has come, or has failed to for so long.
const LOST = 10000; // milliseconds
let wanted = null; // {id, truth} that was pressed last, until it is there
let asked = null; // since when an answer is waited for
const open = (id, truth) => {
  wanted = { id, truth };
  if (asked !== null && performance.now() - asked < LOST) return;
  asked = performance.now();
  trigger("restore", wanted);
};
document.addEventListener("whence-open", (event) => open(event.detail, false));
const placed = (id, truth) => {
  const there = new URL(location.href);
  if (id) there.searchParams.set("run", id);
  else there.searchParams.delete("run");
  if (id && truth) there.searchParams.set("truth", "shown");
  else there.searchParams.delete("truth");
  return there;
};
const show = (id, how = "push", truth = false) => {
  shown = truth;
  if (id !== here || truth !== revealed()) {
    const there = placed(id, truth), unanswered = history.state?.unanswered || how === "replace" || id === here;
    history[unanswered ? "replaceState" : "pushState"]({ ...history.state, unanswered: !id && how === "push" }, "", there);
    here = id;
  }
  offer(id);
};
const title = (words) => { document.title = words || "Whence"; };
// A link opens on the result alone (early.js); the form comes back when it is asked for, or nothing is to be seen.
const folded = () => root.classList.contains("is-result") || (root.classList.contains("is-arrival") && !!document.querySelector("#arrival .arrival"));
// On a phone the answer stands before the question then, for the Tab key as well.
const root = document.documentElement, narrow = matchMedia("(max-width: 980px)");
const arrange = () => {
  const query = document.querySelector("#query"), findings = document.querySelector("#findings"), row = document.querySelector("#arrival");
  const first = narrow.matches && folded();
  if (first === query.contains(findings)) return;
  if (!first) query.after(findings);
  else if (row) row.after(findings);
  else query.prepend(findings);
};
const unfold = () => {
  root.classList.remove("is-result", "is-arrival");
  arrange();
};
narrow.addEventListener("change", arrange);
arrange();
document.addEventListener("whence-ask", unfold); // of a part that was traced unasked
const follow = () => {
  here = address();
  open(here, revealed());
};
addEventListener("popstate", () => address() !== here && follow()); // else it is the library that came or went
document.addEventListener("click", (event) => {
  if (!event.target.closest || !event.target.closest(".unfold")) return;
  unfold();
  document.querySelector("#prompt textarea")?.focus();
});
let offered = null; // the run on the page, whose link can be copied
let shown = false; // the true answer is marked in it, and will be by its link
const offer = (id) => {
  offered = id;
  link.disabled = !id;
  link.textContent = "Link";
  document.dispatchEvent(new CustomEvent("whence-run", { detail: id }));
};

const copied = async (text) => {
  if (navigator.clipboard && isSecureContext) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: the old way */ }
  }
  const field = make("textarea", "copy-field", document.body);
  field.value = text;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
};
link.title = "Copy the link to this run";
link.setAttribute("aria-label", "Copy the link to this run");
link.addEventListener("click", async () => {
  const done = await copied(placed(offered, shown).href);
  if (!done) show(offered, "replace", shown);
  link.textContent = done ? "Copied" : "In the address bar";
  setTimeout(() => { link.textContent = "Link"; }, 2000);
});

document.addEventListener("click", (event) => {
  if (!event.target.closest || !event.target.closest("#history-open")) return;
  tidy();
  dialog.showModal();
  look();
});
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
all.addEventListener("click", () => {
  if (all.textContent === "Forget all") {
    all.textContent = `Forget ${staying().length} for good?`;
    return;
  }
  forget(staying());
});
all.addEventListener("blur", tidy);
list.addEventListener("click", (event) => {
  const run = event.target.closest(".past-run");
  if (!run) return;
  if (event.target.closest(".past-open")) {
    dialog.close();
    open(run.dataset.id, runs().some((one) => one.id === run.dataset.id && one.truth === true));
  } else if (event.target.closest(".past-compare")) {
    dialog.close();
    trigger("compare", { id: run.dataset.id });
  } else if (event.target.closest(".past-forget")) hold(run);
  else if (event.target.closest(".past-undo")) give();
});
// What is forgotten can be had back for a while: until then it is not deleted, and if the page goes first, it stays.
const HELD = 8000; // milliseconds
let held = null; // {id, html, timer}
const listed = (id) => [...list.querySelectorAll(".past-run")].find((run) => run.dataset.id === id);
const hold = (run) => {
  commit();
  held = { id: run.dataset.id, html: run.innerHTML, timer: setTimeout(commit, HELD) };
  blank(run);
  run.querySelector("button").focus();
};
const blank = (run) => {
  run.innerHTML = "";
  make("p", "past-gone", run, "Forgotten.");
  make("button", "past-undo", run, "Undo");
};
const give = () => {
  const run = held && listed(held.id);
  if (!run) return;
  clearTimeout(held.timer);
  run.innerHTML = held.html;
  held = null;
  run.querySelector("button").focus();
};
const commit = () => {
  if (!held) return;
  const { id, timer } = held, run = listed(id);
  clearTimeout(timer);
  held = null;
  const next = run?.contains(document.activeElement) && (run.nextElementSibling || run.previousElementSibling);
  forget(staying().filter((one) => one.id === id));
  run?.remove();
  if (next) next.querySelector("button").focus();
};
dialog.addEventListener("close", commit);

const told = new Set(); // runs of this page that have been remembered; one that was forgotten since stays so
const local = (time) => {
  const when = new Date(time.dateTime), minutes = Math.round((Date.now() - when) / 60000);
  time.title = when.toLocaleString();
  if (minutes < 1) time.textContent = "just now";
  else if (minutes < 60) time.textContent = `${minutes} min ago`;
  else time.textContent = when.toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
};
watch("value", () => {
  const value = props.value;
  if (!value) return;
  const fresh = (value.kept || []).filter((run) => !told.has(run.id));
  fresh.forEach((run) => {
    told.add(run.id);
    remember([run, ...runs().filter((other) => other.id !== run.id)]);
  });
  if (value.restored) {
    const { id, truth } = value.restored;
    asked = null;
    if (wanted && (wanted.id !== id || wanted.truth !== truth)) return open(wanted.id, wanted.truth); // pressed since
    wanted = null;
  }
  if (value.forgotten) forgotten(value.forgotten);
  if (value.does === "list") {
    const focused = list.contains(document.activeElement) && document.activeElement.closest(".past-run")?.dataset.id;
    list.innerHTML = value.html; // written, and escaped, by Python
    leaving.forEach((id) => listed(id)?.remove()); // asked for before they left
    if (held && listed(held.id)) blank(listed(held.id)); // it is not deleted yet
    if (focused) listed(focused)?.querySelector("button").focus();
    list.querySelectorAll("time").forEach(local);
    const answered = !!document.querySelector("#board .strip");
    list.querySelectorAll(".past-run").forEach((run) => {
      const here = run.dataset.id === address();
      run.classList.toggle("is-here", here);
      const compare = run.querySelector(".past-compare");
      if (compare) compare.hidden = here || !answered;
    });
  } else if (value.does === "shown") {
    show(value.id, "push", !!value.truth);
    title(value.title);
    document.dispatchEvent(new Event("whence-shown"));
    if (dialog.open && fresh.length) look(); // opened between the answer and its being kept
  } else if (value.does === "truth") {
    shown = value.truth;
    if (here) show(here, "replace", shown);
    remember(runs().map((run) => (run.id === offered ? { ...run, truth: shown } : run)));
  } else if (value.does === "arrived") {
    if (here) return open(here, revealed()); // pressed before the page had opened on its own
    shown = false;
    offer(value.id);
  }
  else {
    unfold();
    title();
    show(null, value.does === "lost" ? "replace" : "push");
    if (value.does !== "start") return;
    root.classList.add("is-arrival");
    arrange();
    document.dispatchEvent(new Event("whence-start"));
  }
});
// A link to a run. (Asked from here and not when Gradio loads the page: an event of its own that has
// nothing to do would leave its clocks ticking in every component, for ever, at a tenth of a core.)
if (address()) follow();
