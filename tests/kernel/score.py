# SPDX-License-Identifier: BSD-2-Clause
"""How well tcpwitness knows what the kernels know.

Snapshot agreement: at every quiet instant, each socket's state against our state of that end. Path agreement: the ordered states
that each end went through, in each of its lives. Counted is what an observer can know. Left out, and counted by reason:

  unheard      nothing of this life of the end passed the tap
  fin_unseen   its FIN has not passed the tap: it waits in the sender, or was lost before the tap
  fin_waited   it closed first, but its FIN waited in the sender until the other one had come
  died_unseen  the end is gone, and no segment that passed the tap says so: no RST of its own, none to it
  rst_lost     a RST to the end was lost behind the tap, and nothing of the end passed since
  got_unseen   something reached the end that this tap did not see, and nothing of the end was seen since
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field

import journal as j
from lives import ALIVE, BY_ABORT, NEVER, SILENTLY, build_histories
from views import views
from witness import read_flows

NO_SOCKET = ("CLOSED", "LISTEN")
FIN_STATES = ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "TIME_WAIT", "LAST_ACK")


@dataclass
class Score:
    counted: Counter = field(default_factory=Counter)   # instants, instants_agree, instants_proved, paths, paths_agree
    by_state: Counter = field(default_factory=Counter)  # instants by (kernel's state, our certainty)
    left_out: Counter = field(default_factory=Counter)  # by (kind, reason)
    wrong_proved: list = field(default_factory=list)
    differences: list = field(default_factory=list)
    losses: dict = field(default_factory=dict)          # place -> (placed by us, dropped by the relay)

    def add(self, other):
        self.counted += other.counted
        self.by_state += other.by_state
        self.left_out += other.left_out
        self.wrong_proved += other.wrong_proved
        self.differences += other.differences
        for place, (ours, theirs) in other.losses.items():
            mine = self.losses.get(place, (0, 0))
            self.losses[place] = (mine[0] + ours, mine[1] + theirs)

    def share(self, part, whole):
        return self.counted[part] / self.counted[whole] if self.counted[whole] else 1.0


def unknowable(history, life, time, state):
    """Why an observer cannot know the end's state at that time, or None."""
    if life is None or not history.seen_own(life, time):
        return "unheard"
    if state in ("FIN_WAIT_1", "LAST_ACK", "CLOSING") and not history.seen_own(life, time, j.FIN):
        return "fin_unseen"
    if history.fin_waited(life) and state in FIN_STATES:
        return "fin_waited"
    if state == "CLOSED" and life.end_time <= time:
        if life.ended == SILENTLY:
            return "died_unseen"
        if life.ended == BY_ABORT and not history.seen_own(life, time, j.RST):
            return "died_unseen"
    if state != "CLOSED" and history.rst_lost_on_its_way(life, time):
        return "rst_lost"
    if history.got_unseen(life, time):
        return "got_unseen"
    return None


def score_snapshots(truth, histories, flows, score):
    for number, shot in enumerate(truth["snapshots"]):
        if not shot["quiet"]:
            continue
        listed = {"client": {(s[1], s[3]): s[4] for s in shot["client"]},
                  "server": {(s[3], s[1]): s[4] for s in shot["server"]}}
        for key, ends in histories.items():
            ours = [flow for flow in flows.get(key, []) if flow.number <= shot["frames"]]
            if not ours:
                continue
            for end, history in ends.items():
                kernel = listed[end].get(key, "CLOSED")
                state, certainty = ours[-1].at(end, shot["frames"])
                state = "CLOSED" if state in NO_SOCKET else state
                if kernel == "CLOSED" and state == "CLOSED":
                    continue
                reason = unknowable(history, history.life_at(shot["time"]), shot["time"], kernel)
                if reason is not None:
                    score.left_out["instant", reason] += 1
                    continue
                score.counted["instants"] += 1
                score.counted["instants_agree"] += state == kernel
                score.counted["instants_proved"] += certainty == "proved"
                score.by_state[kernel, certainty] += 1
                if state == kernel:
                    continue
                where = f"{truth['settings']['name']}: snapshot {number} (frame {shot['frames']}), {key}, {end}: " \
                        f"{state}/{certainty}, kernel {kernel}"
                score.differences.append(where)
                if certainty == "proved":
                    score.wrong_proved.append(where)


def as_path(states):
    """What leads nowhere and comes from nowhere looks alike: no socket."""
    path = ["CLOSED" if state == "LISTEN" else state for state in states]
    while path and path[0] == "CLOSED":
        path.pop(0)
    return path


def acceptable_paths(history, life, until):
    """The kernel's path, and what it looks like to one who cannot know its last steps."""
    path = as_path(life.states)
    found = [path]
    if life.ended != ALIVE:
        found = [path + ["CLOSED"]]
        if path and path[-1] == "FIN_WAIT_2":
            found.append(path + ["TIME_WAIT", "CLOSED"])
        if unknowable(history, life, until, "CLOSED"):
            found.append(path)
    elif history.rst_lost_on_its_way(life, until):
        found.append(path + ["CLOSED"])
    if path[:2] == ["SYN_SENT", "SYN_RCVD"] and not any(entry.flags & j.ACK == 0
                                                        for entry in history.seen_own(life, until, j.SYN)):
        # Its SYN never passed, only the SYN-ACK of a simultaneous open, which looks like any other.
        found += [other[1:] for other in found]
    if not history.seen_own(life, until, j.FIN):
        before_fin = [state for state in path if state not in FIN_STATES]
        found += [before_fin, before_fin + ["CLOSED"]]
    return found


def flow_of_life(flows, segments):
    """The flow that most of a life's segments fall into, or None. (The last segments of one life may pass behind the SYN
    that begins the next, and a SYN that is refused may pass before it.)"""
    numbers = [flow.number for flow in flows]
    found = Counter(bisect_right(numbers, segment.frame) for segment in segments)
    found.pop(0, None)
    return flows[found.most_common(1)[0][0] - 1] if found else None


def first_frame_after(history, life, until):
    """Of the next life, if it was seen: what is proved from there on is not of this one."""
    following = history.lives[history.lives.index(life) + 1:]
    segments = history.seen_own(following[0], until) if following else []
    return segments[0].frame if segments else NEVER


def score_paths(truth, histories, flows, score):
    until = truth["snapshots"][-1]["time"]
    for key, ends in histories.items():
        for end, history in ends.items():
            for life in history.lives:
                flow = flow_of_life(flows.get(key, []), history.seen_own(life, until))
                if flow is None:
                    score.left_out["path", "unheard"] += 1
                    continue
                if history.fin_waited(life):
                    score.left_out["path", "fin_waited"] += 1
                    continue
                accepted = acceptable_paths(history, life, until)
                ours = as_path(flow.path(end))
                score.counted["paths"] += 1
                score.counted["paths_agree"] += ours in accepted
                where = f"{truth['settings']['name']}: flow {flow.number}, {key}, {end}: "
                if ours not in accepted:
                    score.differences.append(f"{where}{'>'.join(ours)}, kernel {'>'.join(accepted[0])} ({life.ended})")
                for packet, state in flow.proved(end):
                    in_life = packet < first_frame_after(history, life, until)
                    if in_life and state not in NO_SOCKET and state not in life.states:
                        score.wrong_proved.append(f"{where}{state} was proved by packet {packet}, kernel "
                                                  f"{'>'.join(accepted[0])}")


def score_losses(journal, flows, score):
    placed = {"before": 0, "after": 0}
    for found in flows.values():
        for flow in found:
            for end in ("client", "server"):
                record = flow.record["witness"][end]
                placed["before"] += record["lost_before_tap"]
                placed["after"] += record["lost_after_tap"]
    dropped = Counter(entry.fate for entries in journal.values() for entry in entries if entry.occupies)
    score.losses = {"before": (placed["before"], dropped[j.LOST_BEFORE]),
                    "after": (placed["after"], dropped[j.LOST_BEHIND])}


def score_run(binary, folder, truth):
    """(score of the whole capture, {name of a view: score of what is seen through it})"""
    score, of_views = Score(), {}
    journal = j.read_journal(f"{folder}/journal")
    histories = build_histories(truth, journal)
    flows = read_flows(binary, f"{folder}/tap.pcap", truth)
    score_snapshots(truth, histories, flows, score)
    score_paths(truth, histories, flows, score)
    score_losses(journal, flows, score)
    for view, path, numbers in views(folder, truth):
        of_views[view] = Score()
        flows = read_flows(binary, path, truth, numbers)
        frames = set(numbers)
        seen = {key: {end: history.seen_by(frames) for end, history in ends.items()}
                for key, ends in histories.items()}
        score_snapshots(truth, seen, flows, of_views[view])
        score_paths(truth, seen, flows, of_views[view])
    return score, of_views
