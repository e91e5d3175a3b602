"""What the loaded plugin decided about a model: which nodes it took, with which kernels, and why it left the others.

In:  a model, feeds.  Out: the decisions, as the plugin wrote them.
Not here: deciding; nothing is guessed from the model file.
"""

import json
import pathlib
import tempfile

from octile import sessions
from octile.errors import UserError


class Report:
    """The file the plugin writes its decisions to (its option `explain`)."""

    def __init__(self, model):
        self.model = model
        self.folder = tempfile.TemporaryDirectory(prefix="octile-explain-")
        self.path = pathlib.Path(self.folder.name) / "decisions.json"

    def read(self):
        try:
            return json.loads(self.path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"{self.model}: the plugin reported no decisions ({error})", "see octile doctor") from error


def open_explained(model, threads=1, options=None, entries=None):
    """(Report, session) of a model on the Octile provider; a pack or target it cannot use is an error here."""
    report = Report(model)
    settings = {**(options or {}), "explain": report.path}
    session = sessions.open_session(model, "octile", threads, settings, entries=entries)
    if warnings := report.read()["warnings"]:
        raise UserError("; ".join(warnings))
    return report, session


def decide(model, feeds_of, threads=1, options=None):
    """Loads the model, runs every feed once so that shapes are known, and returns the decisions.

    `feeds_of` makes feeds of the session's inputs.
    """
    report, session = open_explained(model, threads, options)
    for feed in feeds_of(session.get_inputs()):
        sessions.run(model, session, feed)
    return report.read()
