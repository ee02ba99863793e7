let shade = null;
try { shade = localStorage.getItem("whence-shade"); } catch { /* private window */ }
if (shade && !new URLSearchParams(location.search).has("__theme")) window.whence.dark(shade === "dark");
