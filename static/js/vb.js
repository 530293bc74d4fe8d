/* What every page does: theme switch, dialogs, toasts, copy buttons, local times, one submit per form. */
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const gone = (toast) => { toast.remove(); };

  function arm(toast, seconds) {
    toast.removeAttribute("data-vb-toast-ready");
    let timer = setTimeout(() => gone(toast), seconds * 1000);
    const hold = () => clearTimeout(timer);
    const release = () => { clearTimeout(timer); timer = setTimeout(() => gone(toast), seconds * 1000); };
    toast.addEventListener("mouseenter", hold);
    toast.addEventListener("focusin", hold);
    toast.addEventListener("mouseleave", release);
    toast.addEventListener("focusout", release);
  }

  /* vb.toast("Approved", {word: "Undo", key: "Z", act: () => …, seconds: 10}) → the element */
  function toast(text, { word, key, act, seconds = 10 } = {}) {
    const box = document.createElement("div");
    box.className = "vb-toast";
    const said = document.createElement("span");
    said.textContent = text;
    box.append(said);
    if (act) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm";
      button.textContent = word || "Undo";
      if (key) { const cap = document.createElement("kbd"); cap.textContent = key; button.append(" ", cap); }
      button.addEventListener("click", () => { gone(box); act(); });
      box.append(button);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "vb-close";
    close.setAttribute("aria-label", "Close");
    close.textContent = "×";
    close.addEventListener("click", () => gone(box));
    box.append(close);
    document.getElementById("vb-toasts").append(box);
    arm(box, seconds);
    return box;
  }

  const localFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  /* also for what a live answer brings */
  function enliven(root) {
    all("template[data-vb-toast]", root).forEach((note) => { toast(note.content.textContent.trim()); note.remove(); });
    all("[data-vb-toast-ready]", root).forEach((box) => arm(box, 10));
    all("time[data-vb-local]", root).forEach((time) => {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) time.textContent = localFormat.format(moment);
      time.removeAttribute("data-vb-local");
    });
  }

  /* Times that are typed in are of the reader's clock; without this they are of the site's. */
  function readClock() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    all("input[data-vb-zone]").forEach((input) => { input.value = zone; });
    all("input[data-vb-moment]").forEach((input) => {
      const moment = new Date(input.dataset.vbMoment);
      input.value = new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    });
  }

  async function copy(button) {
    const source = button.dataset.vbCopy;
    const text = source.startsWith("#") ? document.querySelector(source).textContent.trim() : source;
    try { await navigator.clipboard.writeText(text); toast("Copied", { seconds: 4 }); }
    catch { toast("The browser did not allow copying. Select the text and copy it by hand."); }
  }

  const opener = new WeakMap();
  function open(button) {
    const dialog = document.getElementById(button.dataset.vbOpen);
    opener.set(dialog, button);
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    let hit;
    if (on("[data-vb-theme]")) window.vbTheme.toggle();
    else if ((hit = on("[data-vb-open]"))) open(hit);
    else if ((hit = on("[data-vb-close]"))) hit.closest("dialog").close();
    else if ((hit = on("[data-vb-dismiss]"))) gone(hit.closest(".vb-toast"));
    else if ((hit = on("[data-vb-copy]"))) copy(hit);
    else if (event.target.matches("dialog.vb-dialog")) event.target.close(); /* its backdrop */
  });
  document.addEventListener("close", (event) => opener.get(event.target)?.focus(), true);

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-vb-once]")) return;
    if (form.dataset.vbSent) { event.preventDefault(); return; }
    form.dataset.vbSent = "yes";
    all("button[type=submit]", form).forEach((button) => button.setAttribute("aria-disabled", "true"));
  });
  /* the way back in the browser shows the page as it was left: let its forms be sent again */
  addEventListener("pageshow", () => all("form[data-vb-sent]").forEach((form) => {
    delete form.dataset.vbSent;
    all("[aria-disabled]", form).forEach((button) => button.removeAttribute("aria-disabled"));
  }));

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-vb-submit]")) event.target.form.requestSubmit();
    const form = event.target.matches("input[type=checkbox]") && event.target.form;
    const bar = form && form.querySelector("[data-vb-bulk]");
    if (!bar) return;
    const count = all(".vb-item-tick:checked", form).length;
    bar.hidden = count === 0;
    bar.querySelector("[data-vb-bulk-count]").textContent = count;
  });

  enliven(document);
  readClock();
  document.addEventListener("htmx:afterSettle", (event) => enliven(event.target));
  document.addEventListener("htmx:oobAfterSwap", (event) => enliven(event.target));
  document.querySelector("[data-vb-focus]")?.focus();
  window.vb = { toast, enliven };
})();
