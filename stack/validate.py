#!/usr/bin/env python3
"""Runs cloudformation-validate (its wheel has no command) over templates: every finding is printed; not zero if there is one.
What it calls INFO is no finding: it tells which properties are create-only, and that tags are not in the template (the stack sets them).

A finding that is right in general and wrong here is silenced beside its resource: `Metadata.Accepted` names the rule and says why.
usage: PYTHON-WITH-CLOUDFORMATION-VALIDATE stack/validate.py TEMPLATE...
"""

import json
import pathlib
import sys

import cloudformation_validate


def findings(engine, path):
    resources = json.loads(path.read_text())["Resources"]
    for diagnostic in engine.validate_template(str(path)).diagnostics:
        if diagnostic.severity == cloudformation_validate.Severity.INFO:
            continue
        identity = diagnostic.entity.logical_id if diagnostic.entity else "template"
        accepted = resources.get(identity, {}).get("Metadata", {}).get("Accepted", {})
        if not accepted.get(diagnostic.rule_id):
            yield f"{path}:{diagnostic.start_line}: {diagnostic.severity.name} {diagnostic.rule_id} {identity}: {diagnostic.message}"


def main():
    engine = cloudformation_validate.CompositeEngine()
    found = [line for name in sys.argv[1:] for line in findings(engine, pathlib.Path(name))]
    print("\n".join(found) or f"cloudformation-validate: {len(sys.argv) - 1} templates, nothing found")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
