/* Fires vb:tick, which the page's one live request listens to: every 3 s, not while the tab is hidden or
   updates are paused, every 15 s after errors. Says so when two ticks in a row brought nothing back. */
(() => {
  const USUAL_MS = 3000, SLOW_MS = 15000, MISSES_BEFORE_NOTICE = 2;
  const live = document.querySelector("[data-vb-live]");
  if (!live) return;
  const notice = document.getElementById("vb-stale");
  const pause = document.querySelector("[data-vb-pause]");
  let timer, misses = 0, ended = false, skipped = false, lastGood = new Date();

  const paused = () => Boolean(pause && pause.checked);
  const plan = () => {
    clearTimeout(timer);
    if (!ended && !document.hidden && !paused()) timer = setTimeout(tick, misses ? SLOW_MS : USUAL_MS);
  };
  /* the next tick is planned by the answer, or by now if the request never starts */
  const tick = () => { plan(); document.body.dispatchEvent(new Event("vb:tick")); };

  function good() {
    misses = 0;
    lastGood = new Date();
    notice.hidden = true;
  }

  function bad(text) {
    misses += 1;
    if (misses < MISSES_BEFORE_NOTICE && !text) return;
    const time = lastGood.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const words = text || `Not updating since ${time}.`;
    const said = notice.querySelector("[data-vb-stale-text]");
    if (said.textContent !== words) said.textContent = words;
    notice.hidden = false;
  }

  /* after htmx has settled the new token (20 ms) */
  const forgetVersion = () => { skipped = false; setTimeout(() => { document.getElementById("vb-live-version").value = ""; }, 100); };

  const signedOut = (request) => {
    const login = document.body.dataset.vbLogin;
    return login && login !== "#" && request.responseURL && new URL(request.responseURL).pathname === login;
  };

  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.elt !== live || !signedOut(event.detail.xhr)) return;
    event.detail.shouldSwap = false;
  });

  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== live) return;
    const request = event.detail.xhr;
    if (request.status === 286) ended = true;
    if (signedOut(request)) { ended = true; bad("You were signed out. Sign in again to see what is new."); }
    else if (event.detail.successful || request.status === 286) good();
    else bad();
    if (skipped) forgetVersion();
    plan();
  });

  /* A region in use stays as it is; the empty version token makes the next answer bring it again. */
  const inUse = (region) => region.contains(document.activeElement) || region.querySelector("[aria-expanded=true], dialog[open], details[open]")
    || [...region.querySelectorAll("video, audio")].some((player) => !player.paused);
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.id === "vb-live-version" || !inUse(event.detail.target)) return;
    event.detail.shouldSwap = false;
    skipped = true;
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else if (!ended && !paused()) tick(); });
  pause?.addEventListener("change", () => { if (paused()) clearTimeout(timer); else tick(); });
  notice.querySelector("[data-vb-retry]").addEventListener("click", () => { if (ended) location.reload(); else tick(); });
  plan();
})();
