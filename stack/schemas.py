#!/usr/bin/env python3
"""Extracts what the oracle test compares with: AWS's resource schemas and IAM actions, as cfn-lint ships them.

usage: PYTHON-WITH-CFN-LINT stack/schemas.py

Writes stack/tests/fixtures/schemas.json: of each resource type that KINDS in stack/src/cfn/mod.rs lists, the schema without prose, and of
each service that an action of stack/src/cfn/iam.rs names, its actions; with the version of cfn-lint and the date.
"""

import datetime
import importlib.metadata
import json
import pathlib
import re

import cfnlint
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

STACK = pathlib.Path(__file__).parent
KEPT = {"type", "properties", "required", "items", "enum", "minimum", "maximum", "$ref", "definitions", "additionalProperties", "patternProperties"}


def lean(schema):
    """The structure of a schema, without descriptions, patterns and examples."""
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key in ("properties", "definitions"):
            kept[key] = {name: lean(inner) for name, inner in value.items()}
        elif key in KEPT:
            kept[key] = lean(value)
    return kept


def only(definitions, schema):
    """The definitions that a schema reaches."""
    reached, waiting = {}, [schema]
    while waiting:
        for name in re.findall(r"#/definitions/([\w.]+)", json.dumps(waiting.pop())):
            if name not in reached:
                reached[name] = definitions[name]
                waiting.append(definitions[name])
    return reached


def resource(kind, structs):
    provider = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
    schema = lean(provider.schema)
    # Of the properties only those that this crate could write: S3's schema alone is 100 KB.
    schema["properties"] = {name: value for name, value in schema["properties"].items() if name in structs or name in schema.get("required", [])}
    definitions = schema.pop("definitions", {})
    return {
        **schema,
        "definitions": only(definitions, schema["properties"]),
        "createOnlyProperties": provider.schema.get("createOnlyProperties", []),
        "attributes": sorted(provider.get_atts),
    }


def main():
    sources = {path.stem: path.read_text() for path in (STACK / "src/cfn").glob("*.rs")}
    kinds = sorted(set(re.findall(r'= "(AWS::\w+::\w+)"', "\n".join(sources.values()))))
    services = sorted(set(re.findall(r'= "(\w+):[\w*]+"', sources["iam"])))
    words = {word for text in sources.values() for word in re.findall(r"pub (?:r#)?(\w+):", text)}
    structs = {"".join(part.title() if not part[0].isdigit() else part for part in word.split("_")) for word in words}
    structs |= {name for text in sources.values() for name in re.findall(r'rename = "(\w+)"', text)}
    policies = json.loads((pathlib.Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text())
    services_by_prefix = {key.lower(): value for key, value in policies.items()}
    fixture = {
        "from": f"cfn-lint {importlib.metadata.version('cfn-lint')}",
        "date": datetime.date.today().isoformat(),
        "actions": {name: sorted(services_by_prefix[name]["Actions"]) for name in services},
        "resources": {kind: resource(kind, structs) for kind in kinds},
    }
    path = STACK / "tests/fixtures/schemas.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fixture, indent=1, sort_keys=True) + "\n")
    print(f"{path}: {len(kinds)} resource types, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
