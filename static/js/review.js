/* Review by keyboard. One table of keys: it is what works and what the sheet behind ? lists. The page works without it. */
(() => {
  const one = (selector) => document.querySelector(selector);
  const stage = one("[data-vb-stage]");
  const film = one(".vb-stage video, .vb-stage audio");
  const swap = one("[data-vb-swap]");
  const fps = Number(one("[data-vb-fps]")?.dataset.vbFps) || 25;

  /* the decision just made: its toast belongs to the corner, where it is announced, and leaves after 10 s */
  const decided = one("[data-vb-decided]");
  if (decided) {
    document.getElementById("vb-toasts").append(decided);
    window.vb.enliven(document);
    const address = new URL(location.href);
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  const press = (key) => () => one(`[data-vb-key="${key}"]`)?.click();
  function undo() {
    const button = one("[data-vb-decided] button[type=submit]");
    if (button) button.click();
    else window.vb.toast("There is nothing to undo.", { seconds: 4 });
  }
  function play() {
    if (!film) return;
    if (film.paused) film.play().catch(() => window.vb.toast("This file could not be played."));
    else film.pause();
  }
  function step(frames) {
    if (!film) return;
    film.pause();
    film.currentTime = Math.min(Math.max(0, film.currentTime + frames / fps), film.duration || 0);
  }
  function show(reference) {
    stage?.classList.toggle("vb-swapped", reference);
    swap?.setAttribute("aria-pressed", String(reference));
  }

  const card = one(".vb-send-back");
  const reasons = card ? [...card.querySelectorAll("input[name=reason]")] : [];
  const sendBack = () => reasons[0]?.focus();
  const choose = (number) => () => {
    const reason = reasons[number];
    if (!reason || !card.contains(document.activeElement)) return; /* only after R: no decision by a slip */
    reason.checked = true;
    card.querySelector("button[type=submit]").focus();
  };

  const table = [
    { key: "j", words: "Next file", run: press("j") },
    { key: "z", words: "Undo the last decision", run: undo },
  ];
  if (stage) table.push({ key: "k", words: "Previous file", run: press("k") });
  if (card) {
    table.unshift(
      { key: "a", words: "Approve", run: press("a") },
      { key: "r", words: "Send back: then 1 to 4 for the reason, Enter to send", run: sendBack },
    );
    reasons.forEach((reason, number) => table.push({
      key: String(number + 1),
      words: `After R: ${reason.closest("label").querySelector(".form-check-label").lastChild.textContent.trim()}`,
      run: choose(number),
    }));
    table.push({ key: "n", words: "Write a note", run: () => document.getElementById("vb-note").focus() });
  }
  if (film) {
    table.push(
      { key: " ", words: "Play or pause", run: play },
      { key: "ArrowLeft", words: "One frame back", run: () => step(-1), repeats: true },
      { key: "ArrowRight", words: "One frame on", run: () => step(1), repeats: true },
    );
  }
  if (swap) {
    table.push({ key: "s", words: "Hold: show the reference in place", run: () => show(true) });
    document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "s") show(false); });
    addEventListener("blur", () => show(false));
    swap.addEventListener("click", () => show(swap.getAttribute("aria-pressed") !== "true"));
  }

  const ticks = [...document.querySelectorAll(".vb-card .vb-item-tick")];
  if (ticks.length) {
    const word = one("[data-vb-approve-word]"), every = one("[data-vb-all]");
    const count = () => { const n = ticks.filter((tick) => tick.checked).length; word.textContent = n ? `Approve ${n}` : "Approve selected"; };
    let last;
    ticks.forEach((tick, place) => tick.addEventListener("click", (event) => {
      if (event.shiftKey && last !== undefined) {
        const [from, to] = [Math.min(last, place), Math.max(last, place)];
        ticks.slice(from, to + 1).forEach((each) => { each.checked = tick.checked; });
      }
      last = place;
    }));
    every.addEventListener("change", () => {
      ticks.filter((tick) => !tick.closest(".vb-card-failed")).forEach((tick) => { tick.checked = every.checked; });
      if (every.checked && !ticks.some((tick) => tick.checked)) window.vb.toast("Every file here has a failed check: tick those you mean one by one.");
    });
    document.addEventListener("change", count);
    ticks.forEach((tick) => tick.addEventListener("click", count));
    const under = () => document.activeElement?.closest(".vb-card")?.querySelector(".vb-item-tick");
    table.push({ key: "x", words: "Select the file under the focus", run: () => under()?.click() });
    count();
  }
  window.vb.keys(table);

  const next = one("[data-vb-preload]");
  if (next) new Image().src = next.dataset.vbPreload;
})();
