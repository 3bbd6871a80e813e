"""Write docs/reference/validation.md from the table of checks; a test fails when the page is not what this writes."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from etdb.validate import CHECKS, Check

PAGE = Path(__file__).with_name("validation.md")

ROOMS = {
    "names": "Names and files",
    "header": "Headers and lengths of MRC files",
    "planes": "Images",
    "mdoc": "mdoc files and frames",
    "gain": "Gain references",
    "angles": "Tilt angles",
    "dose": "Dose",
    "ctf": "CTF estimates",
    "spacing": "Pixel sizes and voxel spacings",
    "record": "The record",
    "volumes": "OME-Zarr",
    "annotations": "Models and annotated points",
    "labels": "Segmentations",
    "duplicates": "Across datasets",
}

HEAD = """\
# What `etdb validate` checks

Made from the table of checks by `docs/reference/make_validation_tables.py`.

`etdb validate PATH...` looks at datasets before they are published and changes nothing. Each finding has an id that
stays the same from version to version, a severity, the file, the numbers, and what to do. `etdb publish` runs the same
checks over what is not sent yet: errors are refused, warnings told (`--validation require`, the default), or told only
(`warn`), or not looked for (`skip`). Programs call `etdb.validate.validate_dataset`.

| severity | means | exit status of `etdb validate` |
| --- | --- | --- |
| error | a bad record would come of it | 3 |
| warning | somebody should look; it may be meant so | 8 |
| info | only told | 0 |

The status is that of the worst finding that is shown: `--min-severity` and `--ignore ID` leave findings out. Formats
are `text` (grouped by finding, file or dataset), `json`, `json-lines` (one finding a line, as they come) and `sarif`
(SARIF 2.1.0). Of one check at most 1,000 findings of a dataset are told.
"""

SAMPLING = """
## What is read

Headers and texts of all files. Of each stack and volume six planes at most: the first, the middle, the last, and three
that the file's name chooses, the same ones every time. A plane of integers is read until two values differ. With
`--full` every plane is read, packed files to their end; one buffer of 4 MiB at a time is in memory. Of packed files
only the first plane is looked at without `--full`, and their length is not known.

Contents are compared over all datasets of one run. Only files of one size are read: 64 KiB of the beginning, the middle
and the end; whole only where these are the same. Digests of the workspace are used where the file did not change. Texts
and gain references are not compared: they are alike in many datasets for good reasons. `etdb publish` does not compare.

Of segmentations the same planes are read for their labels: floating-point ones always, the others where points with
instances are beside them. That an instance has no voxel is only known with `--full`. Files of points and CTF estimates
are read whole.

Angles are matched one to one within 0.01 degree, as many as can be, no angle twice. A voxel spacing within 0.0015
angstrom of a whole number is taken for a placeholder unless another witness (mdoc, extended header, acquisition log,
frames, what people say) gives a pixel size of which it is a whole binning.
"""

NOT_CHECKED = (
    ("Acquisition order of frames", "there is no such field; doses that fall with time are found (`dose-order`)"),
    ("Every field of their schema", "our record has its own fields; a misspelt one is found (`metadata-invalid`)"),
)

WEAK = """
## What it cannot tell

- Wrong values that are plausible and stand in one place only: a pixel size of 5.4 instead of 5.3, say.
- Anything of the pixels of TIFF, EER and OME-Zarr files, frames and pictures: only MRC stacks and volumes are read.
- Whether images are good: only blank, constant and not-a-number planes are found, by default in a sample.
- A tilt axis whose sign is wrong, or a volume of the wrong hand.
- Models and points that were drawn on another volume of the same size.
- Whether CTF estimates are right: only whether they can be, and are of this series.
- CTF estimates of other programs than CTFFIND and IMOD; annotations in other forms than IMOD's models and the CryoET
  Data Portal's points.
- Copies that differ in a byte, such as a header that was edited.
"""


def page() -> str:
    """The page's text."""
    lines = [HEAD]
    for room, checks in groupby(sorted(CHECKS.values(), key=lambda one: list(ROOMS).index(one.room)), _room):
        lines += [
            f"## {ROOMS[room]}",
            "",
            "| id | severity | what is wrong | what to do |",
            "| --- | --- | --- | --- |",
        ]
        lines += [f"| `{one.id}` | {one.severity} | {_cell(one.title)} | {_cell(one.hint)} |" for one in checks]
        lines.append("")
    lines += [
        "## Beside what the CryoET Data Portal's curators check",
        "",
        "Their checks run on the portal's side, over what was sent. These run on the depositor's machine.",
        "",
        "| theirs | ours | what ours does beyond |",
        "| --- | --- | --- |",
    ]
    theirs = [one for one in CHECKS.values() if one.curators]
    lines += [f"| {_cell(one.curators)} | `{one.id}` | {_cell(one.better)} |" for one in theirs]
    lines += ["", "What they do not check:", "", "| ours | why |", "| --- | --- |"]
    alone = [one for one in CHECKS.values() if one not in theirs]
    lines += [f"| `{one.id}` | {_cell(one.better or one.title)} |" for one in alone]
    lines += ["", "What they check and we do not:", "", "| theirs | here |", "| --- | --- |"]
    lines += [f"| {what} | {why} |" for what, why in NOT_CHECKED]
    return "\n".join(lines) + "\n" + SAMPLING + WEAK


def _room(check: Check) -> str:
    return check.room


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
