"""The Caltech Tomography Database: MySQL `publicdb`, read as go-etdb read it, and what that left out.

Facts of the schema: a structure dump of 2018-02-23; of its meaning: go-etdb (`dbet/dump.go`, `sql/*.sql`). A series is
released when `ispublic` is 1 and its `status` 0; files whose `status` is not 0 are deleted. The scope is joined by its
name; user, species, publication and features by number, or by name where that is what stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from etdb.errors import SourceFileError
from etdb.sources.caltech_fields import Series, record_fields
from etdb.sources.caltech_files import listed_files
from etdb.sources.database import Database
from etdb.sources.dataset import SourceDataset
from etdb.sources.listed import read_listed
from etdb.sources.mojibake import mend_mojibake
from etdb.sources.names import name_problem, shown
from etdb.sources.port import Listing
from etdb.sources.rows import Row, not_released, told_by

__all__ = ["CaltechSource", "LengthUnit"]

LengthUnit = Literal["", "nm", "angstrom"]
_SERIES_COLUMNS: Final = (
    *("DEF_id", "tiltseriesID", "title", "TXT_notes", "REF|UserData|user", "tomo_date", "keywords", "roles"),
    *("REF|SpeciesData|specie", "treatment", "sample", "single_dual", "tilt_min", "tilt_max", "tilt_step"),
    *("tilt_constant", "dosage", "defocus", "magnification", "voxel", "scope", "software_acquisition"),
    *("software_process", "REF_PublicationData_publication", "pubtext", "keyimg", "keymov", "feature", "status"),
    *("ispublic", "emdb", "delete_text", "delete_time"),
)
_SERIES: Final = (
    f"SELECT {', '.join(f'`{name}`' for name in _SERIES_COLUMNS)}"  # noqa: S608 - constants only
    " FROM TiltSeriesData ORDER BY tiltseriesID, DEF_id"
)
_SMALL: Final = {
    "users": "SELECT DEF_id, username AS name, fullname FROM UserData",
    "species": "SELECT DEF_id, SpeciesName AS name, strain, tax_id, TXT_notes FROM SpeciesData",
    "scopes": "SELECT DEF_id, scopename AS name, TXT_notes FROM ScopeData",
    "publications": "SELECT DEF_id, title AS name, authors, journal, issue, pages, year FROM PublicationData",
    "features": "SELECT DEF_id, featurename AS name FROM FeatureData",
}
_OF_SERIES: Final = {
    "data_files": "SELECT DEF_id, `REF|TiltSeriesData|tiltseries` AS sid, filetype, auto, filename, TXT_notes,"
    " `REF|ThreeDFile|image` AS image, status FROM DataFile ORDER BY DEF_id",
    "volumes": "SELECT DEF_id, `REF|TiltSeriesData|tiltseries` AS sid, title, TXT_notes, classify, filename,"
    " pixel_size, status FROM ThreeDFile ORDER BY DEF_id",
    "listed_features": "SELECT `REF|TiltSeriesData|tiltseries` AS sid, `REF|FeatureData|featurename` AS feature,"
    " checked FROM ListFeature ORDER BY DEF_id",
}


class _Look(Struct, frozen=True, kw_only=True):
    listing: Listing
    series: dict[str, Row]
    small: dict[str, dict[str, Row]]
    of_series: dict[str, dict[str, list[Row]]]


class CaltechSource:
    """See :class:`~etdb.sources.port.Source`.

    Args:
        database: where `publicdb` is.
        folder: the data folder: ``<tiltseriesID>/`` for each series, ``Caps/`` and ``Videos/`` beside them.
        length_unit: of `voxel` and `pixel_size`. The schema does not say; without it the numbers are kept as the
            record's own fields, with no unit.
        defaults: what each record of this source says and the database does not know.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        length_unit: LengthUnit = "",
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._length_unit = length_unit
        self._defaults = dict(defaults or {})
        self._look: _Look | None = None

    @property
    def name(self) -> str:
        """See :class:`~etdb.sources.port.Source`."""
        return self._database.shown

    def listing(self) -> Listing:
        """See :class:`~etdb.sources.port.Source`. All tables are read at one look, and kept for :meth:`read`."""
        with self._database.session() as session:
            rows = {name: _mended(session.rows(query)) for name, query in _SMALL.items()}
            grouped = {name: _by_sid(_mended(session.rows(query))) for name, query in _OF_SERIES.items()}
            all_series = _mended(session.rows(_SERIES))
        series: dict[str, Row] = {}
        released, withheld, refused, twice = [], {}, [], set()
        for row in all_series:
            sid = str(row["tiltseriesID"] or "").strip()
            problem = name_problem(sid) or ("has a '/' in it" if "/" in sid else "")
            if problem:
                refused.append(f"TiltSeriesData {row['DEF_id']}: tiltseriesID {shown(sid)!r} {problem}")
            elif sid in series:
                twice.add(sid)
            else:
                series[sid] = row
                reason = _withheld(row)
                if reason:
                    withheld[sid] = reason
                else:
                    released.append(sid)
        refused += [f"{shown(sid)}: more than one row of TiltSeriesData has this tiltseriesID" for sid in sorted(twice)]
        listing = Listing(
            released=tuple(sid for sid in released if sid not in twice),
            withheld={sid: reason for sid, reason in withheld.items() if sid not in twice},
            refused=tuple(refused),
        )
        small = {name: _by_reference(found) for name, found in rows.items()}
        self._look = _Look(listing=listing, series=series, small=small, of_series=grouped)
        return listing

    def read(self, sid: str) -> SourceDataset:
        """See :class:`~etdb.sources.port.Source`."""
        if self._look is None:
            self.listing()
        look = self._look
        assert look is not None
        if sid not in look.listing.released:
            raise not_released(self.name, sid)
        of_series: dict[str, Any] = {name: grouped.get(sid, []) for name, grouped in look.of_series.items()}
        references: dict[str, Any] = dict(look.small)
        series = Series(sid=sid, row=look.series[sid], **references, **of_series)
        metadata, notes, problems = record_fields(series, self._length_unit)
        files, wrong = listed_files(series, self._folder)
        try:
            dataset = read_listed(
                sid, self._folder, files, {**self._defaults, **metadata}, notes=notes, problems=[*problems, *wrong]
            )
        except SourceFileError as error:
            error.hint = "nothing was published of it; correct the database or the files"
            raise
        return told_by("lab database", dataset)

    def close(self) -> None:
        """See :class:`~etdb.sources.port.Source`."""
        self._database.close()


def _withheld(row: Row) -> str:
    if row["status"]:
        because = str(row["delete_text"] or "").strip()
        when = f" on {row['delete_time']:%Y-%m-%d}" if hasattr(row["delete_time"], "strftime") else ""
        return f"deleted{when}{f': {because}' if because else ''}"
    return "" if row["ispublic"] == 1 else "not public"


def _mended(rows: Sequence[Row]) -> list[Row]:
    return [
        {name: mend_mojibake(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows
    ]


def _by_sid(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["sid"] or "").strip(), []).append(row)
    return found


def _by_reference(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by what others call them: their number, else their name. The first of a name counts."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(str(row["name"] or "").strip().casefold(), row)
    return found | {f"#{row['DEF_id']}": row for row in rows}
