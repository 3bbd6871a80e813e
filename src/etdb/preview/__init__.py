"""Previews: what is made of a dataset so that people see it before they download it."""

from etdb.preview.guesses import guess_sizes
from etdb.preview.keeping import PreviewKeeper, entry_of, kept_files
from etdb.preview.making import MadeFile, make_product, thumbnail_jpeg
from etdb.preview.planning import PlannedFile, PreviewPlan, PreviewSource, Product, plan_previews, planned_entries
from etdb.preview.sheet import SheetEntry, SheetNote, encode_sheet

__all__ = [
    "MadeFile",
    "PlannedFile",
    "PreviewKeeper",
    "PreviewPlan",
    "PreviewSource",
    "Product",
    "SheetEntry",
    "SheetNote",
    "encode_sheet",
    "entry_of",
    "guess_sizes",
    "kept_files",
    "make_product",
    "plan_previews",
    "planned_entries",
    "thumbnail_jpeg",
]
