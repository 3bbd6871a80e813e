"""Previews: what is made of a dataset so that people see it before they download it."""

from etdb.preview.making import MadeFile, make_product, thumbnail_jpeg
from etdb.preview.planning import PlannedFile, PreviewPlan, PreviewSource, Product, plan_previews, planned_entries

__all__ = [
    "MadeFile",
    "PlannedFile",
    "PreviewPlan",
    "PreviewSource",
    "Product",
    "make_product",
    "plan_previews",
    "planned_entries",
    "thumbnail_jpeg",
]
