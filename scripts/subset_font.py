"""Build the small Korean font that charts are drawn with, from a full Pretendard face.

    npm pack pretendard && tar xzf pretendard-*.tgz
    python scripts/subset_font.py package/dist/public/static/Pretendard-Medium.otf \\
        package/dist/LICENSE.txt packages/bongsu/src/bongsu/delivery/fonts

Keeps the 2,350 syllables of KS X 1001, the jamo, Latin and the signs that charts use; drops hints and
layout features. "Pretendard" is a Reserved Font Name, so the result has another one. The output depends on
the input alone: the same face gives the same bytes.
"""

import argparse
import shutil
from pathlib import Path

from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

FAMILY = "Bongsu Sans KR"
FILE = "BongsuSansKR.otf"
LICENCE_FILE = "OFL.txt"
RANGES = (
    (0x20, 0x7E),
    (0xA0, 0x17F),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x20A9, 0x20A9),
    (0x2100, 0x2122),
    (0x2190, 0x2199),
    (0x2212, 0x2265),
    (0x25A0, 0x25CF),
    (0x3000, 0x3015),
    (0x3131, 0x3163),
)


def ksx1001_syllables() -> set[int]:
    """The Hangul rows (16 to 40) of KS X 1001, as code points."""
    rows = range(0xB0, 0xC9)
    cells = range(0xA1, 0xFF)
    return {ord(bytes((row, cell)).decode("euc_kr")) for row in rows for cell in cells}


def wanted() -> set[int]:
    signs = {code for first, last in RANGES for code in range(first, last + 1)}
    return signs | ksx1001_syllables()


def rename(font: TTFont) -> None:
    """Give the font its own name everywhere; keep the copyright and licence records."""
    postscript = FILE.removesuffix(".otf")
    names = {1: FAMILY, 2: "Regular", 3: f"{FAMILY} 1", 4: FAMILY, 6: postscript}
    kept = {0, 5, 13, 14}
    table = font["name"]
    table.names = [record for record in table.names if record.nameID in kept]
    for identity, value in names.items():
        table.setName(value, identity, 3, 1, 0x409)
    cff = font["CFF "].cff
    cff.fontNames = [postscript]
    top = cff.topDictIndex[0]
    top.FullName = top.FamilyName = FAMILY
    # The family has this one face: it stands for the regular weight, whatever weight it was drawn as.
    top.Weight = "Regular"
    font["OS/2"].usWeightClass = 400


def subset(source: Path, target: Path) -> int:
    """Write the subset and return its size in bytes."""
    font = TTFont(source, recalcTimestamp=False)
    options = Options()
    options.hinting = False
    options.desubroutinize = False
    options.layout_features = []
    options.name_IDs = ["*"]
    options.notdef_outline = True
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=wanted() & set(font.getBestCmap()))
    subsetter.subset(font)
    rename(font)
    font.save(target)
    return target.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the Korean chart font from a Pretendard face.")
    parser.add_argument("source", type=Path, help="a static Pretendard OTF")
    parser.add_argument("licence", type=Path, help="the licence text shipped with it")
    parser.add_argument("folder", type=Path, help="where the font and its licence go")
    arguments = parser.parse_args()
    size = subset(arguments.source, arguments.folder / FILE)
    shutil.copyfile(arguments.licence, arguments.folder / LICENCE_FILE)
    print(f"{arguments.folder / FILE}: {size} bytes, {len(wanted())} characters asked for")


if __name__ == "__main__":
    main()
