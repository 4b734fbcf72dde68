#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""No gap among the scenarios: every rule of RULES has one, every row of the state table one in the folder of its name,
every anomaly of a stream one that shows it.

usage: scenario_rules.py RUN_SCENARIO PRINT_STATE_TABLE
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
STATES = "CLOSED LISTEN SYN_SENT SYN_RCVD ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSE_WAIT CLOSING LAST_ACK TIME_WAIT"
# What is no event of the table: what data segments say, ICMP errors, and flows whose opening was not seen.
MORE_EVENTS = {"data", "probe", "timestamp", "icmp", "numbers"}
MORE_STATES = {"unseen"}
RULE_LINE = re.compile(r"^([A-Z]+[0-9]+)\s+(\S.*)$")
NAMED_RULES = re.compile(r"^# ([A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*): \S")


def read_rules():
    """The ids in RULES, in order, and what is wrong with the file."""
    rules, problems = {}, []
    for number, line in enumerate((HERE / "RULES").read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = RULE_LINE.match(line)
        if match is None or match[1] in rules:
            problems.append(f"RULES:{number}: not 'ID text' with an id of its own")
        else:
            rules[match[1]] = match[2]
    return rules, problems


def shown_rules(files, rules):
    """The ids that the scenarios' first lines name, and names that are not in RULES."""
    shown, problems = set(), []
    for path in files:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        match = NAMED_RULES.match(first)
        for rule in match[1].split(", ") if match else []:
            shown.add(rule)
            if rule not in rules:
                problems.append(f"{path.parent.name}/{path.name}: RULES has no {rule}")
    return shown, problems


def output_lines(*command):
    # Whether the scenarios pass is another test's question.
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()


def table_rows(print_state_table):
    cells = [line.split("|") for line in output_lines(print_state_table)[2:]]
    return [(row[1].strip(), row[2].strip()) for row in cells]


def folder_problems(files, events):
    states = {state.lower() for state in STATES.split()} | MORE_STATES
    for folder in sorted({path.parent.name for path in files}):
        event, _, state = folder.partition("-")
        if event not in events or state not in states:
            yield f"{folder}: a folder is named EVENT-STATE"


def anomaly_problems(files):
    """Those of whole streams; what is found in one segment alone is shown by the decoder's unit tests."""
    text = (HERE.parents[1] / "src/decode/anomaly.c").read_text(encoding="utf-8")
    names = [name for name, kind in re.findall(r'\{ "(\w+)",.*?\b(DECODE|STREAM)\b', text, re.S) if kind == "STREAM"]
    shown = {word for path in files for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("! ")
             for word in line.split()[1:]}
    if not names:
        yield "no anomaly was found in src/decode/anomaly.c"
    for name in names:
        if name not in shown:
            yield f"no scenario shows {name}"


def main():
    run_scenario, print_state_table = sys.argv[1:3]
    files = sorted(HERE.glob("*/*.scn"))
    rules, problems = read_rules()
    shown, unknown = shown_rules(files, rules)
    problems += unknown
    problems += [f"no scenario names {rule} in its first line: {rules[rule]}" for rule in rules if rule not in shown]

    rows = table_rows(print_state_table)
    for state, event in rows:
        folder = f"{event}-{state.lower()}"
        passed = output_lines(run_scenario, "--rows", *(HERE / folder).glob("*.scn"))
        if f"row {state} {event}" not in passed:
            problems.append(f"no scenario in {folder} passes through that row of the state table")
    problems += anomaly_problems(files)
    problems += folder_problems(files, {event for _, event in rows} | MORE_EVENTS)
    for problem in problems:
        print(problem)
    print(f"{len(rules)} rules, {len(rows)} rows of the state table, {len(files)} scenarios")
    sys.exit(bool(problems))


main()
