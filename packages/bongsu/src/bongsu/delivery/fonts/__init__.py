"""The typeface of charts: a bundled Korean face, then what the machine has, then matplotlib's own.

``BongsuSansKR.otf`` is a subset of Pretendard (SIL Open Font License 1.1, ``OFL.txt``) under another
name, built by ``scripts/subset_font.py``. It holds the 2,350 syllables of KS X 1001.
"""

import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FONT_FILE = Path(__file__).with_name("BongsuSansKR.otf")
FAMILY = "Bongsu Sans KR"
_KOREAN_FAMILIES = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Noto Sans CJK JP",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    "UnDotum",
)
_LAST_FAMILY = "DejaVu Sans"
_HANGUL_FIRST, _HANGUL_LAST = 0xAC00, 0xD7A3
_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS: tuple[str, ...] = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Typeface:
    families: tuple[str, ...]
    """In the order in which a glyph is looked for."""
    glyphs: frozenset[int]
    """The code points that at least one of the families has."""


@lru_cache(maxsize=2)
def _load(system: bool) -> Typeface:
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    manager = font_manager.fontManager
    known = {entry.name for entry in manager.ttflist}
    if FAMILY not in known:
        manager.addfont(str(FONT_FILE))
    own = tuple(name for name in _KOREAN_FAMILIES if system and name in known)[:1]
    families = (FAMILY, *own, _LAST_FAMILY)
    glyphs: set[int] = set()
    for family in families:
        path = manager.findfont(font_manager.FontProperties(family=family))
        glyphs.update(FT2Font(path).get_charmap())
    return Typeface(families, frozenset(glyphs))


def typeface(*, system: bool = True) -> Typeface:
    """The families to draw with; ``system=False`` leaves out the machine's own, as on a bare server."""
    with _lock:
        return _load(system)


def drawable(text: str, face: Typeface, limit: int = 80) -> str:
    """``text`` in one line, in glyphs that ``face`` has; a rare syllable is spelled out in its letters."""
    out: list[str] = []
    for char in text[: limit * 2]:
        if char.isspace():
            out.append(" ")
        elif unicodedata.category(char)[0] == "C" or 0xFE00 <= ord(char) <= 0xFE0F:
            continue
        elif ord(char) in face.glyphs:
            out.append(char)
        else:
            out.append(_spelled(char))
    shown = " ".join("".join(out).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _spelled(char: str) -> str:
    code = ord(char)
    if not _HANGUL_FIRST <= code <= _HANGUL_LAST:
        return "?" if char.isalnum() else ""
    lead, rest = divmod(code - _HANGUL_FIRST, len(_VOWELS) * len(_TAILS))
    vowel, tail = divmod(rest, len(_TAILS))
    return _LEADS[lead] + _VOWELS[vowel] + _TAILS[tail]
