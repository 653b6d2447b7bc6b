"""What is wrong with an inventory, in sentences, before anything is touched.

Every filter returns a list of problems. Each says what is wrong, where, and what to do.
"""

import ast
import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.yaml import SafeLoader, yaml_load
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# Variables of an inventory that are not a role's: Ansible's, Molecule's, and those that a site keeps for itself.
_FREE_PREFIXES = ("ansible_", "molecule_", "local_")
_LISTENING = "0A"
# What a HostManager may be asked to do with an agent.
_MANAGED = ("host/up", "host/down", "ignore")
# What supervisor's configuration cannot hold in the value of an environment variable.
_UNWRITABLE = re.compile(r"[\"\r\n]|\s[;#]")
_KINDS: Mapping[str, Callable[[Any], Any]] = {"int": int, "float": float}
# What the name of a type of the site's own may be: a Python file is called so.
_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_OPTION_KINDS = ("str", "int", "float", "bool", "path", "list")
_OPTION_KEYS = ("type", "required", "default", "choices", "description")
_BOOLEANS = ("1", "true", "yes", "on", "0", "false", "no", "off", "")


def inventory_problems(sources: Iterable[str], roles_dir: str) -> list[str]:
    """Variables that no role declares, in the YAML files of an inventory.

    Parameters
    ----------
    sources
        Paths of the inventory: folders, or their hosts file.
    roles_dir
        Folder of the roles, whose `meta/argument_specs.yml` declare the variables.
    """
    known = sorted(declared_variables(roles_dir))
    problems = []
    for path in sorted({path for source in sources for path in _inventory_files(Path(source))}):
        for name, line in _variables(path):
            if name not in known and not name.startswith(_FREE_PREFIXES):
                problems.append(
                    f"{path}:{line}: no role has a variable {name!r}; {_nearest(name, known)}"
                    "A variable that is the site's own begins with local_."
                )
    return problems


def command_line_problems(project: str) -> list[str]:
    """Variables of the command line (`-e`) of which roles and playbooks know nothing.

    Unlike an inventory, it may also set what is a role's own, or a playbook's.

    Parameters
    ----------
    project
        Folder of `roles` and `playbooks`.
    """
    files = (path for part in ("roles", "playbooks") for path in Path(project, part).rglob("*.yml"))
    known = {word for path in files for word in re.findall(r"\b[a-z]+_\w+", path.read_text(encoding="utf-8"))}
    return [
        f"-e {name}: no role and no playbook has a variable {name!r}; {_nearest(name, sorted(known))}"
        "A variable that is the site's own begins with local_."
        # Ansible has read them as it started, and decrypted what was encrypted.
        for name in load_extra_vars(DataLoader())
        if name not in known and not name.startswith(_FREE_PREFIXES)
    ]


def declared_variables(roles_dir: str) -> dict[str, dict[str, Any]]:
    """Variables that an inventory may set, with their declarations: those of each role's main entry point."""
    options: dict[str, dict[str, Any]] = {}
    for path in Path(roles_dir).glob("*/meta/argument_specs.yml"):
        specs = yaml_load(path.read_text(encoding="utf-8"))["argument_specs"]
        options |= specs.get("main", {}).get("options", {})
    return options


def group_problems(groups: Mapping[str, Sequence[str]], site_playbook: str) -> list[str]:
    """Groups of hosts that no play puts anything onto, and those that need another which has no host.

    Parameters
    ----------
    groups
        Group of the inventory -> its hosts.
    site_playbook
        Path of the playbook whose plays name the groups that there are.
    """
    plays = yaml_load(Path(site_playbook).read_text(encoding="utf-8"))
    known = sorted({group for play in plays for group in play.get("hosts", "").split(":")} - {"", "all"})
    problems = [
        f"No play knows the group {group!r}; {_nearest(group, known)}A group of the site's own begins with local_."
        for group in groups
        if group not in ("all", "ungrouped", *known) and not group.startswith(_FREE_PREFIXES)
    ]
    if groups.get("archive") and not groups.get("database"):
        problems.append("A host is in the group archive, which needs an index, but none is in the group database.")
    if groups.get("grafana") and not groups.get("bridge"):
        problems.append("A host is in the group grafana, which asks the bridge, but none is in the group bridge.")
    return problems


def server_problems(
    servers: Any, data_nodes_dir: str, groups: Mapping[str, Sequence[str]], site_servers_dir: str = ""
) -> list[str]:
    """What is wrong with `sisock_servers`.

    Parameters
    ----------
    servers
        The list, as the inventory gives it.
    data_nodes_dir
        Folder with one folder per type of data server, each with a `server.yml`.
    groups
        Group of the inventory -> its hosts.
    site_servers_dir
        Folder of the site's own types: `TYPE.py`, and `TYPE.yml` with its settings. Only those that are named are read.
    """
    built_in = {path.parent.name: path for path in Path(data_nodes_dir).glob("*/server.yml")}
    own = _own_types(Path(site_servers_dir)) if site_servers_dir else {}
    types = own | built_in
    problems: list[str] = []
    for where, server in _items("sisock_servers", servers, "name", problems):
        problems += _keys(where, server, ("name", "type"), ("description", "settings"))
        problems += _written(where, "description", server.get("description", ""))
        kind, settings = server.get("type"), server.get("settings") or {}
        if kind is None:
            continue
        if kind not in types:
            problems.append(
                f"{where}: there is no server of type {kind!r}; {_nearest(str(kind), sorted(types))}"
                f"Looked for a folder in {_plain(data_nodes_dir)}"
                + (f" and for a file {kind}.py in {_plain(site_servers_dir)}." if site_servers_dir else ".")
            )
        elif kind in own and (wrong := site_server_problems(str(own[kind].with_suffix(".py")), data_nodes_dir)):
            problems += [f"{where}: {problem}" for problem in wrong]
        elif not isinstance(settings, Mapping):
            problems.append(f"{where}: settings is no mapping; write each setting as NAME: value below it.")
        else:
            spec = _declared(types[kind])
            problems += _settings(f"{where}, type {kind}", settings, spec.get("options") or {})
            if spec.get("database") and not groups.get("database"):
                problems.append(
                    f"{where}: type {kind} reads the database, but no host is in the group database; add one."
                )
    return problems


def site_server_problems(code: str, data_nodes_dir: str) -> list[str]:
    """What is wrong with a data server of the site's own, as far as it shows without running it.

    Parameters
    ----------
    code
        Path of its Python file.
    data_nodes_dir
        Folder with one folder per type that is built in.
    """
    path = Path(code)
    problems = []
    if not _TYPE.fullmatch(path.stem):
        problems.append(f"{path}: a type is named in lower case, with digits and _, a letter first; rename the file.")
    if (Path(data_nodes_dir) / path.stem).exists():
        problems.append(f"{path}: the type {path.stem!r} is built in; give the file another name.")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        problems.append(f"{path}{line}: this is no Python ({error.args[0]}).")
    else:
        problems += [f"{path}: {problem}" for problem in _code_problems(tree)]
    declaration = path.with_suffix(".yml")
    return problems + (declaration_problems(str(declaration)) if declaration.exists() else [])


def declaration_problems(declaration: str) -> list[str]:
    """What is wrong with the YAML file at this path, in which a data server declares its settings."""
    try:
        spec = yaml_load(Path(declaration).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        return [f"{declaration}: this is no YAML ({' '.join(str(error).split())})."]
    if not isinstance(spec, Mapping) or not isinstance(spec.get("options", {}), Mapping):
        return [f"{declaration}: it must be a mapping of short_description and options, and options one of settings."]
    known = ("short_description", "description", "options", "database")
    problems = [f"unknown key {str(key)!r}; {_nearest(str(key), known)}" for key in spec if key not in known]
    problems += ["short_description is missing; say in a line what it serves."] * (not spec.get("short_description"))
    for name, option in spec.get("options", {}).items():
        problems += [f"setting {name}: {problem}" for problem in _option_problems(str(name), option)]
    return [f"{declaration}: {problem}" for problem in problems]


def setting_problems(settings: Any, variable: str, service_dir: str) -> list[str]:
    """What is wrong with the settings of a program that a site has one of.

    Parameters
    ----------
    settings
        The mapping, as the inventory gives it.
    variable
        Its name in the inventory.
    service_dir
        Folder of the program, with the `service.yml` that declares its settings.
    """
    if not isinstance(settings, Mapping):
        return [f"{variable} is no mapping; write each setting as NAME: value below it."]
    spec = yaml_load((Path(service_dir) / "service.yml").read_text(encoding="utf-8"))
    return _settings(variable, settings, spec["options"])


def agent_problems(agents: Any, classes_file: str, own_lock: str = "") -> list[str]:
    """What is wrong with `ocs_agents`.

    Parameters
    ----------
    agents
        The list, as the inventory gives it.
    classes_file
        YAML file that says which classes of agents each package brings.
    own_lock
        Lock file of the site's own, which may bring agents of any class; empty for none.
    """
    packages = yaml_load(Path(classes_file).read_text(encoding="utf-8"))
    classes = sorted(name for package in packages.values() for name in package["classes"])
    problems: list[str] = []
    managers = []
    for where, agent in _items("ocs_agents", agents, "instance_id", problems):
        problems += _keys(where, agent, ("class", "instance_id"), ("arguments", "manage"))
        kind, manage = agent.get("class"), agent.get("manage")
        managers += [where] * (kind == "HostManager")
        if kind is not None and kind not in classes and not own_lock:
            problems.append(
                f"{where}: no agent of {' or '.join(packages)} has the class {kind!r}; {_nearest(str(kind), classes)}"
                "For one of your own, set ocs_lock to a lock file that brings its package."
            )
        if manage is not None and manage not in _MANAGED:
            problems.append(f"{where}: manage is {manage!r}; take one of {', '.join(_MANAGED)}.")
        arguments = agent.get("arguments") or []
        if not isinstance(arguments, Sequence) or not all(_is_argument(argument) for argument in arguments):
            problems.append(
                f"{where}: arguments must be a list of lists, such as [[--mode, acq], [--sample-rate, 10]]."
            )
    if len(managers) > 1:
        problems.append(f"{' and '.join(managers)} are both of class HostManager; a host has one at most.")
    if not managers and isinstance(agents, Sequence) and any("manage" in each for each in agents):
        problems.append("ocs_agents: `manage` is for a HostManager, and there is none; add one, or leave it out.")
    return problems


def target_problems(servers: Any, instances: Iterable[str]) -> list[str]:
    """Servers whose TARGET is nearly, but not quite, the instance id of an agent.

    One that is far from all may be an agent that others run.

    Parameters
    ----------
    servers
        `sisock_servers`, as the inventory gives it.
    instances
        Instance ids of the agents of all hosts.
    """
    known = sorted(map(str, instances))
    problems = []
    for where, server in _items("sisock_servers", servers, "name", []):
        settings = server.get("settings")
        target = str(settings.get("TARGET") or "") if isinstance(settings, Mapping) else ""
        if target and target not in known and (near := difflib.get_close_matches(target, known, n=1, cutoff=0.8)):
            problems.append(f"{where}: TARGET is {target!r}, and no agent of ocs_agents; did you mean {near[0]!r}?")
    return problems


def port_problems(ports: Iterable[Mapping[str, Any]], texts: Sequence[str]) -> list[str]:
    """Ports that are needed and that somebody else listens on.

    Parameters
    ----------
    ports
        Each with `variable`, `port` and `owners`, the accounts that may hold it because they are ours.
    texts
        What /proc/net/tcp, /proc/net/tcp6 and /etc/passwd of the host hold.
    """
    tcp, tcp6, passwd = texts
    accounts = {fields[2]: fields[0] for fields in (line.split(":") for line in passwd.splitlines()) if len(fields) > 2}
    holders: dict[int, str] = {}
    for line in [*tcp.splitlines(), *tcp6.splitlines()]:
        fields = line.split()
        if len(fields) > 7 and fields[3] == _LISTENING:
            holders[int(fields[1].rpartition(":")[2], 16)] = accounts.get(fields[7], f"number {fields[7]}")
    problems = []
    for wanted in ports:
        port, variable = int(wanted["port"]), wanted["variable"]
        holder = holders.get(port)
        if holder is not None and holder not in wanted["owners"]:
            problems.append(
                f"Port {port} ({variable}) is in use by a program of the account {holder!r}. "
                f"Stop it (`ss -ltnp 'sport = :{port}'` as root names it) or set {variable} to a free port."
            )
    ours = Counter(int(wanted["port"]) for wanted in ports)
    problems += [f"Port {port} is given to {n} programs; give each its own." for port, n in ours.items() if n > 1]
    return problems


def _items(variable: str, items: Any, identity: str, problems: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each usable item and where it stands; what makes an item unusable, or two alike, is added to `problems`."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        problems.append(f"{variable} is no list; begin each item with a dash.")
        return
    for name, number in Counter(str(i.get(identity)) for i in items if isinstance(i, Mapping)).items():
        if number > 1 and name != "None":
            problems.append(f"{variable}: {number} items have the {identity} {name!r}; give each its own.")
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            problems.append(f"{variable}[{index}] is no mapping; it needs {identity} and the rest as keys.")
            continue
        given = item.get(identity)
        where = f"{variable}[{index}] ({given})" if given else f"{variable}[{index}]"
        if given is not None and not _NAME.fullmatch(str(given)):
            problems.append(
                f"{where}: {identity} {str(given)!r} is no name; take letters, digits, _ and -, a letter first."
            )
        yield where, item


def _keys(where: str, item: Mapping[str, Any], required: Sequence[str], others: Sequence[str]) -> list[str]:
    allowed = [*required, *others]
    problems = [f"{where}: unknown key {key!r}; {_nearest(str(key), allowed)}" for key in item if key not in allowed]
    return problems + [f"{where}: {key} is missing; add it." for key in required if item.get(key) in (None, "")]


def _settings(where: str, settings: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]]) -> list[str]:
    problems = []
    for name, value in settings.items():
        if name not in declared:
            problems.append(f"{where}: unknown setting {name!r}; {_nearest(str(name), sorted(declared))}")
            continue
        option = declared[name]
        explained = f"{name} is: {_sentence(option)}"
        if not _is_kind(option.get("type", "str"), value):
            problems.append(f"{where}: {name} is {value!r}, which is no {option.get('type', 'str')}. {explained}")
        elif "choices" in option and value not in option["choices"]:
            choices = ", ".join(map(str, option["choices"]))
            problems.append(f"{where}: {name} is {value!r}; take one of {choices}. {explained}")
        problems += _written(where, name, value)
    for name, option in declared.items():
        if option.get("required") and settings.get(name) is None:
            problems.append(f"{where}: the setting {name} is missing; add it. {name} is: {_sentence(option)}")
    return problems


def _written(where: str, name: str, value: Any) -> list[str]:
    if _UNWRITABLE.search(str(value)):
        return [f"{where}: {name} holds a double quote, a line break, or ; or # after a space; write it without."]
    return []


def _is_kind(kind: str, value: Any) -> bool:
    if value is None:
        return True
    if kind == "list":
        return isinstance(value, (Sequence, str))
    if isinstance(value, (Mapping, list, tuple)):
        return False
    if kind == "bool":
        return str(value).lower() in _BOOLEANS
    if kind in _KINDS:
        try:
            _KINDS[kind](str(value))
        except ValueError:
            return False
    return True


def _is_argument(argument: Any) -> bool:
    if not isinstance(argument, Sequence) or isinstance(argument, str):
        return False
    return len(argument) > 0 and str(argument[0]).startswith("-")


def _plain(path: str) -> str:
    """Write a path without `..`."""
    return str(Path(path).resolve())


def _own_types(folder: Path) -> dict[str, Path]:
    """Type -> its declaration, which need not exist."""
    return {path.stem: path.with_suffix(".yml") for path in folder.glob("*.py") if not path.name.startswith("test_")}


def _declared(declaration: Path) -> Mapping[str, Any]:
    return yaml_load(declaration.read_text(encoding="utf-8")) if declaration.exists() else {}


def _code_problems(tree: ast.Module) -> Iterator[str]:
    ours = {
        name.asname or name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("sisock.", "services."))
        for name in node.names
    }
    servers = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(_is_server(ast.unparse(base), ours) for base in node.bases)
    ]
    if len(servers) != 1:
        found = f"it has {len(servers)} ({', '.join(servers)})" if servers else "it has none"
        yield f"one class must derive from DataNodeServer or TableServer; {found}."
    started = [
        ast.unparse(call.args[0])
        for statement in tree.body
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test)
        for call in ast.walk(statement)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("run") and call.args
    ]
    if servers and not started:
        yield f"""nothing starts the server; end it with: if __name__ == "__main__": run({servers[0]})"""


def _is_server(base: str, ours: Collection[str]) -> bool:
    return base.endswith(("DataNodeServer", "TableServer")) or (base in ours and base.endswith("Server"))


def _option_problems(name: str, option: Any) -> Iterator[str]:
    if not isinstance(option, Mapping):
        yield "it is no mapping; write type, default and description below it."
        return
    if not re.fullmatch("[A-Z][A-Z0-9_]*", name):
        yield "it is an environment variable: take capital letters, digits and _."
    if name in ("NAME", "DESCRIPTION"):
        yield "every server has it, as `name` and `description` in the inventory; leave it out."
    for key in (key for key in option if key not in _OPTION_KEYS):
        yield f"unknown key {str(key)!r}; {_nearest(str(key), _OPTION_KEYS)}"
    kind = option.get("type")
    if kind not in _OPTION_KINDS:
        yield f"type is {kind!r}; take one of {', '.join(_OPTION_KINDS)}."
    elif "default" in option and not _is_kind(kind, option["default"]):
        yield f"default is {option['default']!r}, which is no {kind}."
    if not option.get("description"):
        yield "description is missing."
    if ("default" in option) == bool(option.get("required")):
        yield "give it either a default or required: true."


def _sentence(option: Mapping[str, Any]) -> str:
    text = option.get("description", "not described")
    return text if isinstance(text, str) else " ".join(text)


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}? "
    if len(known) > 12:
        return ""
    return f"known are {', '.join(known)}. " if known else "none is known. "


def _inventory_files(source: Path) -> Iterator[Path]:
    folder = source if source.is_dir() else source.parent
    hosts = [source] if source.is_file() else [p for p in folder.iterdir() if p.is_file()]
    variables = [p for kind in ("group_vars", "host_vars") for p in (folder / kind).rglob("*") if p.is_file()]
    yield from (p for p in [*hosts, *variables] if p.suffix in (".yml", ".yaml", ""))


def _variables(path: Path) -> Iterator[tuple[str, int]]:
    """Each variable that a file sets, with its line; what is encrypted as a whole is passed over."""
    text = path.read_text(encoding="utf-8")
    if text.startswith("$ANSIBLE_VAULT"):
        return
    root = yaml.compose(text, Loader=SafeLoader)
    if {"group_vars", "host_vars"} & set(path.parts):
        yield from _mapping_keys(root)
    else:
        yield from _host_file_variables(root)


def _host_file_variables(groups: yaml.Node | None) -> Iterator[tuple[str, int]]:
    for _, group in _pairs(groups):
        for key, value in _pairs(group):
            if key.value == "vars":
                yield from _mapping_keys(value)
            elif key.value == "hosts":
                for _, variables in _pairs(value):
                    yield from _mapping_keys(variables)
            elif key.value == "children":
                yield from _host_file_variables(value)


def _mapping_keys(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    yield from ((str(key.value), key.start_mark.line + 1) for key, _ in _pairs(node))


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {
            "command_line_problems": command_line_problems,
            "declared_variables": declared_variables,
            "group_problems": group_problems,
            "setting_problems": setting_problems,
            "inventory_problems": inventory_problems,
            "server_problems": server_problems,
            "site_server_problems": site_server_problems,
            "agent_problems": agent_problems,
            "target_problems": target_problems,
            "port_problems": port_problems,
        }
