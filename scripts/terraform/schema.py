"""What Terraform's AWS provider knows: every type of resource and data source with its arguments, nested blocks and
attributes, taken from the wheel `cdktf-cdktf-provider-aws`, which is made from the provider's own schema.

usage: schema.py WHEEL > schema.json

Each type is {"attributes": {NAME: {"type": TYPE, "use": "required" | "optional" | "computed"}},
"blocks": {NAME: {"single": BOOL, "required": BOOL, "attributes": …, "blocks": …}}}. TYPE is "string", "number", "bool",
"dynamic", or ["list", TYPE] or ["map", TYPE]; what is a set in the provider is a list here.
"""

import io
import json
import re
import sys
import tarfile
import zipfile

REPRESENTS = re.compile(r"Represents a \{@link \S+/docs/(resources|data-sources)/\S+ (aws_\w+)\}")
NAMED = re.compile(r"\{@link \S+?/docs/\S+?#(\w+) ")
OUTPUT = re.compile(r"(OutputReference|List|Map)$")


def assembly(wheel):
    """The description of all classes, and the provider's version."""
    with zipfile.ZipFile(wheel) as files:
        (inner,) = [n for n in files.namelist() if n.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(files.read(inner))) as package:
            said = json.load(package.extractfile("package/package.json"))
            return json.load(package.extractfile("package/.jsii"))["types"], said["cdktf"]["provider"]["version"]


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", re.sub(r"(?<=[a-z])(?=[0-9]+[a-z]*[A-Z])", "", name)).lower()


def choices(kind):
    """What a property may be, without the placeholders of the CDK."""
    all_of = kind["union"]["types"] if "union" in kind else [kind]
    return [k for k in all_of if k.get("fqn") != "cdktf.IResolvable"]


def plain(kind):
    """The type of a value that is no block, or nothing."""
    (kind,) = choices(kind)[:1] or [{}]
    if "primitive" in kind:
        return {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}[kind["primitive"]]
    if "collection" in kind:
        inner = plain(kind["collection"]["elementtype"])
        return [{"array": "list", "map": "map"}[kind["collection"]["kind"]], inner or "dynamic"]
    named = {"cdktf.StringMap": ["map", "string"], "cdktf.NumberMap": ["map", "number"], "cdktf.BooleanMap": ["map", "bool"]}
    return named.get(kind.get("fqn"))


def block_of(kind):
    """The class of a nested block, and whether there is one at most."""
    (kind,) = choices(kind)[:1] or [{}]
    if "collection" in kind:
        kind, single = choices(kind["collection"]["elementtype"])[0], False
    else:
        single = True
    return kind.get("fqn"), single


def body(types, config):
    """Arguments and blocks of a class of settings."""
    found = {"attributes": {}, "blocks": {}}
    for it in types[config].get("properties", []):
        docs = it.get("docs", {})
        text = docs.get("summary", "") + " " + docs.get("remarks", "")
        named = NAMED.search(text)
        name = named.group(1) if named else snake(it["name"])
        use = "optional" if it.get("optional") else "required"
        if plain(it["type"]) and not block_class(types, it["type"]):
            found["attributes"][name] = {"type": plain(it["type"]), "use": use}
        elif docs.get("summary", "").endswith(" block."):
            inner, single = block_of(it["type"])
            found["blocks"][name] = {"single": single, "required": use == "required", **body(types, inner)}
        else:
            # An argument that holds objects: any value of that shape is one to us.
            found["attributes"][name] = {"type": "dynamic", "use": use}
    return found


def block_class(types, kind):
    fqn, _ = block_of(kind)
    return fqn in types


def described(types, name, made):
    """One resource or data source: what may be said of it, and what it says of itself."""
    found = body(types, name + "Config")
    found["attributes"].pop("id", None)
    found["attributes"]["id"] = {"type": "string", "use": "either"}
    inputs = {p["name"][: -len("Input")] for p in made["properties"] if p["name"].endswith("Input")}
    for it in made["properties"]:
        known = it["name"] in inputs or it["name"].endswith("Input") or it.get("static")
        attribute = snake(it["name"])
        if known or attribute in found["attributes"] or attribute in found["blocks"]:
            continue
        found["attributes"][attribute] = {"type": plain(it["type"]) or "dynamic", "use": "computed"}
    return found


def main(wheel):
    types, version = assembly(wheel)
    schema = {"version": version, "resources": {}, "data-sources": {}}
    for name, made in types.items():
        represents = REPRESENTS.search(made.get("docs", {}).get("summary", ""))
        if represents and name + "Config" in types and made["kind"] == "class":
            kind, word = represents.groups()
            schema[kind][word] = described(types, name, made)
    # The provider itself: what may be said of it.
    schema["provider"] = body(types, "@cdktf/provider-aws.provider.AwsProviderConfig")
    json.dump(schema, sys.stdout, separators=(",", ":"), sort_keys=True)


main(sys.argv[1])
