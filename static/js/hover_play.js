/* Tiles with data-vb-preview play their clip under the mouse: muted, one at a time, let go of on leaving. */
(() => {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  let timer, playing;
  const stop = () => {
    clearTimeout(timer);
    if (!playing) return;
    playing.pause();
    playing.removeAttribute("src");
    playing.load();
    playing.remove();
    playing = undefined;
  };
  const start = (tile) => {
    playing = document.createElement("video");
    playing.muted = playing.loop = playing.playsInline = true;
    playing.className = "vb-tile-preview";
    playing.src = tile.dataset.vbPreview;
    tile.append(playing);
    playing.play().catch(stop);
  };
  document.addEventListener("mouseover", (event) => {
    const tile = event.target.closest?.("[data-vb-preview]");
    if (tile && tile.contains(event.relatedTarget)) return;
    stop();
    if (tile) timer = setTimeout(() => start(tile), 250);
  });
})();
