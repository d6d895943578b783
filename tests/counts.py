"""Counts what the test runners of tests/run report.

    cargo test … -- --show-output 2>&1 | counts.py cargo RESULTS
    counts.py junit REPORT RESULTS
    tests/deploy/run | counts.py lines RESULTS

Appends to RESULTS lines of `passed|failed|skipped`, a number, a name and a reason, with tabs between. The two that
read a runner's output hand it on. It never decides by an exit status: tests/run does that too.
"""

import re
import sys
import xml.etree.ElementTree as xml

RUNNING = re.compile(r"^\s+Running (?:unittests )?(\S+) \(.*\)$")
DOC_TESTS = re.compile(r"^\s+Doc-tests (\S+)$")
IGNORED = re.compile(r"^test (.+?) \.\.\. ignored(?:, (.+))?$")
# Not anchored: a test that writes past the capture may leave its line open.
RESULT = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
SECTION = re.compile(r"^---- (.+) stdout ----$")
# What a Rust test prints that can't run here, and then passes.
SKIPPED = re.compile(r"^skipped: (.+?): (.+)$")


class Results:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")

    def add(self, outcome, number, name, reason=""):
        if number:
            cells = (outcome, str(number), one_line(name), one_line(reason))
            print("\t".join(cells), file=self.file, flush=True)


def one_line(text):
    return " ".join(text.split())[:500]


class Cargo:
    """Reads the output of libtest, target by target."""

    def __init__(self, results):
        self.results = results
        self.target = None
        self.forget()

    def forget(self):
        self.list = None  # "successes" or "failures": the part after the tests have run
        self.section = None
        self.reported = False
        self.skipped = {}  # reasons by test, or by the name given where the test is not known
        self.ignored = {}
        self.failed = []
        self.reasons = {}

    def line(self, line):
        """Takes a line; says whether a reader wants to see it."""
        if match := RUNNING.match(line) or DOC_TESTS.match(line):
            self.end()
            self.forget()
            self.target = match[1]
        elif match := RESULT.search(line):
            self.report(*(int(number) for number in match.groups()))
        elif line in ("successes:", "failures:"):
            self.list, self.section = line.rstrip(":"), None
        elif match := SECTION.match(line):
            self.section = match[1]
        elif match := SKIPPED.match(line):
            if self.list != "failures":
                self.skipped.setdefault(self.section or match[1], []).append(f"{match[1]}: {match[2]}")
            return True
        elif match := IGNORED.match(line):
            self.ignored[match[1]] = match[2] or "#[ignore] without a reason"
        elif self.list == "failures" and self.section is None and line.startswith("    "):
            self.failed.append(line.strip())
        elif self.list == "failures" and self.section and line.strip():
            lines = self.reasons.setdefault(self.section, [])
            if len(lines) < 4:
                lines.append(line)
        # The output of tests that passed is asked for to find the skips in it, not to be read.
        return self.list != "successes"

    def report(self, passed, failed, ignored):
        self.reported = True
        skipped = list(self.skipped.items())[:passed]
        self.results.add("passed", passed - len(skipped), self.target)
        # A test that could do a part of its work only counts as skipped: nobody is to think that it has done all.
        for name, reasons in skipped:
            self.results.add("skipped", 1, f"{self.target} {name}", "; ".join(reasons))
        names = (self.failed + ["a test whose name was lost"] * failed)[:failed]
        for name in names:
            reason = " ".join(self.reasons.get(name, ["see its output above"]))
            self.results.add("failed", 1, f"{self.target} {name}", reason)
        reasons = (list(self.ignored.items()) + [("a test", "ignored")] * ignored)[:ignored]
        for name, reason in reasons:
            self.results.add("skipped", 1, f"{self.target} {name}", reason)
        # Doc tests come in several lots under one heading.
        self.forget()
        self.reported = True

    def end(self):
        if self.target and not self.reported:
            self.results.add("failed", 1, self.target, "ended without a result: crashed, or was stopped")


def cargo(results):
    reader = Cargo(results)
    for line in sys.stdin:
        if reader.line(line.rstrip("\n")):
            print(line, end="", flush=True)
    reader.end()


def junit(report, results):
    for case in xml.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')} {case.get('name', '')}".strip()
        # In this order: a test that failed and then could not be torn down is one failure.
        for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
            if (element := case.find(tag)) is not None:
                results.add(outcome, 1, name, element.get("message") or element.text or "no reason given")
                break
        else:
            results.add("passed", 1, name)


def lines(results):
    outcomes = {"ok": "passed", "not ok": "failed", "skipped": "skipped"}
    for line in sys.stdin:
        print(line, end="", flush=True)
        if match := re.match(r"(ok|not ok|skipped) ([^:\n]+)(?:: (.*))?$", line):
            results.add(outcomes[match[1]], 1, match[2], match[3] or "")


def main(mode, *arguments):
    *inputs, path = arguments
    {"cargo": cargo, "junit": junit, "lines": lines}[mode](*inputs, Results(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
