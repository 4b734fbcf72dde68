#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""doc/tcpwitness-rules.5 says what the program and the rule files say.

It is made of doc/tcpwitness-rules.5.in, which is written by hand; of the tables in the code, as print_rules_manual
prints them; and of the comment at the head of each rules/<detector>.yaml, whose paragraphs are separated by empty
comment lines. A line '.\\" generated: keys GROUP', '.\\" generated: overview' or '.\\" generated: detectors' in the former is where the
rest goes.

usage: rules_manual.py PRINT_RULES_MANUAL PROJECT_FOLDER [--update]
"""
import collections
import pathlib
import re
import subprocess
import sys

PLACE = re.compile(r'^\.\\" generated: (\w+) ?(\w*)\n', re.M)
# A full stop ends a sentence unless it belongs to one of these.
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|vs|cf)\.$")
HEAD = """.\\" SPDX-License-Identifier: BSD-2-Clause
.\\" Made by tests/support/rules_manual.py of tcpwitness-rules.5.in, rules/ and the tables in the code. Do not edit.
"""
# Whom the alarms of a detector are about, and so its overrides.
SUBJECTS = {
    "target": "Overrides are about the target.\n",
    "source": "Overrides are about the source.\n",
    "pair": "Overrides are about the client, as the source, and the port of its server.\n",
    "both": "Overrides are about the source; of an alarm about a target, about that.\n",
    "sensor": "Its alarms are about the sensor: nothing that names addresses or ports meets them.\n",
}


def sentences(text):
    """One sentence a line, as mdoc wants it."""
    words, line = text.split(), []
    for i, word in enumerate(words):
        line.append(word)
        is_end = re.search(r"[.!?][)\"']?$", word) and not ABBREVIATION.search(word)
        if is_end and i + 1 < len(words) and not words[i + 1][0].islower():
            yield line
            line = []
    if line:
        yield line


def escape(word):
    return word.replace("\\", "\\e")


def prose(text, names):
    """Plain text as mdoc, with the names of parameters, keys and detectors set apart."""
    lines = []

    def put(words):
        if words:
            line = " ".join(words)
            lines.append("\\&" + line if line[0] in ".'" else line)

    for sentence in sentences(text):
        plain = []
        for word in sentence:
            before, bare, after = re.fullmatch(r"(\(?)(.*?(?:\(\))?)([.,;:)?]*)", word).groups()
            emphasised = re.fullmatch(r"\*(.+)\*", bare)
            if bare not in names and not bare.endswith("()") and not emphasised:
                plain.append(escape(word))
                continue
            put(plain)
            plain = []
            macro = ["Cm", *before, bare]
            if bare.endswith("()"):
                macro = ["Fn", *before, bare[:-2]]
            elif emphasised:
                macro = ["Em", *before, emphasised.group(1)]
            lines.append("." + " ".join([*macro, *after]))
        put(plain)
    return "".join(line + "\n" for line in lines)


def finished(text):
    """A remark of a table as a sentence."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def item(name, value, text, names):
    return f".It Cm {name} : Ar {value}\n{prose(finished(text), names)}"


def head_comment(path):
    """The paragraphs of the comment with which a rule file begins."""
    paragraphs = [[]]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.startswith("#"):
            break
        if "SPDX-License-Identifier" in line:
            continue
        if line.strip() == "#":
            paragraphs.append([])
        else:
            paragraphs[-1].append(line[1:].strip())
    return [" ".join(paragraph) for paragraph in paragraphs if paragraph]


class Facts:
    def __init__(self, program):
        self.keys = collections.defaultdict(list)
        self.detectors = []
        self.params = collections.defaultdict(list)
        printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        for line in printed.splitlines():
            kind, *fields = line.split("\t")
            if kind == "key":
                self.keys[fields[0]].append(fields[1:])
            elif kind == "detector":
                self.detectors.append(fields)
            else:
                self.params[fields[0]].append(fields[1:])
        # Words that are no ordinary ones.
        self.names = {d[0] for d in self.detectors} | {k[0] for group in self.keys.values() for k in group}
        self.names = {name for name in self.names if "_" in name}

    def key_list(self, group):
        items = "".join(item(*key, self.names) for key in self.keys[group])
        return f'.Bl -tag -width Ds\n{items}.El\n'

    def detector_section(self, detector, folder):
        name, text, about, signature_id, severity, signature, technique, *classes = detector
        names = self.names | {param[0] for param in self.params[name] if "_" in param[0]}
        path = folder / "rules" / f"{name}.yaml"
        paragraphs = head_comment(path) if path.exists() else []
        page = f".Ss {name}\n"
        page += ".Pp\n".join(prose(paragraph, names) for paragraph in paragraphs or [finished(text)])
        page += ".Pp\n"
        page += f"Signature {signature_id}, severity {severity}: {escape(signature)}"
        page += f" ({technique}).\n" if technique else ".\n"
        page += SUBJECTS[about]
        if classes:
            page += "Classes:\n" + " ,\n".join(f".Cm {c}" for c in classes) + " .\n"
        if self.params[name]:
            page += ".Bl -tag -width Ds\n"
            for param, default, value_range, remark in self.params[name]:
                limits = f" ({value_range})" if value_range else ""
                page += f".It Cm {param} : No {default}\n" + prose(finished(remark + limits), names)
            page += ".El\n"
        return page

    def overview(self):
        width = max((detector[0] for detector in self.detectors), key=len)
        items = "".join(f".It Cm {d[0]}\n{prose(finished(d[1]), self.names)}" for d in self.detectors)
        return f".Bl -tag -width {width} -compact\n{items}.El\n"

    def place(self, match, folder):
        if match.group(1) == "keys":
            return self.key_list(match.group(2))
        if match.group(1) == "overview":
            return self.overview()
        return "".join(self.detector_section(detector, folder) for detector in self.detectors)


def main():
    folder = pathlib.Path(sys.argv[2])
    facts = Facts(sys.argv[1])
    template = (folder / "doc/tcpwitness-rules.5.in").read_text(encoding="utf-8")
    template = template.split("\n", 1)[1]  # the license of the template itself
    made = HEAD + PLACE.sub(lambda match: facts.place(match, folder), template)
    path = folder / "doc/tcpwitness-rules.5"
    if path.exists() and path.read_text(encoding="utf-8") == made:
        return
    if "--update" not in sys.argv[3:]:
        sys.exit(f"{path} differs from the tables, rules/ or its template: run '{' '.join(sys.argv)} --update'")
    path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
