"""Planes of image files, and pictures, movies and multiscale copies of them through the libraries that make them."""

from etdb.media.extras import MissingExtraError, has_modules, import_extra
from etdb.media.movies import MAX_MOVIE_BYTES_PER_S, MovieError, write_movie
from etdb.media.omezarr import ZarrPlan, plan_zarr, write_zarr
from etdb.media.pictures import (
    ScaleBar,
    draw_label,
    draw_scale_bar,
    encode_jpeg,
    encode_webp,
    fit_grey,
    plan_scale_bar,
)
from etdb.media.planes import Planes, StackFacts, open_planes

__all__ = [
    "MAX_MOVIE_BYTES_PER_S",
    "MissingExtraError",
    "MovieError",
    "Planes",
    "ScaleBar",
    "StackFacts",
    "ZarrPlan",
    "draw_label",
    "draw_scale_bar",
    "encode_jpeg",
    "encode_webp",
    "fit_grey",
    "has_modules",
    "import_extra",
    "open_planes",
    "plan_scale_bar",
    "plan_zarr",
    "write_movie",
    "write_zarr",
]
