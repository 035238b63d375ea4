"""Trackers that are wrong."""

import json

from seeded_bugs.bug import bug
from seqforge.kinds import Tracker
from seqforge.testing.tracker_suite import TrackerSuite


class Lines(Tracker):
    """A correct tracker: values as lines of JSON."""

    def start(self, run):
        self.file = (run.directory / "values.jsonl").open("a")
        return "lines"

    def log_values(self, step, values):
        self.file.write(json.dumps({"step": step, "values": dict(values)}) + "\n")

    def log_texts(self, step, texts):
        pass

    def log_file(self, path):
        pass

    def finish(self, *, complete):
        self.file.close()


class LinesSuite(TrackerSuite):
    """The suite with a reader of the lines."""

    def recorded(self, run):
        lines = map(json.loads, (run.directory / "values.jsonl").read_text().splitlines())
        return [(line["step"], line["values"]) for line in lines]


@bug(LinesSuite, "test_a_resumed_run_keeps_its_identifier", "which is not an identifier of up to 200 letters")
class PathAsIdentifier(Lines):
    """The identifier is a path."""

    def start(self, run):
        super().start(run)
        return str(run.directory / "values.jsonl")


@bug(LinesSuite, "test_a_resumed_run_keeps_its_identifier", "`start` returns another identifier for a resumed run")
class NewIdentifier(Lines):
    """A resumed run becomes a new tracked run."""

    def start(self, run):
        super().start(run)
        return f"lines-{run.step}"


@bug(LinesSuite, "test_any_value_and_text_is_logged", "`log_values(step=1, values=…)` raises ValueError")
class StrictNumbers(Lines):
    """A loss that is NaN or infinite is an error."""

    def log_values(self, step, values):
        self.file.write(json.dumps({"step": step, "values": dict(values)}, allow_nan=False) + "\n")


@bug(LinesSuite, "test_any_value_and_text_is_logged", "`log_texts(step=3, texts={})` raises ValueError")
class FirstText(Lines):
    """A step without texts is an error."""

    def log_texts(self, step, texts):
        self.first = texts[min(texts)]


@bug(LinesSuite, "test_an_interrupted_run_ends", "`finish(complete=False)` raises AttributeError")
class WithoutReport(Lines):
    """A run that ends early is an error, because it has no report."""

    def log_file(self, path):
        self.report = path

    def finish(self, *, complete):
        super().finish(complete=complete)
        self.report.stat()


@bug(LinesSuite, "test_the_run_stays_as_it_is", "the file metrics.jsonl of the run directory is changed")
class EngineLog(Lines):
    """Values are written to a file of the engine."""

    def start(self, run):
        self.file = (run.directory / "metrics.jsonl").open("a")
        return "lines"


@bug(LinesSuite, "test_the_logged_values_arrive", "the values of the first run do not arrive")
class OneFileForAll(Lines):
    """Two runs at the same time write to the same file."""

    file = None

    def start(self, run):
        if OneFileForAll.file is None or OneFileForAll.file.closed:
            OneFileForAll.file = (run.directory / "values.jsonl").open("a")
        (run.directory / "values.jsonl").touch()
        return "lines"


@bug(LinesSuite, "test_the_logged_values_arrive", "the values of the first run do not arrive")
class Overwriting(Lines):
    """A resumed run overwrites the values of the first part."""

    def start(self, run):
        self.file = (run.directory / "values.jsonl").open("w")
        return "lines"


@bug(LinesSuite, "test_the_logged_values_arrive", "the values of the second run, at the same time, do not arrive")
class FirstRunOnly(Lines):
    """A second run is tracked only if the first one has ended."""

    running = 0

    def start(self, run):
        FirstRunOnly.running += 1
        self.is_first = FirstRunOnly.running == 1
        return super().start(run)

    def log_values(self, step, values):
        if self.is_first:
            super().log_values(step, values)

    def finish(self, *, complete):
        FirstRunOnly.running -= 1
        super().finish(complete=complete)


@bug(LinesSuite, "test_the_run_stays_as_it_is", "`start` modifies the given experiment")
class ShortensTheText(Lines):
    """The text of the corpus is taken out of the experiment."""

    def start(self, run):
        run.experiment["corpus"].pop("text")
        return super().start(run)


@bug(LinesSuite, "test_the_run_stays_as_it_is", "`log_values` modifies the given values")
class TakesTheLoss(Lines):
    """The loss is taken out of the values."""

    def log_values(self, step, values):
        values.pop("training/loss")
