import gzip

import numpy as np
import pytest

from etdb.preview import planned_entries


def made(plan):
    return {(product.kind, product.source.path): [f.path for f in product.files] for product in plan.products}


PICTURES = ["keyimg_aa-1.jpg", "keyimg_aa-1.webp", "keyimg_aa-1_s.jpg", "keyimg_aa-1_s.webp"]


def test_a_reconstruction_comes_before_its_tilt_series(bench):
    bench.mrc("cell_rec.mrc", bench.noise((9, 30, 40)))
    bench.mrc("cell.st", bench.noise((5, 30, 40)))
    bench.text("cell.rawtlt", "-60\n-30\n0.01\n30\n60\n")
    plan = bench.plan()
    assert made(plan) == {
        ("pictures", "cell_rec.mrc"): PICTURES,
        ("movie", "cell_rec.mrc"): ["keymov_aa-1.mp4"],
        ("tilt_movie", "cell.st"): ["tiltmov_aa-1.mp4"],
    }
    roles = [f.role for p in plan.products for f in p.files]
    assert roles == ["key_image", "key_image", "thumbnail", "thumbnail", "key_movie", "preview"]
    assert plan.products[2].source.angles_deg == (-60, -30, 0.01, 30, 60)


def test_a_tilt_series_alone(bench):
    bench.mrc("cell.st", bench.noise((3, 30, 40)))
    bench.text("cell.tlt", "-58.7\n0.3\n59.1\n")
    bench.text("cell.rawtlt", "-60\n0\n60\n")
    bench.text("other.rawtlt", "1\n2\n3\n4\n")
    plan = bench.plan()
    assert made(plan)["tilt_movie", "cell.st"] == ["keymov_aa-1.mp4"]
    assert plan.products[0].source.angles_deg == (-60, 0, 60)


def test_a_file_behind_gzip(bench):
    path = bench.mrc("cell_rec.mrc", bench.noise((4, 30, 40)))
    packed = path.with_name("cell_rec.mrc.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    plan = bench.plan()
    assert list(made(plan)) == [("pictures", "cell_rec.mrc.gz"), ("movie", "cell_rec.mrc.gz")]
    assert plan.products[0].source.facts.is_sequential


def test_what_it_has_of_its_own_is_not_made_again(bench):
    bench.mrc("cell_rec.mrc", bench.noise((4, 30, 40)))
    bench.text("keyimg_cell.jpg", "a picture")
    assert made(bench.plan())["pictures", "cell_rec.mrc"] == PICTURES[2:]
    bench.text("keymov_cell.mp4", "a movie")
    bench.text("keyimg_cell_s.jpg", "a small picture")
    plan = bench.plan()
    assert plan.products == ()
    assert "of its own" in plan.why_not


def test_no_name_of_the_dataset_is_taken_again(bench):
    bench.mrc("cell_rec.mrc", bench.noise((4, 30, 40)))
    bench.text("dataset.toml", 'title = "T"\n[files."KEYMOV_aa-1.mp4"]\nrole = "movie"\n')
    bench.text("KEYMOV_aa-1.mp4", "somebody's")
    assert ("movie", "cell_rec.mrc") not in made(bench.plan())


def test_one_section_is_no_movie_and_nothing_is_nothing(bench):
    bench.text("notes.txt", "words only")
    plan = bench.plan()
    assert (plan.products, plan.why_not) == ((), "there is no reconstruction and no tilt series that can be shown")
    bench.mrc("cell_rec.mrc", bench.noise((1, 30, 40)))
    assert list(made(bench.plan())) == [("pictures", "cell_rec.mrc")]


def test_a_damaged_file_is_said_and_the_next_is_taken(bench):
    path = bench.mrc("cell_rec.mrc", bench.noise((4, 30, 40)))
    path.write_bytes(path.read_bytes()[:-7])
    assert "cut off" in bench.plan().why_not
    bench.mrc("small_rec.mrc", bench.noise((2, 10, 10)))
    assert ("pictures", "small_rec.mrc") in made(bench.plan())


@pytest.mark.parametrize(
    ("header", "stated", "origin", "expected"),
    [
        (13.1, None, "", 13.1),
        (None, None, "", None),
        (None, 10.5, "cell.mdoc", 10.5),
        (13.1, 10.5, "cell_rec.mrc", 13.1),
        (13.1, 10.5, "dataset.toml", 10.5),
    ],
)
def test_whose_spacing_counts(bench, header, stated, origin, expected):
    bench.mrc("cell_rec.mrc", bench.noise((4, 30, 40)), header)
    bench.text("cell.mdoc", "ImageFile = cell_rec.mrc\n")
    origins = {"voxel_spacing_angstrom": origin} if origin else {}
    plan = bench.plan(origins=origins, voxel_spacing_angstrom=stated)
    assert plan.products[0].source.spacing_angstrom == (pytest.approx(expected) if expected else None)


def test_names_are_safe_whatever_the_sid(bench):
    from etdb.oip import Tomogram
    from etdb.preview import plan_previews

    bench.mrc("cell_rec.mrc", bench.noise((2, 30, 40)))
    for sid, name in (
        ("../etc/pass wd", "etc_pass_wd"),
        ("Zelle Ä", "Zelle"),
        ("..", "dataset"),
        ("x" * 300, "x" * 100),
    ):
        plan = plan_previews(bench.dataset(), Tomogram(title="T", sid=sid))
        assert plan.products[0].files[0].path == f"keyimg_{name}.jpg"


def test_a_copy_for_viewers_is_planned_with_its_cost(bench):
    bench.mrc("cell_rec.mrc", bench.noise((40, 200, 300)))
    plan = bench.plan(zarr=True)
    assert plan.zarr.levels[0].shape == (40, 200, 300)
    assert 40 * 200 * 300 * 2 < plan.zarr.max_bytes < 40 * 200 * 300 * 2 * 1.4
    rows = planned_entries(plan)
    assert len(rows) == 5 + plan.zarr.files
    assert sum(row.size_bytes for row in rows if ".zarr" in row.path) == pytest.approx(plan.zarr.max_bytes, rel=0.01)
    assert bench.plan().zarr is None
    assert np.dtype(plan.zarr.dtype) == np.int16
