"""Which words call for which composition and mood, in English, German, Spanish and French."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

FAMILY_WORDS: dict[str, str] = {
    "hills": "hill valley countryside farm landscape walk hiking hügel colina colline village",
    "sea": "sea ocean beach sail ship fish whale meer ozean mar océan mer boat island",
    "lake": "lake mountain river alps glacier climb berg lago montaña lac montagne",
    "dunes": "dune desert sand sahara camel düne wüste desierto désert heat",
    "forest": "forest wood woods tree bear mushroom wald baum bosque árbol forêt arbre",
    "skyline": (
        "skyline city street town building traffic money market business office train tram bus stadt ciudad "
        "ville bike startup"
    ),
    "botanical": (
        "botanical plant flower garden leaf leaves bee bees tea herb spice tomato pflanze blume garten flor "
        "jardín fleur jardin balcony seed"
    ),
    "waves": "wave waves music sound song radio rhythm piano musik música musique breath current sleep schlaf",
    "orbits": (
        "orbit orbits planet space moon star galaxy universe rocket satellite mars astronomy mond stern luna "
        "estrella lune étoile physics atom gravity"
    ),
    "terraces": "terrace layers paper map canyon geology memory deep data mind brain papier",
    "arcs": "arc arcs rainbow design play child children school colour color toy game bow",
    "still_life": (
        "still table bread coffee kitchen cooking food recipe wine cheese bottle ceramic pottery brot kaffee "
        "küche café cocina cuisine fruit breakfast"
    ),
    "doorway": (
        "doorway door house home room architecture arch museum library haus tür casa puerta maison porte travel"
    ),
}

MOOD_WORDS: dict[str, str] = {
    "dawn": "dawn sunrise morning morgen amanecer aube matin",
    "dusk": "dusk sunset evening twilight abend atardecer soir",
    "night": "night midnight nacht noche nuit",
    "autumn": "autumn october herbst otoño automne",
    "frost": "frost winter snow ice schnee invierno hiver neige",
    "blossom": "blossom rose pink romantic love wedding",
    "storm": "storm rain thunder sturm regen tormenta orage pluie",
    "meadow": "meadow green grün verde vert",
    "ocean": "blue blau azul bleu",
    "desert": "desert warm golden heat gold",
    "clay": "clay earth earthy terracotta",
    "garden": "spring frühling primavera printemps fresh",
}

SUITS: dict[str, tuple[str, ...]] = {
    "hills": ("dawn", "dusk", "meadow", "frost", "autumn", "night", "clay"),
    "sea": ("dawn", "dusk", "ocean", "night", "desert", "blossom"),
    "lake": ("dawn", "dusk", "frost", "ocean", "night", "autumn"),
    "dunes": ("desert", "dawn", "dusk", "clay", "night"),
    "forest": ("meadow", "autumn", "frost", "garden", "storm"),
    "skyline": ("dusk", "dawn", "night", "storm", "blossom", "clay"),
    "botanical": ("garden", "blossom", "autumn", "meadow", "clay"),
    "waves": ("ocean", "dusk", "blossom", "meadow", "frost", "desert"),
    "orbits": ("night", "dusk", "storm", "dawn", "ocean"),
    "terraces": ("ocean", "dawn", "clay", "blossom", "dusk", "frost"),
    "arcs": ("clay", "blossom", "garden", "dawn", "autumn"),
    "still_life": ("clay", "garden", "autumn", "blossom", "dawn", "storm"),
    "doorway": ("clay", "desert", "dawn", "ocean", "blossom", "dusk"),
}


def first_named(prompt: str, table: Mapping[str, str]) -> str:
    """Which entry's word comes first in the prompt; "" when none does. A word counts from its start: star, stars."""
    flat = unicodedata.normalize("NFKC", prompt).casefold()
    words = "".join(c if c.isalpha() else " " for c in flat).split()
    for word in words:
        for name, starts in table.items():
            if any(
                word == s or (len(s) > 3 and word.startswith(s) and len(word) <= len(s) + 2) for s in starts.split()
            ):
                return name
    return ""
