# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of the detectors, as figures of many played cases."""
import collections

import score


class Played:
    """What came of one case with one seed."""

    def __init__(self, case, seed, truth, alarms):
        self.case = case
        self.seed = seed
        self.truth = truth
        self.alarms = alarms
        if truth.opener:
            truth.events.extend(self.exhaustion())
        self.events = truth.events
        self.false = score.match(self.events, alarms)

    def exhaustion(self):
        """A client that runs out of ports is an event from its start; one that does not is none."""
        opener = self.truth.opener
        if not opener["first_failure"]:
            return []
        key = {name: opener[name] for name in ("client", "ip", "port")}
        return [score.Event({"scenario": "exhaustion", "accepted": ["time_wait_exhaustion"], "key": key,
                             "start": opener["start"], "end": opener["end"], "parameters": {}})]


class Figure:
    """One line of the table: what was asked, what was measured, whether that is met. None = nothing to measure."""

    def __init__(self, name, asked, measured, met, detail=""):
        self.name = name
        self.asked = asked
        self.measured = measured
        self.met = met
        self.detail = detail


def having(played, tag):
    return [p for p in played if tag in p.case.tags]


def events_of(played, tag):
    return [(p, e) for p in having(played, tag) for e in p.events if not e.benign]


def number(value, unit="", digits=2):
    return "never" if value is None else f"{value:.{digits}f}{unit}"


def delays(name, played, tag, median_s, late_s):
    """Delay from the first packet; what was missed counts as never."""
    events = events_of(played, tag)
    if not events:
        return []
    all_delays = [e.delay if e.is_found else float("inf") for _, e in events]
    median, late = score.quantile(all_delays, 0.5), score.quantile(all_delays, 0.99)
    p95 = score.quantile(all_delays, 0.95)
    worst = max(events, key=lambda pe: pe[1].delay if pe[1].is_found else float("inf"))
    detail = f"{len(events)} floods, p95 {p95:.2f} s; slowest: {worst[0].case.name} seed {worst[0].seed}"
    return [Figure(f"{name}, median delay", f"<= {median_s} s", f"{median:.2f} s", median <= median_s, detail),
            Figure(f"{name}, 99th percentile", f"<= {late_s} s", f"{late:.2f} s", late <= late_s, detail)]


def trickle(played):
    out = []
    for p, e in events_of(played, "trickle"):
        half = p.truth.victim["half_full"]
        if half:
            out.append((e.start + e.delay - half if e.is_found else float("inf"), p))
    if not out:
        return []
    worst, p = max(out, key=lambda pair: pair[0])
    return [Figure("trickle that holds a 128 backlog, after half full", "<= 30 s", f"{worst:.1f} s", worst <= 30,
                   f"worst of {len(out)}: {p.case.name} seed {p.seed}")]


def recall(played, tag, name, asked):
    events = events_of(played, tag)
    if not events:
        return []
    found = sum(e.is_found for _, e in events)
    missed = sorted({p.case.name for p, e in events if not e.is_found})
    return [Figure(f"recall, {name}", f">= {asked}", f"{found / len(events):.3f}", found / len(events) >= asked,
                   f"{found} of {len(events)}" + (f"; missed: {', '.join(missed)}" if missed else ""))]


def precision(played, tag, name, ignored=None):
    right = wrong = 0
    blame = collections.Counter()
    for p in having(played, tag):
        right += sum(len(e.right) for e in p.events)
        bad = [a for e in p.events for a in e.other if e.name != "restart"] + p.false
        bad = [a for a in bad if a.detector != ignored]
        wrong += len(bad)
        blame.update(f"{a.detector} in {p.case.name}" for a in bad)
    if right + wrong == 0:
        return []
    value = right / (right + wrong)
    return [Figure(f"precision, {name}", ">= 0.99", f"{value:.3f}", value >= 0.99,
                   "; ".join(f"{k} x{n}" for k, n in blame.most_common(4)))]


def changed(event):
    """Alarms about the event that were of a class that is not accepted for a while."""
    return [a for a in event.right if any(line["detection"]["detector"] not in event.accept for _, line in a.said)]


def false_alarms(played):
    figures = []
    runs = having(played, "clean")
    if runs:
        days = sum(p.truth.days for p in runs)
        bad = [(p, a) for p in runs for a in p.false]
        rate = len(bad) / days
        blame = collections.Counter(a.detector for _, a in bad)
        figures.append(Figure("false alarms per sensor-day", "<= 0.1", f"{rate:.3f}", rate <= 0.1,
                              f"{len(bad)} in {days:.2f} clean days (95 %: below {score.poisson_bound(len(bad)) / days:.3f})"
                              + ("; " + ", ".join(f"{k} {n}" for k, n in blame.items()) if bad else "")))
    runs = having(played, "flash")
    if runs:
        bad = [(p, a) for p in runs for a in p.false + [o for e in p.events for o in e.other + changed(e)]]
        figures.append(Figure("alarms on flash crowds up to 20x", "0", str(len(bad)), not bad,
                              f"{len(runs)} crowds" + "".join(f"; {a.detector} in {p.case.name}" for p, a in bad[:4])))
    runs = having(played, "impaired")
    if runs:
        days = sum(p.truth.days for p in runs)
        bad = [(p, a) for p in runs for a in p.false if a.detector != "sensor_health"]
        figures.append(Figure("false alarms with a poorer view", "0.1 a day", f"{len(bad)} in {days:.2f} days",
                              len(bad) <= 0.1 * days,
                              "; ".join(sorted({f"{a.detector} in {p.case.name}" for p, a in bad})[:6])))
        figures.extend(visibility(runs))
    return figures


def visibility(runs):
    """A one-way view is said, by an alarm on the sensor itself."""
    runs = [p for p in runs if p.case.values.get("one_way")]
    told = [p for p in runs if any(a.detector == "sensor_health" for a in p.alarms)]
    if not runs:
        return []
    return [Figure("one-way view is told", "always", f"{len(told)} of {len(runs)}", len(told) == len(runs))]


def lost_shares(played):
    """What the sensor loses stands in each alarm, as a share of the segments, and nothing is lost that only comes late."""
    said = wrong = 0
    blame = set()
    for p in played:
        lost = p.case.values.get("lost", 0)
        if lost < 0.05 and not p.case.values.get("reordered"):
            continue
        for alarm in p.alarms:
            for _, event in alarm.said:
                told = event["detection"]["visibility"].get("lost_share", 0)
                said += 1
                if not 0.6 * lost <= told <= 1.5 * lost + 0.001:
                    wrong += 1
                    blame.add(f"{alarm.detector} in {p.case.name}: {told:.3f}")
    if said == 0:
        return []
    return [Figure("share of lost segments that alarms tell", "within a half", f"{said - wrong} of {said}",
                   wrong <= 0.05 * said, "; ".join(sorted(blame)[:4]))]


def full_queues(played):
    """A queue is called full where the victim's was."""
    said = false = 0
    blame = set()
    for p in played:
        for alarm in p.alarms if p.truth.victim else []:
            for _, event in alarm.said:
                if "full" not in event["detection"].get("class", "") or event["detection"]["phase"] == "cleared":
                    continue
                said += 1
                if not p.truth.victim["full"]:
                    false += 1
                    blame.add(p.case.name)
    if said == 0:
        return []
    return [Figure("queues called full that were not", "0", f"{false} of {said}", false == 0, "; ".join(sorted(blame)[:6]))]


def class_of(event):
    """What the event was taken for while it lasted; the accepted one, if two alarms named it."""
    if event.right:
        return event.right[0].last_class(event.end + score.LATE_S)
    return event.other[0].last_class(event.end + score.LATE_S) if event.other else "nothing"


def classes(played):
    events = events_of(played, "class")
    if not events:
        return []
    right = [class_of(e) in e.accept for _, e in events]
    wrong = collections.Counter(f"{p.case.name}: {class_of(e)}" for (p, e), ok in zip(events, right) if not ok)
    share = sum(right) / len(right)
    figures = [Figure("right class", ">= 0.95", f"{share:.3f}", share >= 0.95,
                      f"{sum(right)} of {len(right)}" + "".join(f"; {k} x{n}" for k, n in wrong.most_common(12)))]
    floods = [e for p, e in events if p.case.scenario == "syn_flood"]
    crowds = [e for p in having(played, "flash") for e in p.events]
    confused = sum("flash_crowd" in (class_of(e),) for e in floods)
    confused += sum(a.detector in ("syn_flood", "half_open_surge") for e in crowds for a in e.other + e.right)
    n = len(floods) + len(crowds)
    if n:
        figures.append(Figure("flood and flash crowd confused", "<= 0.5 %", f"{100 * confused / n:.1f} %", confused <= 0.005 * n,
                              f"{confused} of {n}"))
    return figures


def confusion(played):
    """{(what it was, what it was taken for): how often}."""
    table = collections.Counter()
    for p in having(played, "class") + having(played, "flash"):
        for e in p.events:
            table[(e.accept[0] if e.name != "trickle" else "trickle", class_of(e))] += 1
    return table


def time_wait(played):
    figures = []
    for tag, name, asked in (("tw800", "a step to 800/s", 20), ("tw480", "a step to 480/s", 30), ("twramp", "slow ramps", 120),
                             ("twother", "other stacks", 0)):
        warned = [(p.truth.opener["first_failure"] - e.right[0].raised if e.is_found else float("-inf"), p)
                  for p, e in events_of(played, tag)]
        if warned:
            least, p = min(warned, key=lambda pair: pair[0])
            figures.append(Figure(f"TIME_WAIT exhaustion, warning before the first failure, {name}", f">= {asked} s",
                                  number(None if least == float("-inf") else least, " s", 1), least >= asked,
                                  f"least of {len(warned)}: {p.case.name}"))
    errors = [error for p in having(played, "forecast") for error in forecast_errors(p)]
    if errors:
        median, worst = score.quantile(errors, 0.5), max(errors)
        figures.append(Figure("TIME_WAIT forecast, error from half occupancy", "<= 10 %", f"{100 * median:.1f} %", median <= 0.1,
                              f"{len(errors)} statements, worst {100 * worst:.0f} %"))
    elif having(played, "forecast"):
        figures.append(Figure("TIME_WAIT forecast, error from half occupancy", "<= 10 %", "none made", False))
    silent = having(played, "twsilent")
    if silent:
        bad = [(p, a) for p in silent for a in p.alarms if a.detector == "time_wait_exhaustion"]
        figures.append(Figure("TIME_WAIT alarms at a steady 60 % and with early reuse", "0", str(len(bad)), not bad,
                              "; ".join(sorted({p.case.name for p, _ in bad}))))
    return figures


def forecast_errors(p):
    failure = p.truth.opener["first_failure"]
    for alarm in p.alarms:
        for time, event in alarm.said:
            forecast = event["detection"].get("forecast")
            left = failure - time
            if not forecast or forecast.get("seconds_left") is None or forecast["occupancy"] < 0.5 or left < 3:
                continue
            yield abs(forecast["seconds_left"] - left) / left


def said_of_listener(p):
    for alarm in p.alarms:
        for time, event in alarm.said:
            listener = event["detection"].get("listener")
            if listener and event["detection"]["target"].get("ip") == p.events[0].key["ip"]:
                yield time, listener


def listener(played):
    """Backlog and half-open connections against the victim's own."""
    backlog, gauge = [], []
    for p in having(played, "gauge"):
        victim = p.truth.victim
        for time, said in said_of_listener(p):
            if said.get("backlog") and victim["full"] and time > victim["full"]:
                # As in listen(), or as many as fit, which is one more.
                error = min(abs(said["backlog"] + more - victim["backlog"]) for more in (0, 1))
                backlog.append((error / victim["backlog"], p))
            true = score.at(p.truth.half_open, time)
            if said.get("half_open") is not None and true and true >= 20 and time <= p.events[0].end:
                gauge.append((abs(said["half_open"] - true) / true, p))
    figures = []
    for name, asked, errors in (("backlog, error", 0.02, backlog), ("half-open gauge, error", 0.05, gauge)):
        if errors:
            p95 = score.quantile([error for error, _ in errors], 0.95)
            worst, p = max(errors, key=lambda pair: pair[0])
            figures.append(Figure(f"{name} (95 of 100)", f"<= {asked:.0%}", f"{p95:.1%}", p95 <= asked,
                                  f"{len(errors)} statements, worst {worst:.0%}: {p.case.name} seed {p.seed}"))
        elif having(played, "gauge"):
            figures.append(Figure(f"{name} (95 of 100)", f"<= {asked:.0%}", "not told", False))
    return figures


def cookies(played):
    """SYN cookies: said within 2.5 s where the victim sent them, and never where it did not."""
    used = told = false = 0
    blame = set()
    for p in having(played, "cookies"):
        first = p.truth.victim["first_cookie"]
        proxied = p.case.values.get("reaction") == "proxy"
        yes = [time for time, said in said_of_listener(p) if said.get("cookies") == "yes"]
        if first and p.truth.victim["last_cookie"] - first > 2.5:
            used += 1
            if any(time <= first + 2.5 for time in yes):
                told += 1
            else:
                blame.add(f"{p.case.name}: {'late' if yes else 'never'}")
        elif not first and not proxied and yes:
            false += 1
            blame.add(f"{p.case.name}: wrongly")
    if not used:
        return []
    return [Figure("SYN cookies told within 2.5 s, recall", ">= 0.99", f"{told / used:.3f}", told / used >= 0.99,
                   f"{told} of {used}; " + "; ".join(sorted(blame)[:6])),
            Figure("SYN cookies told, precision", ">= 0.99", f"{told / (told + false) if told + false else 1:.3f}",
                   false == 0)]


def life(played):
    figures = []
    late = [(a.cleared - e.end if a.cleared else float("inf"), p) for p, e in events_of(played, "clear") for a in e.right]
    if late:
        worst, p = max(late, key=lambda pair: pair[0])
        figures.append(Figure("cleared after the true end", "<= 35 s", number(None if worst == float("inf") else worst, " s", 1), worst <= 35,
                              f"{len(late)} alarms, {sum(v <= 35 for v, _ in late)} in time; worst: {p.case.name} seed {p.seed}"))
    trains = [(len({a.id for a in e.right + e.other}), p) for p, e in events_of(played, "pulses")]
    if trains:
        worst = max(trains, key=lambda pair: abs(pair[0] - 1))
        figures.append(Figure("incidents for a train of pulses", "1", str(worst[0]), worst[0] == 1,
                              f"worst of {len(trains)}: {worst[1].case.name}"))
    many = [(p, e) for p, e in events_of(played, "grid") if len({a.id for a in e.right}) > 1]
    if events_of(played, "grid"):
        figures.append(Figure("targets with more than one incident at a time", "0", str(len(many)), not many,
                              "; ".join(sorted({p.case.name for p, _ in many})[:6])))
    return figures


def all_figures(played):
    figures = []
    figures += delays("flood of >= 500 SYN/s", played, "fast", 0.5, 1.5)
    figures += delays("50 SYN/s over 100 connections/s", played, "fifty", 3, 10)
    figures += trickle(played)
    figures += delays("carpet, a /24 at 2 SYN/s a host", played, "carpet", 5, 5)[1:]
    figures += recall(played, "grid", "floods of >= 10 SYN/s", 0.99)
    figures += precision(played, "grid", "floods of >= 10 SYN/s")
    figures += precision(played, "class", "all troubles")
    figures += recall(played, "five", "5 SYN/s", 0.95)
    figures += false_alarms(played)
    figures += recall(played, "impairedflood", "500 SYN/s with a poorer view", 1.0)
    figures += recall(played, "lossyflood", "floods with a poorer view", 1.0)
    figures += precision(played, "lossyflood", "floods with a poorer view", ignored="sensor_health")
    figures += lost_shares(played)
    figures += full_queues(played)
    figures += classes(played)
    figures += time_wait(played)
    figures += listener(played)
    figures += cookies(played)
    figures += life(played)
    return figures
