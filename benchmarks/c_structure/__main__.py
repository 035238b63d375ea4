"""Measure `seqforge c-structure` on code of Debian on which no rule was chosen, and print two tables.

The archives have 450 MB and are downloaded once. Of each project, the files are divided by a hash of their names: those
that are analyzed, and those that its lexicon is built from. `--findings` writes all findings, to be read.

    python -m benchmarks.c_structure FOLDER [--files 100] [--findings FILE]
"""

import argparse
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from seqforge_code_structure.defects import RULES
from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names

from benchmarks.c_structure.false_findings import FalseFindings
from benchmarks.c_structure.recall import measure_recall
from benchmarks.c_structure.sources import Project, read_projects, read_sources

_Result = tuple[FalseFindings, Counter[tuple[str, str]], float]
"""The findings in a project, its mutants, and the seconds in which its lexicon was built."""


def measure(project: Project, folder: Path, files: int, mutated: int) -> _Result:
    """Measure one project."""
    sources = read_sources(project, folder)
    count = min(files, len(sources) // 2)
    begin = time.perf_counter()
    training = (count_names(source.text) for source in sources[count:])
    lexicon = None if "Linux" in project.name else build_lexicon(training)
    seconds = time.perf_counter() - begin
    found = FalseFindings()
    for source in sources[:count]:
        found.add(source, lexicon)
    recall = measure_recall(sources[: min(count, mutated)], lexicon, 2)
    return found, recall, seconds


def percent(part: int, whole: int) -> str:
    """Format a share."""
    return f"{100 * part / whole:.2f}%" if whole else "–"


def print_findings(results: dict[Project, _Result]) -> None:
    """Print a row for each project."""
    print("| project | files | functions | units that parse | files with a finding other than of the indentation")
    print("| lines with a wrong indentation | functions with an undefined name: default, without lexicon")
    print("| with the lexicon of the project: in their files, alone |")
    for project, (found, _, _) in results.items():
        functions = found.counts["scored"]
        undefined = [percent(found.undefined[name], functions) for name in ("default", "none", "project")]
        cells = [
            project.name,
            f"{found.files:,}",
            f"{functions:,}",
            percent(found.counts["parsed"], found.counts["units"]),
            f"{found.files_with['other']} ({percent(found.files_with['other'], found.files)})",
            f"{found.rules['indentation']} of {found.lines:,}",
            f"{undefined[0]}, {undefined[1]}",
            f"{undefined[2]}, {percent(found.undefined['project, alone'], functions)}",
        ]
        print(f"| {' | '.join(cells)} |")
    print()
    for rule in (name for name, rule in RULES.items() if rule.default):
        print(f"| `{rule}` | {' | '.join(str(found.rules[rule]) for found, _, _ in results.values())} |")


def print_recall(results: dict[Project, _Result]) -> None:
    """Print a row for each mutation, for Linux and for the other projects."""
    groups = {"Linux 7.3": Counter[tuple[str, str]](), "others": Counter[tuple[str, str]]()}
    for project, (_, recall, _) in results.items():
        if project.name != "Linux 6.12":
            groups["Linux 7.3" if "Linux" in project.name else "others"] += recall
    for kind in dict.fromkeys(kind for counts in groups.values() for kind, _ in counts):
        linux, others = groups.values()
        cells = [
            f"{linux[kind, 'default']} of {linux[kind, 'rejected']}",
            f"{others[kind, 'default']} of {others[kind, 'rejected']}",
            f"{others[kind, 'project']} of {others[kind, 'rejected']}",
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the archives")
    parser.add_argument("--files", type=int, default=100, help="largest number of analyzed files of a project")
    parser.add_argument("--mutated", type=int, default=30, help="largest number of files whose functions are mutated")
    parser.add_argument("--findings", type=Path, help="file for all findings")
    parser.add_argument("--projects", nargs="+", default=[], help="words in the names of the projects (default: all)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    projects = [
        project
        for project in read_projects()
        if not arguments.projects or any(word in project.name for word in arguments.projects)
    ]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as processes:
        started = [
            processes.submit(measure, project, arguments.folder, arguments.files, arguments.mutated)
            for project in projects
        ]
        results = {project: process.result() for project, process in zip(projects, started, strict=True)}
    print_findings(results)
    print()
    print_recall(results)
    print()
    for project, (_, _, seconds) in results.items():
        print(f"{project.name}: lexicon in {seconds:.1f} s")
    if arguments.findings:
        lines = [
            f"{project.name}: {found.file}:{found.line}: [{found.defect.rule}] {found.defect.message}: {found.code}"
            for project, (findings, _, _) in results.items()
            for found in findings.reported
        ]
        arguments.findings.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
