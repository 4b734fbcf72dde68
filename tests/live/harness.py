# SPDX-License-Identifier: BSD-2-Clause
"""What the programs of this folder share: running their tests, waiting for conditions, validating events.

A test is a function test_<what it shows>(place). place gives it a folder, hosts and sensors, all of which are gone
after it, whatever happened. A test waits for conditions, never for a time to pass."""

import argparse
import contextlib
import importlib.util
import os
import pathlib
import tempfile
import time
import traceback

from sensor import Sensor, read_events
from wire import Host, Wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP_CODE = 77
MAX_PROBLEMS = 5


class Skipped(Exception):
    """The test cannot run here; says why."""


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def wait_until(condition, what, timeout=30):
    """Returns what condition() returns once that is true."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def is_instrumented(binary):
    """A sanitizer makes the program several times slower."""
    contents = pathlib.Path(binary).read_bytes()
    return b"__asan_init" in contents or b"__tsan_init" in contents


class Place:
    """Where one test happens."""

    def __init__(self, options, folder):
        self.binary = options.binary
        self.unit = options.unit
        self.threads = options.threads
        self.patience = options.patience
        self.folder = pathlib.Path(folder)
        self.parts = contextlib.ExitStack()
        self.sensors = []

    def path(self, name):
        return self.folder / name

    def wire(self):
        return self.parts.enter_context(contextlib.closing(Wire()))

    def sensor(self, host, *options, **rest):
        made = Sensor(self, host, *options, **rest)
        self.parts.callback(made.close)
        self.sensors.append(made)
        return made

    def close(self):
        self.parts.close()


def load_validator():
    """The module tests/support/validate_events.py, or None when it cannot work here."""
    spec = importlib.util.spec_from_file_location("validate_events", ROOT / "tests/support/validate_events.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SystemExit:
        return None, None
    return module, module.make_validators()


def check_schema(place, module, validators):
    """Every event that the sensors of a test wrote into files, but for those said to be too many."""
    for sensor in place.sensors:
        if sensor.validated and sensor.output.exists():
            with open(sensor.output, "rb") as file:
                problems = list(zip(range(MAX_PROBLEMS), module.check_file(sensor.output.name, file, validators)))
            check(not problems, "against the schema:\n" + "\n".join(problem for _, problem in problems))


def run_test(function, options, schema):
    """What went wrong, or "". Skipped is raised."""
    with tempfile.TemporaryDirectory(prefix="tcpwitness-live-") as folder:
        os.chmod(folder, 0o755)  # sensors that are another user find their files
        place = Place(options, folder)
        try:
            function(place)
            place.close()
            for sensor in place.sensors:
                check("Sanitizer" not in sensor.stderr(), "a sanitizer complains")
            if schema[0] is not None:
                check_schema(place, *schema)
        except Skipped:
            raise
        except AssertionError as failure:
            return f"{failure}\n{said(place)}"
        except Exception:
            return f"{traceback.format_exc()}\n{said(place)}"
        finally:
            place.close()
    return ""


def said(place):
    return "\n".join(f"  sensor {' '.join(sensor.argv[1:])}\n  ended with {sensor.process.returncode}, stderr:\n"
                     f"{sensor.stderr()[-2000:]}" for sensor in place.sensors)


def cannot_run():
    """Why no test can run here, or ""."""
    if os.geteuid() != 0:
        return "network namespaces and virtual interfaces need root"
    try:
        host = Host("probe", ["192.0.2.1/32"])
        host.close()
        Wire().close()
    except OSError as failure:
        return f"no network namespaces with virtual interfaces: {failure}"
    return ""


def main(tests):
    """Runs the functions test_* of a module's namespace. For `sys.exit(main(globals()))`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=os.path.abspath, help="the tcpwitness program")
    parser.add_argument("names", nargs="*", help="tests to run, by any part of their names (default: all)")
    parser.add_argument("--unit", help="the systemd unit as it would be installed")
    parser.add_argument("--threads", default=1, type=int, help="of every sensor that is not said to have others (default 1)")
    options = parser.parse_intermixed_args()
    reason = cannot_run()
    if reason:
        print(f"SKIPPED: {reason}")
        return SKIP_CODE
    options.patience = 5 if is_instrumented(options.binary) else 1
    schema = load_validator()
    if schema[0] is None:
        print("events are not held against the schema: python3-jsonschema is not installed")
    names = [name for name in tests if name.startswith("test_")]
    names = [name for name in names if not options.names or any(part in name for part in options.names)]
    n_passed = n_failed = n_skipped = 0
    for name in names:
        began = time.monotonic()
        try:
            problem = run_test(tests[name], options, schema)
        except Skipped as skipped:
            print(f"SKIPPED {name}: {skipped}", flush=True)
            n_skipped += 1
            continue
        print(f"{'FAILED' if problem else 'passed'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
        if problem:
            print(problem, flush=True)
        n_passed += not problem
        n_failed += bool(problem)
    print(f"{n_passed} passed, {n_failed} failed, {n_skipped} skipped")
    return 1 if n_failed else 0


__all__ = ["Skipped", "check", "check_equal", "main", "read_events", "wait_until"]
