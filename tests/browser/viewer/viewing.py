"""Pages that must stay without a trouble, and portals over folders that a test fills."""

from contextlib import ExitStack, contextmanager
from pathlib import Path

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.oip import FileEntry, Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue
from etdb.web.application import portal_app
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.workspace import PortalSettings

CLOSE = 7  # grey levels that JPEG may change where values are smooth
SAMPLE = """([name, h, v]) => {
  const pane = document.querySelector('[data-viewer]').viewer.panes[name];
  const x = pane.canvas.width / 2 + (h + 0.5 - pane.middle[0]) * pane.scale;
  const y = pane.canvas.height / 2 + (pane.extent[1] - v - 0.5 - pane.middle[1]) * pane.scale * pane.aspect;
  return [...pane.context.getImageData(Math.floor(x), Math.floor(y), 1, 1).data].slice(0, 3);
}"""
"""The colour that a pane shows at a place of the volume."""


@contextmanager
def opened(browser, **options):
    """A page that must end without an error on its console, a failed request, or a request elsewhere.

    ``page.expected`` holds parts of what may be said all the same.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    # Reading canvases back is what tests do, not people.
    page.expected, page.troubles = ["willReadFrequently"], []
    page.on("console", lambda said: page.troubles.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.set_default_timeout(20_000)
    try:
        yield page
        wrong = [one for one in page.troubles if not any(part in one for part in page.expected)]
        assert wrong == []
    finally:
        context.close()


class Lab:
    """Datasets in a store and a catalogue: each is a folder whose files are added as they are."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.store = FilesInPlace(folder / "digests.sqlite", content_folder=folder / "content")
        self.tomograms = []

    def publish(self, folder: Path, title: str) -> str:
        """Take a folder up; its dataset's id."""
        files = {str(one.relative_to(folder)): one for one in sorted(folder.rglob("*")) if one.is_file()}
        root = self.store.add_directory({path: self.store.add_file(one) for path, one in files.items()})
        roles = {path: "tilt_series" if path.endswith(".st") else "reconstruction" for path in files}
        entries = tuple(
            FileEntry(path=path, size_bytes=one.stat().st_size, role=roles[path]) for path, one in files.items()
        )
        self.tomograms.append(Tomogram(title=title, location=str(root), files=entries))
        return dataset_id_of(len(self.tomograms) - 1)


@contextmanager
def portal_of(lab: Lab, *, check: bool = True):
    """Serve a lab's datasets; gives the URL and the portal."""
    with ExitStack() as open_things:
        catalogue = open_things.enter_context(Catalogue(lab.folder / f"catalogue-{check}.sqlite", writable=True))
        fill_catalogue(catalogue, lab.tomograms)
        portal = Portal(
            catalogue,
            lab.store,
            PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000),
            network="local",
        )
        yield open_things.enter_context(serving(portal_app(portal, check=check))), portal
