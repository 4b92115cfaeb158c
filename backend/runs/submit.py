"""From what a user typed to a specification that a worker in another folder can carry out."""

from backend.attacks import triggers
from backend.base.components import pick
from backend.base.paths import typed_path
from backend.models.catalogue import base_model
from backend.models.classifier_head import settled_head
from backend.runs.store import Store
from backend.spec.run import RunSpec


def settled(spec: RunSpec, store: Store) -> RunSpec:
    """`spec` with absolute paths, the full id of an earlier run, and a fresh classifier head where the model
    has none to keep, so that runs of the same model compare equal.

    A worker runs in another folder, where a relative path would name another file.  The JSON schema of
    a trigger says which of its parameters are paths (`"format": "path"`)."""
    spec = spec.model_copy(deep=True)
    if spec.model.source == "folder":
        spec.model.name = _absolute(spec.model.name)
    elif spec.model.source == "run":
        spec.model.name = store.run(spec.model.name).id
    spec.model = settled_head(spec.model)
    if spec.check is not None and base_model(spec.check.base).source == "folder":
        spec.check.base = _absolute(spec.check.base)
    if spec.data.source == "files":
        for name in ("train", "validation", "test"):
            if path := getattr(spec.data, name):
                setattr(spec.data, name, _absolute(path))
    if spec.trigger is not None:
        schema = pick("trigger", triggers.COMPONENTS, spec.trigger).params.model_json_schema()
        for name, value in spec.trigger.params.items():
            if schema["properties"][name].get("format") == "path" and isinstance(value, str) and value:
                spec.trigger.params[name] = _absolute(value)
    return spec


def _absolute(path: str) -> str:
    return str(typed_path(path).absolute())
