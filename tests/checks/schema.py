#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every JSON Schema of the project is a valid one, and refuses an event that is none."""

import json

import tree

try:
    import jsonschema
except ImportError:
    print("SKIPPED: python3-jsonschema is not installed (scripts/setup installs it)")
    raise SystemExit(tree.SKIPPED) from None


def main():
    schemas = [path for path in tree.files(suffixes=[".json"]) if '"$schema"' in tree.text(path)]
    problems = []
    for path in schemas:
        try:
            schema = json.loads(tree.text(path))
            validator = jsonschema.validators.validator_for(schema)
            validator.check_schema(schema)
        except (json.JSONDecodeError, jsonschema.SchemaError) as error:
            problems.append(f"{path}: {error}")
            continue
        if validator(schema).is_valid({"event_type": "no such type"}):
            problems.append(f"{path}: accepts an event with an unknown type")
    tree.finish("schemas", problems, len(schemas))


main()
