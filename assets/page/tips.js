// The meaning of a term, shown beside it while it is pointed at or has the focus. Escape hides it.
{
  let tip = null, owner = null;
  const wordsFor = (target) => {
    for (let node = target; node && node.matches; node = node.parentElement) {
      for (const [selector, words] of Object.entries(window.whenceTips || {})) {
        if (node.matches(selector)) return [node, words];
      }
    }
    return [null, null];
  };
  const hide = () => {
    if (!owner) return;
    owner.removeAttribute("aria-describedby");
    owner = null;
    tip.hidePopover();
  };
  const show = (node, words) => {
    if (node === owner) return;
    hide();
    if (!tip) {
      tip = document.createElement("div");
      tip.id = "tip";
      tip.setAttribute("role", "tooltip");
      tip.popover = "manual";
      (document.querySelector(".gradio-container") || document.body).append(tip);
    }
    tip.textContent = words;
    owner = node;
    node.setAttribute("aria-describedby", "tip");
    tip.showPopover();
    const at = node.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - size.width / 2), innerWidth - size.width - 8);
    const above = at.top - size.height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above >= 8 ? above : at.bottom + 8}px`;
  };
  let waiting = null;
  const consider = (target, pause) => {
    clearTimeout(waiting);
    const [node, words] = wordsFor(target);
    if (!node) return hide();
    waiting = setTimeout(() => node.isConnected && show(node, words), pause);
  };
  document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && consider(event.target, 350));
  document.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && consider(event.target, 350));
  document.addEventListener("focusout", () => { clearTimeout(waiting); hide(); });
  document.addEventListener("scroll", hide, true);
  document.addEventListener("pointerdown", () => { clearTimeout(waiting); hide(); });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide(), true);
}
