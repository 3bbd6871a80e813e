"""A dataset as the checks see it: its files by what they are, and which of them tell of one tilt series."""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from msgspec import Struct

from etdb.describe import Draft
from etdb.em import (
    AcquisitionLog,
    CtfEstimates,
    FrameStack,
    ImodModel,
    Look,
    MdocLook,
    MrcLook,
    PointAnnotations,
    TiltAngles,
    Transforms,
    ZarrVolume,
)
from etdb.sources import Problem, SourceDataset, SourceFile
from etdb.vocabulary import Taxonomy

__all__ = ["Series", "Subject", "header_angles_deg", "plain_name", "spacing_of"]

L = TypeVar("L", bound=Look)
T = TypeVar("T")

PACKINGS: Final = (".gz", ".bz2")
RAW_ROLES: Final = ("tilt_series",)
STACK_ROLES: Final = ("tilt_series", "aligned_series")
PEOPLE: Final = "what its people say"
VOLUME_ROLES: Final = ("reconstruction", "subvolume", "segmentation")
_ENDINGS: Final = re.compile(
    r"(\.(mrcs?|st|ali|preali|rec|map|ccp4|rawtlt|tlt|xf|prexf|prexg|xg|xtilt|tiff?|eer))?(\.mdoc)?$", re.IGNORECASE
)
_WORDS: Final = re.compile(r"[ _.-](ali|preali|rec|full|full_rec|st|raw|bin\d+)$", re.IGNORECASE)


class Series(Struct, kw_only=True):
    """What tells of one tilt series: its raw stack, and the texts beside it."""

    name: str
    stack: SourceFile | None = None
    mdoc: SourceFile | None = None
    raw: SourceFile | None = None
    refined: SourceFile | None = None
    transforms: SourceFile | None = None

    @property
    def sections(self) -> int | None:
        """Planes of the stack."""
        return self.stack.header.sections if self.stack is not None and self.stack.header is not None else None


class Subject:
    """One dataset, for the checks.

    Args:
        dataset: what a source found.
        draft: of its record, with the evidence for each field.
        problems: what the source refused.
        today: the date, from the caller's clock.
        taxa: who knows species.
        full: look at every plane, not at a sample.
    """

    def __init__(
        self,
        dataset: SourceDataset,
        *,
        draft: Draft,
        problems: Sequence[Problem] = (),
        today: dt.date,
        taxa: Taxonomy,
        full: bool = False,
    ) -> None:
        self.dataset = dataset
        self.draft = draft
        self.record = draft.tomogram
        self.problems = tuple(problems)
        self.today = today
        self.taxa = taxa
        self.full = full
        self._kept: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What several checks need is made once for this dataset."""
        if name not in self._kept:
            self._kept[name] = make()
        kept: T = self._kept[name]
        return kept

    @functools.cached_property
    def paths(self) -> frozenset[str]:
        """All files, relative with '/'."""
        return frozenset(file.path for file in self.dataset.files)

    @functools.cached_property
    def headers(self) -> list[tuple[SourceFile, MrcLook]]:
        """Every MRC file that could be read."""
        return self.looks(MrcLook)

    @property
    def stacks(self) -> list[tuple[SourceFile, MrcLook]]:
        """Tilt series, raw and aligned."""
        return [(file, look) for file, look in self.headers if file.role in STACK_ROLES]

    @property
    def volumes(self) -> list[tuple[SourceFile, MrcLook]]:
        """Reconstructions and parts of them."""
        return [(file, look) for file, look in self.headers if file.role in VOLUME_ROLES]

    @functools.cached_property
    def mdocs(self) -> list[tuple[SourceFile, MdocLook]]:
        """The mdoc files of tilt series: montages, and what stands beside a single stack of frames, are none."""
        return [
            (file, look)
            for file, look in self.looks(MdocLook)
            if not look.is_montage and all(section.kind == "ZValue" for section in look.sections_facts)
        ]

    @property
    def frames(self) -> list[SourceFile]:
        """Movie frames of the camera."""
        return [file for file in self.dataset.files if file.role == "frames"]

    @property
    def frame_stacks(self) -> list[tuple[SourceFile, FrameStack]]:
        """TIFF and EER files."""
        return self.looks(FrameStack)

    @property
    def models(self) -> list[tuple[SourceFile, ImodModel]]:
        """IMOD's models."""
        return self.looks(ImodModel)

    @property
    def points(self) -> list[tuple[SourceFile, PointAnnotations]]:
        """Points in the form of the CryoET Data Portal."""
        return self.looks(PointAnnotations)

    @property
    def ctfs(self) -> list[tuple[SourceFile, CtfEstimates]]:
        """What programs estimated of the contrast transfer function."""
        return self.looks(CtfEstimates)

    @property
    def zarrs(self) -> list[tuple[SourceFile, ZarrVolume]]:
        """OME-Zarr volumes."""
        return self.looks(ZarrVolume)

    def looks(self, kind: type[L]) -> list[tuple[SourceFile, L]]:
        """The files whose look is of a kind."""
        return [(file, file.look) for file in self.dataset.files if isinstance(file.look, kind)]

    @functools.cached_property
    def series(self) -> list[Series]:
        """The tilt series, put together by name; where there is only one, all that tells of a tilt series is of it."""
        found: dict[str, Series] = {}
        stacks = [file for file, look in self.headers if file.role in RAW_ROLES and look.sections > 1]
        names = Counter(plain_name(file.path) for file in stacks)

        def put(slot: str, file: SourceFile) -> None:
            key = plain_name(file.path)
            if names[key] > 1:  # `p1/stack.st` and `p2/stack.st`: what lies beside each is of it
                key = f"{PurePosixPath(file.path).parent}/{key}"
            one = found.setdefault(key, Series(name=key))
            if getattr(one, slot) is None:
                setattr(one, slot, file)

        for file in stacks:
            put("stack", file)
        for file, _ in self.mdocs:
            put("mdoc", file)
        for file, angles in self.looks(TiltAngles):
            if angles.kind != "x-axis":
                put("raw" if angles.kind == "raw" else "refined", file)
        for file, transforms in self.looks(Transforms):
            if not transforms.is_coarse and not transforms.is_global:
                put("transforms", file)
        return _joined(list(found.values()))

    @functools.cached_property
    def spacing_witnesses(self) -> list[tuple[float, str]]:
        """Pixel sizes in angstrom that do not come from an MRC main header, each with who says so."""
        said: list[tuple[float | None, str]] = [(look.pixel_spacing_angstrom, file.path) for file, look in self.mdocs]
        for file, header in self.headers:
            told = {section.pixel_spacing_angstrom for section in header.per_section}
            said += [(value, f"the extended header of {file.path}") for value in told]
            if header.fei is not None and not told:
                said.append((header.fei.pixel_spacing_angstrom, f"the extended header of {file.path}"))
        said += [(look.pixel_spacing_angstrom, file.path) for file, look in self.frame_stacks]
        said += [(log.pixel_spacing_angstrom, file.path) for file, log in self.looks(AcquisitionLog)]
        stated = self.dataset.metadata
        said += [(stated.get(field), PEOPLE) for field in ("pixel_spacing_angstrom", "voxel_spacing_angstrom")]
        return [(value, who) for value, who in said if value is not None and math.isfinite(value) and value > 0]


def _joined(found: list[Series]) -> list[Series]:
    whole = [one for one in found if one.stack is not None]
    if len(whole) != 1:
        return found
    one, rest = whole[0], []
    for slot in ("mdoc", "raw", "refined", "transforms"):
        others = [other for other in found if other is not one and getattr(other, slot) is not None]
        if getattr(one, slot) is None and len(others) == 1:
            setattr(one, slot, getattr(others[0], slot))
            setattr(others[0], slot, None)
    for other in found:
        is_left = other is not one and any((other.mdoc, other.raw, other.refined, other.transforms))
        rest += [other] if is_left else []
    return [one, *rest]


def plain_name(path: str) -> str:
    """What a file is called without the endings that say what it is: `TS_01` of `raw/TS_01.mrc.mdoc`."""
    name = PurePosixPath(path).name
    for packing in PACKINGS:
        name = name.removesuffix(packing)
    name = _ENDINGS.sub("", name)
    return _WORDS.sub("", name).lower()


def header_angles_deg(header: MrcLook) -> tuple[float, ...]:
    """The tilt angles in an extended header, one a section; () when it does not have them all."""
    angles = tuple(section.tilt_deg for section in header.per_section if section.tilt_deg is not None)
    if len(angles) == header.sections:
        return angles
    return header.fei.tilt_angles_deg if header.fei is not None else ()


def spacing_of(header: MrcLook) -> tuple[float, float, float] | None:
    """What the main header says of (x, y, z), sensible or not; None when it says nothing that is a length."""
    found = header.voxel_spacing_as_found
    if all(math.isfinite(value) and value > 0 for value in found):
        return found
    return header.voxel_spacing_angstrom
