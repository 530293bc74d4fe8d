/* Before the first paint: the reader's choice, or else the system's. */
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("vb-theme"); } catch { return null; } };
  const show = () => document.documentElement.setAttribute("data-bs-theme", chosen() || (system.matches ? "dark" : "light"));
  show();
  system.addEventListener("change", show);
  window.vbTheme = {
    toggle() {
      const next = document.documentElement.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
      try {
        /* the same as the system: follow it again */
        if ((next === "dark") === system.matches) localStorage.removeItem("vb-theme");
        else localStorage.setItem("vb-theme", next);
      } catch { /* storage is switched off: the choice lasts for this page */ }
      document.documentElement.setAttribute("data-bs-theme", next);
      document.dispatchEvent(new CustomEvent("vb:theme", { detail: next }));
    },
  };
})();
