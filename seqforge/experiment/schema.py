"""The JSON Schema of an experiment file, for editors: all tables, and the options of every installed component."""

from typing import Any, cast

from pydantic.errors import PydanticInvalidForJsonSchema

from seqforge.errors import PluginError
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.model import Layer
from seqforge.kinds.table import KINDS
from seqforge.registry.hooks import Registration
from seqforge.registry.options import options_of
from seqforge.registry.registry import Registry

Schema = dict[str, Any]


def json_schema(registry: Registry) -> Schema:
    """Return the JSON Schema, draft 2020-12, of experiment files. Components that cannot be imported are left out."""
    schema = Experiment.model_json_schema()
    definitions = schema.pop("$defs") | {kind: _kind(registry, kind) for kind in KINDS}
    for name, table in schema["properties"].items():
        if "component" in table and "default" in table:
            schema["properties"][name] = _with_default(registry, table)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}
    return cast("Schema", _linked(whole))


def _linked(schema: Any) -> Any:
    """Replace `{"component": KIND}`, the schema of a component, by a reference to its kind."""
    if isinstance(schema, list):
        return [_linked(item) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    linked = {name: _linked(value) for name, value in cast("Schema", schema).items()}
    kind = linked.get("component")
    if isinstance(kind, str):
        del linked["component"]
        linked["$ref"] = f"#/$defs/{kind}"
    return linked


def _with_default(registry: Registry, table: Schema) -> Schema:
    """Return the schema of a table that names its component, or has options of the default one."""
    kind = table["component"]
    try:
        default = _component(registry, registry.find(kind, table["default"]), f"#/properties/{kind}/else")
    except (PluginError, PydanticInvalidForJsonSchema):
        return table
    default["required"].remove("use")
    named = {"anyOf": [{"type": "string"}, {"required": ["use"]}]}
    return {"description": table["description"], "if": named, "then": {"component": kind}, "else": default}


def _kind(registry: Registry, kind: str) -> Schema:
    branches: list[Schema] = []
    names: list[str] = []
    for registration in registry.registrations(kind):
        try:
            branch = _component(registry, registration, f"#/$defs/{kind}/oneOf/{len(branches)}")
        except (PluginError, PydanticInvalidForJsonSchema):
            continue
        branches.append(branch)
        if branch["required"] == ["use"]:
            names += registry.names_of(registration)
    return {"oneOf": [*branches, {"enum": names}]} if branches else {"not": {}}


def _component(registry: Registry, registration: Registration, place: str) -> Schema:
    # The type of an option may have definitions of its own. References lead to them in the `$defs` of this component.
    schema = options_of(registry, registration).model_json_schema(ref_template=f"{place}/$defs/{{model}}")
    preset = dict(registration.options)
    properties: Schema = {"use": {"enum": registry.names_of(registration)}}
    for name, option in schema.get("properties", {}).items():
        properties[name] = option | ({"default": preset[name]} if name in preset else {})
    if registration.kind == "cell":
        properties |= Layer.model_json_schema()["properties"]
    return {
        **schema,
        "properties": properties,
        "required": ["use", *(name for name in schema.get("required", []) if name not in preset)],
    }
