"""Options of a component in words: name, type, default and description."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from seqforge.kinds.table import KINDS

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class OptionRow:
    """An option in words.

    Attributes:
        name: Name of the option.
        type: Type and bounds, such as `integer > 0`.
        default: Default as JSON, `required` or `absent`.
        description: Description; may be empty.
    """

    name: str
    type: str
    default: str
    description: str


def option_rows(options: "type[BaseModel]") -> Iterator[OptionRow]:
    """Yield the options of a component."""
    schema = options.model_json_schema()
    for name, option in schema.get("properties", {}).items():
        default = _default(option["default"]) if "default" in option else "required"
        yield OptionRow(name, _type(option, schema.get("$defs", {})), default, option.get("description", ""))


def _default(value: Any) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)


_TYPES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "object": "table"}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the type of an option in words, from its JSON Schema."""
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        alternatives = cast("list[dict[str, Any]]", schema["anyOf"])
        return " or ".join(_type(each, definitions) for each in alternatives if each.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "component" in schema:
        return schema["component"]
    if schema.get("type") == "array" and "component" in schema.get("items", {}):
        return f"list of {KINDS[schema['items']['component']].plural}"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'], definitions)}" if "items" in schema else "list"
    if schema.get("format") == "path":
        return "path"
    bounds = " and ".join(f"{sign} {schema[bound]}" for bound, sign in _BOUNDS.items() if bound in schema)
    return f"{_TYPES.get(schema.get('type', ''), 'value')} {bounds}".rstrip()
