// What is being written survives a reload, in this tab alone. A run that the address names brings its own
// prompt first; what was written over it since comes back on top.
{
  const KEPT = "whence-draft", FIELDS = ["#prompt", "#caption"].map((field) => `${field} textarea`);
  const run = () => new URLSearchParams(location.search).get("run");
  const kept = () => {
    try { return JSON.parse(sessionStorage.getItem(KEPT) || "{}"); } catch { return {}; } // a private window
  };
  const back = () => {
    const draft = kept();
    if (draft.run !== run()) return; // of another page's question
    for (const field of FIELDS) {
      const area = document.querySelector(field);
      if (!area || typeof draft[field] !== "string" || area.value === draft[field]) continue;
      area.value = draft[field];
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  document.addEventListener("input", (event) => {
    const field = FIELDS.find((one) => event.target.matches && event.target.matches(one));
    if (!field) return;
    try {
      const before = kept();
      const draft = before.run === run() ? before : { run: run() };
      sessionStorage.setItem(KEPT, JSON.stringify({ ...draft, [field]: event.target.value }));
    } catch { /* a private window */ }
  });
  if (run()) document.addEventListener("whence-shown", () => setTimeout(back), { once: true });
  else back();
}
