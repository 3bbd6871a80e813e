"""A download in a process of its own: a gateway's URL, a record as JSON, where to, and how many jobs.

Prints the seconds of the download itself and its peak memory in KiB.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import msgspec

from etdb.blocks.gateway import GatewayStore
from etdb.download import download, plan_download
from etdb.oip import Tomogram

url, record, target, jobs = sys.argv[1:]
tomogram = msgspec.json.decode(Path(record).read_bytes(), type=Tomogram)
started = time.perf_counter()
store = GatewayStore(url)
report = download(plan_download([("ab" * 32, tomogram)]), [store], target, jobs=int(jobs))
store.close()
seconds = time.perf_counter() - started
assert report.is_complete, report
assert report.fetched_bytes >= sum(file.size_bytes or 0 for file in tomogram.files)
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
