/* "Listen": asks for a sample of the chosen voice, then plays it; what went wrong is said beside the button. */
(() => {
  const box = document.querySelector("[data-vb-voice]");
  if (!box) return;
  const language = document.getElementById("id_language"), voice = document.getElementById("id_voice");
  const player = box.querySelector("audio"), said = box.querySelector("[data-vb-said]"), button = box.querySelector("[data-vb-listen]");
  const quiet = () => { player.pause(); player.hidden = true; said.textContent = ""; };

  button.addEventListener("click", async () => {
    const url = `${box.dataset.vbVoice}?${new URLSearchParams({ language: language.value, voice: voice.value })}`;
    said.textContent = "Just a moment …";
    try {
      const answer = await fetch(url);
      if (!answer.ok) { said.textContent = answer.status === 422 ? await answer.text() : "No sample could be made just now."; return; }
    } catch { said.textContent = "The server cannot be reached."; return; }
    said.textContent = "";
    player.hidden = false;
    player.src = url;
    player.play().catch(() => {});
  });
  language.addEventListener("change", quiet);
  voice.addEventListener("change", quiet);
})();
