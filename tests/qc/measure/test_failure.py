from __future__ import annotations

import pytest

from providers.media.errors import BadMedia, DiskFull, MediaError, MediaTimeout, ProgramFailed, ProgramMissing, Stopped
from qc.measure import image
from qc.measure.failure import sentence_of


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadMedia("It is cut off."), "It is cut off."),
        (MediaTimeout("It took too long."), "It took too long."),
        (ProgramFailed("ffmpeg failed with status 1."), "The file is damaged and cannot be read to its end."),
    ],
)
def test_what_the_file_did_becomes_its_sentence(error, said):
    assert sentence_of(error) == said


@pytest.mark.parametrize("error", [ProgramMissing("a"), Stopped("b"), DiskFull("c"), MediaError("d")])
def test_what_the_file_did_not_do_is_no_verdict(error):
    with pytest.raises(type(error)):
        sentence_of(error)


@pytest.mark.parametrize(("how", "judged"), [("was ended by signal 11", True), ("failed with status 1", False)])
def test_a_picture_that_crashes_its_decoder_is_bad_and_a_mistake_of_ours_is_not(media, monkeypatch, how, judged):
    def crash(*args, **kwargs):
        raise ProgramFailed(f"python {how}.")

    path = media.get("good.png")
    monkeypatch.setattr(image, "run_python", crash)
    if judged:
        assert image.measure_image(path).error.startswith("The file is damaged")
    else:
        with pytest.raises(ProgramFailed):
            image.measure_image(path)
