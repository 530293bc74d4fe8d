/* One table of keys for a page: it is what works and what the help sheet lists.
   vb.keys([{key: "a", words: "Approve", run: () => …}, …]); ? opens the sheet (components/_shortcut_sheet.html). */
(() => {
  const sheet = document.getElementById("vb-shortcuts");
  const toggle = sheet?.querySelector("[data-vb-shortcuts-on]");
  const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  const table = new Map();
  const read = () => { try { return localStorage.getItem("vb-keys") !== "off"; } catch { return true; } };
  let on = read();

  const typing = (element) => element.matches("textarea, select, [contenteditable=true], input:not([type=checkbox], [type=radio], [type=button])");
  /* space and arrows already mean something on these */
  const taken = (event) => (event.key === " " || event.key.startsWith("Arrow"))
    && event.target.matches("button, a, summary, input, video, audio");

  document.addEventListener("keydown", (event) => {
    if (!on || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") || typing(event.target) || taken(event)) return;
    const entry = table.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!entry || (event.repeat && !entry.repeats)) return;
    event.preventDefault();
    entry.run(event);
  });

  function list() {
    const rows = sheet?.querySelector("[data-vb-shortcut-rows]");
    if (!rows) return;
    rows.replaceChildren(...[...table.values()].map((entry) => {
      const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td"), cap = document.createElement("kbd");
      head.scope = "row";
      cap.textContent = NAMES[entry.key] || entry.key.toUpperCase();
      head.append(cap);
      cell.textContent = entry.words;
      row.append(head, cell);
      return row;
    }));
  }

  function keys(entries) {
    entries.forEach((entry) => table.set(entry.key.length === 1 ? entry.key.toLowerCase() : entry.key, entry));
    list();
  }

  if (toggle) {
    toggle.checked = on;
    toggle.addEventListener("change", () => {
      on = toggle.checked;
      try { localStorage.setItem("vb-keys", on ? "on" : "off"); } catch { /* lasts for this page */ }
    });
    keys([{ key: "?", words: "Show this list", run: () => sheet.showModal() }]);
  }
  window.vb.keys = keys;
})();
