// What the whole page shares: sending a file, light and dark, Ctrl+Enter.
window.whence = {
  // The desk, where pictures are asked about, is not seen while the library or a dialog lies over it.
  deskIsSeen: () => !document.body.dataset.library && !document.querySelector("dialog[open]"),
  pasted: (event) => [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/")),
  async upload(file) {
    if (file.size > 20 * 2 ** 20) return { refused: "the picture is larger than 20 MB: give a smaller one" };
    try {
      const answer = await fetch("uploads", { method: "POST", headers: { "X-Whence": "upload" }, body: file });
      return await answer.json();
    } catch {
      return { refused: "the picture could not be sent: is the server still running?" };
    }
  },
  // A file that is chosen, or dropped where there is room for one, is sent.
  takeFile(input, zone, send) {
    input.addEventListener("change", () => input.files[0] && send(input.files[0]));
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("is-target");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("is-target"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("is-target");
      if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
    });
  },
  dark(on) {
    document.body.classList.toggle("dark", on);
    document.documentElement.style.colorScheme = on ? "dark" : "light";
  },
};
document.addEventListener("click", (event) => {
  if (!event.target.closest || !event.target.closest("#shade")) return;
  const on = !document.body.classList.contains("dark");
  window.whence.dark(on);
  try { localStorage.setItem("whence-shade", on ? "dark" : "light"); } catch { /* private window */ }
});
document.addEventListener("click", (event) => {
  if (!event.target.closest || !event.target.closest("#attribute") || innerWidth > 980) return;
  document.querySelector("#answer-box").scrollIntoView({ behavior: "smooth" }); // on a phone it lies below
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !window.whence.deskIsSeen()) return;
  const generates = event.target.closest && event.target.closest("#generate-form");
  const button = document.querySelector(generates ? "#generate" : "#attribute");
  if (!button || button.disabled) return;
  event.preventDefault();
  event.stopPropagation();
  event.target.blur && event.target.matches("input, textarea") && event.target.dispatchEvent(new Event("change", { bubbles: true }));
  button.click();
}, true);
