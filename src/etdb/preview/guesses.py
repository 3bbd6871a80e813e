"""How large previews will be, about: one plane is drawn as it will be shown, and its bytes are counted.

The shape alone does not tell: noise takes thirty times what a clean image of the same size takes.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from etdb.errors import FormatError, InputError
from etdb.media import MAX_MOVIE_BYTES_PER_S, open_planes
from etdb.preview.making import encode_pictures, plan_movie
from etdb.preview.planning import PreviewPlan, PreviewSource, Product

__all__ = ["guess_sizes"]

_FRAME_SHARE: Final = 0.7
"""A frame of a movie takes so much of its WebP, about: 0.5 to 0.9 of real volumes and series, 1.3 of tiny ones."""
_AHEAD_BYTES: Final = 800_000
"""By so much a movie may be before its steady rate, out of ffmpeg's buffer."""
_DIGITS: Final = 2

_Pictures = dict[tuple[str, str], bytes]


def guess_sizes(plan: PreviewPlan) -> PreviewPlan:
    """The plan with a guess at the size of each picture and movie; of images that cannot be read it stays unknown.

    Pictures of a series are as large as told, others nearly; movies mostly within a factor of two. Of each file that
    is shown one plane is read: the middle one, or the first where others cannot be had without unpacking the file.
    """
    drawn: dict[str, _Pictures] = {}
    products = []
    for product in plan.products:
        try:
            if product.files:
                if product.source.path not in drawn:
                    drawn[product.source.path] = _draw(product.source)
                product = _with_guesses(product, drawn[product.source.path])  # noqa: PLW2901
        except (FormatError, InputError):
            pass  # told when it is made
        products.append(product)
    return structs.replace(plan, products=tuple(products))


def _draw(source: PreviewSource) -> _Pictures:
    with open_planes(source.file, source.header) as planes:
        return encode_pictures(source, planes, hastily=True)[0]


def _with_guesses(product: Product, pictures: _Pictures) -> Product:
    if product.kind == "pictures":
        sizes = [len(pictures[file.role, file.media_type]) for file in product.files]
    else:
        sizes = [_movie_bytes(product.source, len(pictures["key_image", "image/webp"])) for _ in product.files]
    files = [structs.replace(file, about_bytes=_rounded(size)) for file, size in zip(product.files, sizes, strict=True)]
    return structs.replace(product, files=tuple(files))


def _movie_bytes(source: PreviewSource, frame_bytes: int) -> int:
    with open_planes(source.file, source.header) as planes:
        movie = plan_movie(source, planes)
    let_through = movie.count / movie.frames_per_second * MAX_MOVIE_BYTES_PER_S + _AHEAD_BYTES
    return int(min(movie.count * frame_bytes * _FRAME_SHARE, let_through))


def _rounded(size_bytes: int) -> int:
    """To two digits: more would say that it is known better."""
    unit: int = 10 ** max(0, len(str(size_bytes)) - _DIGITS)
    return round(size_bytes / unit) * unit
