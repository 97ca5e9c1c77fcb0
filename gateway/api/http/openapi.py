"""The description of every surface in one OpenAPI 3.1 document, generated from the declarations.

pydantic's JSON Schema is 2020-12, the dialect of OpenAPI 3.1, so models go in as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from gateway.api.http import limits
from gateway.api.http.operations import MULTIPART, Dialect, Operation

Schema = dict[str, Any]
_Models = Mapping[Any, Schema]  # (model, mode) -> reference
_Mode = Literal["validation", "serialization"]
_TEMPLATE = "#/components/schemas/{model}"
_MODULE = re.compile(r"gateway\.api\.(\w+)\.(?:\w+\.)*")


class _Names(GenerateJsonSchema):
    """Models of one name in two dialects are told apart by the dialect, not by where they lie in the code."""

    def normalize_name(self, name: str) -> str:
        """`gateway.api.native.job_schemas.Job` as `NativeJob`."""
        return super().normalize_name(_MODULE.sub(lambda found: found[1].capitalize(), name))


def document(dialects: Sequence[Dialect], *, version: str, server: str) -> Schema:
    """The whole document, ready for JSON. Aliases of a root are named in the text, not repeated as paths."""
    models, components = _schemas(dialects)
    paths: dict[str, Schema] = {}
    for dialect in dialects:
        for operation in dialect.operations:
            item = paths.setdefault(dialect.roots[0] + operation.path, {})
            item[operation.method.lower()] = _operation(operation, dialect, models)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Print Gateway", "version": version, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": server}],
        "tags": [{"name": dialect.name, "description": _about(dialect)} for dialect in dialects],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": _security_schemes(dialects),
        },
    }


def _security_schemes(dialects: Sequence[Dialect]) -> Schema:
    schemes = {dialect.name: dict(dialect.security) for dialect in dialects}
    doors = (operation.door for dialect in dialects for operation in dialect.operations)
    return schemes | {door.name: dict(door.scheme) for door in doors if door is not None and door.name}


def _about(dialect: Dialect) -> str:
    aliases = ", ".join(f"`{root}`" for root in dialect.roots[1:])
    return dialect.description + (f" The same under {aliases}." if aliases else "")


def _schemas(dialects: Sequence[Dialect]) -> tuple[_Models, Schema]:
    wanted: dict[tuple[type[BaseModel], _Mode], None] = {}
    for dialect in dialects:
        wanted[(dialect.error_model, "serialization")] = None
        for operation in dialect.operations:
            for answer in operation.responses.values():
                if isinstance(answer, type):
                    wanted[(answer, "serialization")] = None
            if operation.body is not None:
                wanted[(operation.body, "validation")] = None
    models, definitions = models_json_schema(list(wanted), ref_template=_TEMPLATE, schema_generator=_Names)
    return models, definitions.get("$defs", {})


def _operation(operation: Operation, dialect: Dialect, models: _Models) -> Schema:
    result: Schema = {
        "tags": [dialect.name],
        "operationId": f"{dialect.name}-{operation.handler.__name__}".replace("_", "-"),
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_headers(operation)],
        "responses": {**_answers(operation, models), **_errors(operation, dialect, models)},
        "security": [],
    }
    if operation.description or operation.aliases:
        result["description"] = operation.description + _also_at(operation)
    if operation.scopes is not None:
        result["security"] = [{dialect.name: [scope.value for scope in operation.scopes]}]
    if operation.door is not None and operation.door.name is not None:
        result["security"] = [{operation.door.name: []}, *([{}] if operation.door.is_optional else [])]
    if operation.body is not None:
        schema = models[(operation.body, "validation")]
        content: Schema = {media: {"schema": schema} for media in operation.accepts}
        if operation.examples:
            content[operation.accepts[0]]["examples"] = dict(operation.examples)
        result["requestBody"] = {"required": operation.body_required, "content": content}
    elif operation.accepts[0] == MULTIPART:
        result["requestBody"] = _upload(operation)
    return result


def _also_at(operation: Operation) -> str:
    """The other spellings of the path, which are no paths of their own here."""
    spellings = ", ".join(f"`{path}`" for path in operation.aliases)
    return f"\n\nAlso served as {spellings}." if spellings else ""


def _upload(operation: Operation) -> Schema:
    file = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}
    fields = {
        "file": file,
        "unzip": {"type": "string"},
        "public": {"type": "string"},
        "member": {"type": "string"},
    }
    form: Schema = {"type": "object", "properties": fields, "required": ["file"]}
    form["propertyNames"] = {"pattern": "^[A-Za-z0-9_.-]{1,100}$"}  # others do not survive a part's header
    content: Schema = {MULTIPART: {"schema": form}}
    for media in operation.accepts[1:]:
        content[media] = {"schema": {}}
    return {"required": True, "content": content}


def _path_parameters(operation: Operation) -> Iterable[Schema]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        known = operation.parameter(name)
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": known.description,
            "schema": dict(known.schema),
        }


def _query_parameters(operation: Operation) -> Iterable[Schema]:
    # As serialized: what a validator in front of the type accepts would hide the type's own bounds.
    schema = operation.query.model_json_schema(ref_template=_TEMPLATE, mode="serialization")
    for name, known in schema.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        if known.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
        if "description" in known:
            parameter["description"] = known.pop("description")
        yield {**parameter, "schema": _with_bounds(known)}


def _with_bounds(schema: Schema) -> Schema:
    """Bounds of a type behind a validator, which pydantic leaves under its own names."""
    names = {"ge": "minimum", "le": "maximum"}
    return {names.get(name, name): value for name, value in schema.items()}


def _headers(operation: Operation) -> Iterable[Schema]:
    if operation.is_conditional:
        yield _header("If-None-Match", "The ETag you have; 304 when it still holds.", {"type": "string"})
    if operation.is_idempotent_by_key:
        text = "Make a retry safe: the same key and request give the same answer for 24 h."
        most = limits.IDEMPOTENCY_KEY_CHARS
        yield _header("Idempotency-Key", text, {"type": "string", "pattern": f"^[!-~]{{1,{most}}}$"})


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _answers(operation: Operation, models: _Models) -> Mapping[str, Schema]:
    answers: dict[str, Schema] = {}
    for status, answer in operation.responses.items():
        entry: Schema = {"description": HTTPStatus(status).phrase}
        if isinstance(answer, str):
            entry["content"] = {answer: {"schema": {"type": "string"}}}
        elif answer is not None:
            entry["content"] = {"application/json": {"schema": models[(answer, "serialization")]}}
        headers = dict(operation.response_headers)
        if operation.is_conditional:
            headers["ETag"] = "Strong: changes with every byte of the answer."
        if headers:
            entry["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
            }
        answers[str(status)] = entry
    if operation.is_conditional:
        answers["304"] = {"description": "Not Modified"}
    return answers


def _errors(operation: Operation, dialect: Dialect, models: _Models) -> Mapping[str, Schema]:
    codes = {400, 404, 405, 429, 500, 503}
    if operation.scopes is not None:
        codes |= {401, 403}
    if operation.method == "GET":
        codes |= {422} if not operation.reads_query else set()
    else:
        codes |= {409, 413, 415, 422}
    codes |= operation.more_errors
    door_codes = operation.door.error_codes if operation.door is not None else frozenset()
    schema = models[(dialect.error_model, "serialization")]
    content = {dialect.error_media: {"schema": schema}}
    return {
        str(code): {"description": HTTPStatus(code).phrase, "content": content}
        for code in sorted(codes & dialect.error_codes | door_codes)
    }
