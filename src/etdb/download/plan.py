"""What a download will bring: which files of which datasets, where to, and how many bytes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from etdb.download.names import dataset_folder_name, safe_paths
from etdb.errors import InputError
from etdb.manifest import MANIFEST_NAME
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.sources.received import RECEIVED_NAME

__all__ = ["FILE_CLASSES", "DownloadPlan", "PlannedDataset", "PlannedFile", "file_class", "plan_download", "targets_of"]

FILE_CLASSES = ("tilt-series", "reconstructions", "images", "videos", "others")
METADATA_ONLY = "none"
INCOMPLETE_FOLDER = ".etdb-incomplete"
CLASS_OF_ROLE = {
    "tilt_series": "tilt-series",
    "reconstruction": "reconstructions",
    "subvolume": "reconstructions",
    "snapshot": "images",
    "key_image": "images",
    "thumbnail": "images",
    "preview": "videos",
    "key_movie": "videos",
    "aligned_series": "tilt-series",
    "light_micrograph": "images",
    "movie": "videos",
}


class PlannedFile(Struct, frozen=True, kw_only=True):
    """A file to bring: its `path` in the record, and `target`, its safe path in the dataset's folder."""

    path: str
    target: str
    size_bytes: int | None
    file_class: str


class PlannedDataset(Struct, frozen=True, kw_only=True):
    """A dataset to bring into `folder`; `left_out` are the paths that were not asked for.

    One that `is_bare` has no record, only a CID: nothing is compared with it, or written beside its files.
    """

    dataset_id: str
    tomogram: Tomogram
    folder: str
    files: tuple[PlannedFile, ...]
    left_out: tuple[str, ...] = ()
    is_bare: bool = False


class DownloadPlan(Struct, frozen=True, kw_only=True):
    """What will be brought. The manifest of each dataset comes along and is not counted."""

    datasets: tuple[PlannedDataset, ...]

    @property
    def files(self) -> int:
        """How many files."""
        return sum(len(d.files) for d in self.datasets)

    @property
    def size_bytes(self) -> int:
        """How many bytes, as far as the records say."""
        return sum(f.size_bytes or 0 for d in self.datasets for f in d.files)

    @property
    def files_of_unknown_size(self) -> int:
        """How many files their records give no size for."""
        return sum(f.size_bytes is None for d in self.datasets for f in d.files)


def file_class(entry: FileEntry) -> str:
    """The class that `--type` selects by: the media type of a picture or movie, then the role."""
    kind = entry.media_type.partition("/")[0].lower()
    by_role = CLASS_OF_ROLE.get(entry.role, "others")
    if by_role in {"images", "videos", "others"} and kind in {"image", "video"} and "tif" not in entry.media_type:
        return "images" if kind == "image" else "videos"
    return by_role


def plan_download(records: Sequence[tuple[str, Tomogram]], types: Collection[str] = ()) -> DownloadPlan:
    """Decide what to bring.

    Args:
        records: (dataset id, record) of each dataset; a dataset given twice counts once.
        types: classes of `FILE_CLASSES`; none given means all; `none` means the metadata only.

    Raises:
        InputError: an unknown type, `none` together with others, or a record that has no content to fetch.
    """
    wanted = set(types)
    if unknown := sorted(wanted - {*FILE_CLASSES, METADATA_ONLY}):
        raise InputError(
            f"{', '.join(unknown)} is not a type of files", hint=f"one of {', '.join((*FILE_CLASSES, METADATA_ONLY))}"
        )
    if METADATA_ONLY in wanted and len(wanted) > 1:
        raise InputError("the type none means no files; it cannot be combined with others", hint="leave one out")
    wanted = wanted or set(FILE_CLASSES)
    planned: dict[str, PlannedDataset] = {}
    folders: set[str] = set()
    for dataset_id, tomogram in records:
        if dataset_id in planned:
            continue
        if tomogram.storage_network.lower() != "ipfs" or not tomogram.location:
            raise InputError(
                f"the dataset {dataset_id} has no content on IPFS",
                hint=f"its record says: {tomogram.storage_network or 'no network'}",
                dataset_id=dataset_id,
            )
        folder = dataset_folder_name(tomogram.sid or tomogram.title, dataset_id)
        if folder.casefold() in folders:
            folder = dataset_folder_name("", dataset_id) + "-" + dataset_id[8:]
        folders.add(folder.casefold())
        planned[dataset_id] = _plan_dataset(dataset_id, tomogram, folder, wanted)
    return DownloadPlan(datasets=tuple(planned.values()))


def targets_of(tomogram: Tomogram) -> dict[str, str]:
    """Where a download puts each file of a record, below the dataset's folder."""
    return {file.path: file.target for file in _plan_dataset("", tomogram, "", set(FILE_CLASSES)).files}


def _plan_dataset(dataset_id: str, tomogram: Tomogram, folder: str, wanted: set[str]) -> PlannedDataset:
    # All names are made before any is chosen, so that another choice of types gives the same names.
    names = safe_paths(
        (entry.path for entry in tomogram.files if entry.path != MANIFEST_NAME),
        reserved=(MANIFEST_NAME, RECEIVED_NAME, INCOMPLETE_FOLDER),
    )
    files: dict[str, PlannedFile] = {}
    left_out: list[str] = []
    for entry in tomogram.files:
        if entry.path not in names or entry.path in files:
            continue
        kind = file_class(entry)
        if kind in wanted:
            files[entry.path] = PlannedFile(
                path=entry.path, target=names[entry.path], size_bytes=entry.size_bytes, file_class=kind
            )
        else:
            left_out.append(entry.path)
    return PlannedDataset(
        dataset_id=dataset_id, tomogram=tomogram, folder=folder, files=tuple(files.values()), left_out=tuple(left_out)
    )
