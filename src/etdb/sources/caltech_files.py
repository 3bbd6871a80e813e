"""From a series of the Caltech database to its files, as go-etdb laid them out (reference: `dbet/dump.go`).

| row | role | path in the dataset | on the disk, below the data folder |
| --- | --- | --- | --- |
| DataFile 2dimage | snapshot | `file_<DEF_id>/<filename>` | `<id>/file_<DEF_id>/<filename>` |
| the same, auto = 2 | snapshot | `AutoCaps/<filename>` | `Caps/<filename>` |
| DataFile movie, other | preview, other | `file_<DEF_id>/<filename>` | `<id>/file_<DEF_id>/<filename>` |
| ThreeDFile rawdata | tilt_series | `rawdata/<filename>` | `<id>/rawdata/<filename>` |
| ThreeDFile reconstruction, subvolume, other | the same | `3dimage_<DEF_id>/<filename>` | `<id>/3dimage_<DEF_id>/<filename>` |
| keyimg 1 to 4 | thumbnail, key_image | `keyimg_<id>_s.jpg`, `keyimg_<id>.jpg` | `<id>/` |
| keymov 1 to 4 | key_movie | `keymov_<id>.mp4`, `.flv` | `<id>/`, else `Videos/` |

A row with a status is deleted. Pictures and movies that only the numbers name may be missing: they were made from the
data.
"""  # noqa: E501 - a table

from __future__ import annotations

from pathlib import Path
from typing import Final

from etdb.sources.caltech_fields import Series
from etdb.sources.listed import ListedFile
from etdb.sources.names import shown

__all__ = ["listed_files"]

_DATA_ROLES: Final = {"2dimage": "snapshot", "movie": "preview", "other": "other"}
_VOLUME_ROLES: Final = {
    "rawdata": "tilt_series",
    "reconstruction": "reconstruction",
    "subvolume": "subvolume",
    "other": "other",
}


def listed_files(series: Series, folder: Path) -> tuple[list[ListedFile], list[str]]:
    """The files of a series that are not deleted, and what is wrong with their rows.

    Args:
        series: the series.
        folder: the data folder; it is only asked whether a key movie is here or there.
    """
    sid, files, problems = series.sid, [], []
    for row in series.data_files:
        kind, name = str(row["filetype"] or "").strip().lower(), str(row["filename"] or "").strip()
        if row["status"]:
            continue
        if kind not in _DATA_ROLES or not name:
            problems.append(f"DataFile {row['DEF_id']}: filetype {shown(kind)!r}, filename {shown(name)!r}")
            continue
        is_cap = kind == "2dimage" and row["auto"] == 2
        path = f"AutoCaps/{name}" if is_cap else f"file_{row['DEF_id']}/{name}"
        place = f"Caps/{name}" if is_cap else f"{sid}/{path}"
        caption = str(row["TXT_notes"] or "").strip()
        files.append(ListedFile(path=path, place=place, role=_DATA_ROLES[kind], notes=caption, display_name=name))
    software = {
        "rawdata": str(series.row["software_acquisition"] or "").strip(),
        "reconstruction": str(series.row["software_process"] or "").strip(),
    }
    for row in series.volumes:
        kind, name = str(row["classify"] or "").strip().lower(), str(row["filename"] or "").strip()
        if row["status"]:
            continue
        if kind not in _VOLUME_ROLES or not name:
            problems.append(f"ThreeDFile {row['DEF_id']}: classify {shown(kind)!r}, filename {shown(name)!r}")
            continue
        path = f"rawdata/{name}" if kind == "rawdata" else f"3dimage_{row['DEF_id']}/{name}"
        told = (str(row["title"] or "").strip(), str(row["TXT_notes"] or "").strip())
        files.append(
            ListedFile(
                path=path,
                place=f"{sid}/{path}",
                role=_VOLUME_ROLES[kind],
                notes="\n".join(text for text in told if text and text != name),
                display_name=name,
                # A list of programs says nothing of this one file.
                software="" if "," in software.get(kind, "") else software.get(kind, ""),
            )
        )
    return files + _key_files(series, folder), problems


def _key_files(series: Series, folder: Path) -> list[ListedFile]:
    sid, found = series.sid, []
    if series.row["keyimg"] in {1, 2, 3, 4}:
        for name, role in ((f"keyimg_{sid}_s.jpg", "thumbnail"), (f"keyimg_{sid}.jpg", "key_image")):
            found.append(ListedFile(path=name, place=f"{sid}/{name}", role=role, optional=True))
    if series.row["keymov"] in {1, 2, 3, 4}:
        for name in (f"keymov_{sid}.mp4", f"keymov_{sid}.flv"):
            place = f"Videos/{name}" if (folder / "Videos" / name).is_file() else f"{sid}/{name}"
            found.append(ListedFile(path=name, place=place, role="key_movie", optional=True))
    return found
