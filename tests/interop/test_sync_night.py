"""`etdb sync` against a real MariaDB with more than two hundred series: each change once, also when it is killed."""

from __future__ import annotations

import json
import random
import time
from collections import Counter

import pytest
from tests.labdb import servers
from tests.labdb.night import SHARED, lab_night

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]
COUNT = 210
KILLS = 12


@pytest.fixture
def night(tmp_path):
    if servers.mariadb_path() is None:
        pytest.skip(servers.LEFT_OUT_MARIADB)
    if not SHARED.exists():
        pytest.skip("left out: the lab's rows, because the shared data are not beside this checkout")
    with lab_night(tmp_path, COUNT) as night:
        yield night


def test_the_nights_of_a_lab(night):
    first = night.sync()["sources"][0]
    assert (first["released"], first["unchanged"], first["held_back"], first["refused"]) == (COUNT, 0, {}, [])
    assert Counter(one["what"] for one in first["changes"]) == {"new": COUNT}
    assert night.did() == {}
    titled, refiled, deleted = night.change()
    second = night.sync()["sources"][0]
    changes = {one["sid"]: one for one in second["changes"]}
    assert {sid: (one["what"], one["reason"], one["revision"]) for sid, one in changes.items()} == {
        titled: ("edited", "", 2),
        refiled: ("files changed", "", 2),
        deleted: ("deactivated", "deleted: wrong sample", 2),
    }
    assert changes[titled]["fields"] == ["title"]
    assert f"files[rawdata/{refiled}.mrc]" in changes[refiled]["fields"]
    assert night.did() == {}
    records = {one["tomogram"]["sid"]: one["tomogram"] for one in night.indexed()}
    assert set(records) == set(night.sids) - {deleted}
    assert records[titled]["title"] == "A better title, Å"
    for row in night.tables["TiltSeriesData"]:
        record = records.get(row["tiltseriesID"])
        if record is None or row["tiltseriesID"] == titled:
            continue
        assert record["title"] == (row["title"] or record["species"])
        assert record["tilt_min_deg"] == row["tilt_min"]
        assert record["lab"] == "Jensen Lab"
        assert record["voxel_spacing_angstrom"] == pytest.approx(row["voxel"] * 10)
        roles = Counter(one["role"] for one in record["files"])
        # With previews there are movies beside what the lab has.
        assert roles >= Counter(tilt_series=1, reconstruction=1, snapshot=2, key_image=1, thumbnail=1)
        assert roles["snapshot"] == 2


def test_killed_at_any_moment_each_change_is_published_once(night):
    dice = random.Random(2026)
    night.words = ("--no-previews",)  # they take longer than all the rest
    started = time.monotonic()
    night.sync("--dry-run")
    looks_s = time.monotonic() - started
    # From the first moment of looking to the last of sending; what one run did, the next goes on from.
    kills = sum(night.sync_killed_after(looks_s * dice.uniform(0.3, 1.5)) for _ in range(KILLS))
    night.sync()
    assert night.did() == {}
    assert night.messages() == {("publish", "final"): COUNT}
    titled, refiled, deleted = night.change()
    kills += sum(night.sync_killed_after(looks_s * dice.uniform(0.3, 1.2)) for _ in range(KILLS))
    night.sync()
    assert night.did() == {}
    assert night.messages() == {("publish", "final"): COUNT, ("edit", "final"): 2, ("deactivate", "final"): 1}
    records = {one["tomogram"]["sid"]: one["tomogram"] for one in night.indexed()}
    assert len(night.indexed()) == len(records) == COUNT - 1
    assert records[titled]["title"] == "A better title, Å"
    assert deleted not in records
    assert kills >= KILLS, f"only {kills} of the runs lived long enough to be killed"
    reports = [json.loads(path.read_text()) for path in night.workspace.reports_folder.glob("*.json")]
    did = Counter(one["what"] for report in reports for source in report["sources"] for one in source["changes"])
    assert did["deactivated"] <= 1
    assert did["files changed"] <= 1
    assert refiled in records
