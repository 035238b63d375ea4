"""The JSON Schema of an experiment file, for editors: all sections, and the options of every installed component."""

from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from seqforge.errors import PluginError
from seqforge.experiment.check import DEFAULT_COMPONENTS, MAXIMUM_REPEAT
from seqforge.experiment.settings import SECTIONS
from seqforge.kinds.table import KINDS
from seqforge.registry import Options, Registration, Registry, options_of

Schema = dict[str, Any]


def json_schema(registry: Registry) -> Schema:
    """Return the JSON Schema, draft 2020-12, of experiment files. Components that cannot be imported are left out."""
    sections = {name: _section(name) for name in SECTIONS}
    cells = {**_list(_reference("cell")), "minItems": 1}
    sections["model"]["properties"] |= {
        "attention": _reference("attention"),
        "initializer": _reference("initializer"),
        "cells": cells,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqforge experiment",
        "type": "object",
        "additionalProperties": False,
        "required": ["corpus"],
        "properties": {
            **sections,
            "corpus": _reference("corpus"),
            **{kind: _with_default(registry, kind) for kind in DEFAULT_COMPONENTS},
            "sampler": _list(_reference("sampler")),
            "metrics": _list(_reference("metric")),
            "trackers": _list(_reference("tracker")),
            "plugins": {"type": "object", "additionalProperties": {"type": "string"}},
            "distributions": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "$defs": {kind: _kind(registry, kind) for kind in KINDS},
    }


_REPEAT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAXIMUM_REPEAT,
    "description": "Number of layers with this cell and these options.",
}

_BACKEND: Schema = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    "description": "Backend that runs this layer, or several in order of preference.",
}


def _reference(kind: str) -> Schema:
    return {"$ref": f"#/$defs/{kind}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _with_default(registry: Registry, kind: str) -> Schema:
    """Return the schema of a table that names its component, or has options of the default one."""
    try:
        registration = registry.find(kind, DEFAULT_COMPONENTS[kind])
        options = options_of(registry.load(registration), kind, registration.qualified_name)
        default = _component(registry, registration, options, f"#/properties/{kind}/else")
    except (PluginError, PydanticInvalidForJsonSchema):
        return _reference(kind)
    default["required"].remove("use")
    return {"if": {"required": ["use"]}, "then": _reference(kind), "else": default}


def _section(name: str) -> Schema:
    schema = SECTIONS[name].model_json_schema()
    schema["required"] = [key for key in schema.get("required", []) if (name, key) != ("experiment", "name")]
    return schema


def _kind(registry: Registry, kind: str) -> Schema:
    branches: list[Schema] = []
    for registration in registry.registrations(kind):
        place = f"#/$defs/{kind}/oneOf/{len(branches)}"
        try:
            options = options_of(registry.load(registration), kind, registration.qualified_name)
            branches.append(_component(registry, registration, options, place))
        except (PluginError, PydanticInvalidForJsonSchema):
            continue
    return {"type": "object", "required": ["use"], "oneOf": branches} if branches else {"not": {}}


def _component(registry: Registry, registration: Registration, options: Options, place: str) -> Schema:
    # The type of an option may have definitions of its own. References lead to them in the `$defs` of this component.
    schema = options.model.model_json_schema(ref_template=f"{place}/$defs/{{model}}")
    properties: Schema = {"use": {"enum": registry.names_of(registration)}, **schema.get("properties", {})}
    for name, nested in options.nested.items():
        reference = _reference(nested.kind)
        described = {"description": nested.description} if nested.description else {}
        properties[name] = (_list(reference) if nested.many else reference) | described
    if registration.kind == "cell":
        properties |= {"repeat": _REPEAT, "backend": _BACKEND}
    required = [
        "use",
        *schema.get("required", []),
        *(name for name, nested in options.nested.items() if nested.required),
    ]
    return {
        "title": registration.qualified_name,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **({"$defs": schema["$defs"]} if "$defs" in schema else {}),
    }
