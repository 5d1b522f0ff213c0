"""What proves that a lamp acted on a command: pure functions over what was published since.

After a `/set`, Zigbee2MQTT publishes the wanted state at once, with the power it last knew. On the wire that echo looks
like a measurement, so the rules are:

1. The first message that shows the wanted level is taken for the echo, whenever it comes, and proves nothing.
2. *Readback*: after the echo the lamp is asked (`/get`). A bridge publishes its cached, wished level again with every
   report of the lamp (power, link quality), so one message with the wanted level is no answer yet: it takes two, each
   after a question of its own; a lamp that did not act answers the first question with its real level in between. One
   is enough if it carries a power that agrees. A power that speaks clearly against the level is a veto, however often
   the level is shown: then the lamp is asked for its power, and rule 3 decides. If a message says when the lamp was
   last heard, that must be later than in the echo. (What is left: a lamp without a power meter that neither acts nor
   answers but reports something twice in the time of one command. Nothing on the wire tells it from one that acted.)
3. *Power*: a power that agrees with the wanted level proves it, if an earlier power lay clearly apart from it. The
   cached power of an echo is the earlier power, so an echo cannot pass this. A lamp that cannot be asked and was at the
   wanted level before, by its state and by a recent power, has nothing to do: that power proves it once the wish is
   echoed.
4. *Step*, on the topic of measurements only, where nothing is echoed: a power that has moved from the one before the
   command to the one that the target would give. The scale is the lamp's own (what it drew at the level that it had),
   so a step far smaller than the tolerance of its rated power can be told. Half a per cent of noise, on both powers,
   must not look like a step: a predicted step of at least 2 % of rated power, 60 % of it made, is above that.

A lamp that never shows the wanted level is a mismatch; one that shows it once and nothing more is unproved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lentera_drivers.interface import Confirmation
from lentera_drivers.profiles import LampMessage, Proof
from lentera_model.commands import ConfirmedBy, Reason

_LEVEL: Final = "level_percent"
_POWER: Final = "power_active_total"
_LEAST_LEVEL_PERCENT: Final = 5.0
"""Below it a lamp's power is mostly the loss of its driver, which no level scales."""
_LEAST_STEP: Final = (0.5, 0.02)
_STEP_TOLERANCE: Final = (0.4, 0.015)
"""Each in W and as a share of rated power, whichever is more."""
_LEAST_MOVED: Final = 0.6
_LONGEST_PAUSE_MS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known about one command on one lamp. All times are monotonic milliseconds.

    Attributes:
        rules: the profile's.
        target_percent: the level asked for.
        rated_power_w: the lamp's power at 100 %, None when unknown (then power proves nothing).
        sent_at_ms: when the command was published.
        already_there: whether level and a recent power showed the target before the command.
        power_apart: whether a power was seen, before or since, that lies clearly apart from the target's.
        echo_at_ms: when the wanted level was first shown.
        echo_last_seen_ms: the lamp's own `last_seen` in that message.
        asked_at_ms: the last question.
        matches: messages with the wanted level, each after a question of its own that came after the echo.
        matched_at_ms: when the last of them came.
        trusted_from_ms: until then a message may be the answer to an earlier question, about something else.
        doubted: whether the wanted level was shown with a power clearly apart: the power is what to ask for.
        proof: set when proved.
        measured: latest values published since the command.
        answered_percent: the last level shown that was not the echo's.
        measured_apart: whether the last power on the telemetry topic lies clearly apart from the target's.
        step_w: measured power before the command and predicted power at the target; None where no step can be told.
    """

    rules: Proof
    target_percent: float
    rated_power_w: float | None
    sent_at_ms: int
    already_there: bool = False
    power_apart: bool = False
    echo_at_ms: int | None = None
    echo_last_seen_ms: int | None = None
    asked_at_ms: int | None = None
    trusted_from_ms: int = 0
    matches: int = 0
    matched_at_ms: int | None = None
    doubted: bool = False
    proof: ConfirmedBy | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    answered_percent: float | None = None
    measured_apart: bool = False
    step_w: tuple[float, float] | None = None


def start(
    rules: Proof,
    target_percent: float,
    rated_power_w: float | None,
    before: Mapping[str, float],
    now_ms: int,
    trusted_from_ms: int = 0,
    drawn_w: float | None = None,
) -> Watch:
    """Begin to watch a command that is published now.

    Args:
        rules: the profile's.
        target_percent: the level asked for.
        rated_power_w: the lamp's power at 100 %, None when unknown.
        before: the lamp's latest level and power, each only if it is recent.
        now_ms: the instant of the command.
        trusted_from_ms: see `Watch`.
        drawn_w: a recent power from the topic of measurements, measured after the latest level was shown.
    """
    watch = Watch(rules, target_percent, rated_power_w, now_ms, trusted_from_ms=trusted_from_ms)
    power_w, level = before.get(_POWER), before.get(_LEVEL)
    if drawn_w is not None and level is not None:
        watch = replace(watch, step_w=_step(watch, level, drawn_w))
    if power_w is None:
        return watch
    there = level is not None and _is_target(watch, level) and _agrees(watch, power_w)
    return replace(watch, power_apart=_apart(watch, power_w), already_there=there and not rules.readback)


def observe(watch: Watch, message: LampMessage, now_ms: int, *, telemetry: bool = False) -> Watch:
    """Take in a message that the lamp published after the command (never a retained one).

    Args:
        watch: what was known.
        message: what it says.
        now_ms: when it came.
        telemetry: whether it came on the topic of measurements, where nothing is echoed.
    """
    watch = replace(watch, measured={**watch.measured, **message.values})
    power_w = message.values.get(_POWER)
    if power_w is not None:
        watch = _observe_power(watch, power_w, telemetry)
    level = message.values.get(_LEVEL)
    if level is not None and watch.proof is None:
        watch = _observe_level(watch, level, message, now_ms)
    return watch


def _observe_power(watch: Watch, power_w: float, telemetry: bool) -> Watch:
    apart = _apart(watch, power_w)
    watch = replace(watch, already_there=watch.already_there and _agrees(watch, power_w))
    if watch.power_apart and _agrees(watch, power_w) and watch.proof is None:
        return replace(watch, proof=ConfirmedBy.POWER, measured_apart=False)
    if telemetry and watch.proof is None and _has_stepped(watch, power_w):
        return replace(watch, proof=ConfirmedBy.POWER, measured_apart=False)
    return replace(watch, power_apart=watch.power_apart or apart, measured_apart=apart and telemetry)


def _observe_level(watch: Watch, level: float, message: LampMessage, now_ms: int) -> Watch:
    if not _is_target(watch, level):
        return replace(watch, answered_percent=level, matches=0, matched_at_ms=None)
    if watch.echo_at_ms is None:
        proof = ConfirmedBy.POWER if watch.already_there else None
        return replace(watch, echo_at_ms=now_ms, echo_last_seen_ms=message.last_seen_ms, proof=proof)
    since_ms = watch.echo_at_ms if watch.matched_at_ms is None else watch.matched_at_ms
    asked = watch.asked_at_ms is not None and watch.asked_at_ms >= since_ms
    fresh = (
        message.last_seen_ms is None
        or watch.echo_last_seen_ms is None
        or message.last_seen_ms > watch.echo_last_seen_ms
    )
    if not (watch.rules.readback and asked and fresh and now_ms >= watch.trusted_from_ms):
        return watch
    power_w = message.values.get(_POWER)
    if power_w is not None and _apart(watch, power_w):
        return replace(watch, doubted=True)
    matches = watch.matches + 1
    needed = 1 if power_w is not None and _agrees(watch, power_w) else 2
    proof = ConfirmedBy.READBACK if matches >= needed else None
    return replace(watch, matches=matches, matched_at_ms=now_ms, answered_percent=level, proof=proof)


def next_question_ms(watch: Watch) -> int | None:
    """Return when the lamp is to be asked next, None when it cannot be asked or need not be."""
    if not watch.rules.readback or watch.proof is not None:
        return None
    if watch.echo_at_ms is not None and (watch.asked_at_ms is None or watch.asked_at_ms < watch.echo_at_ms):
        return watch.echo_at_ms
    if watch.asked_at_ms is None:
        return watch.sent_at_ms + watch.rules.echo_window_ms
    if watch.matched_at_ms is not None and watch.asked_at_ms < watch.matched_at_ms:
        return watch.matched_at_ms  # the second of two matches need not wait
    return watch.asked_at_ms + max(watch.rules.ask_every_ms, _patient_ms(watch.asked_at_ms - watch.sent_at_ms))


def _patient_ms(waited_ms: int) -> int:
    """Return how long to wait for a lamp that has kept its command waiting: what is late is not made earlier by asking.

    A quarter of the time so far, so that the proof comes at most a quarter later; two seconds at most.
    """
    return min(waited_ms // 4, _LONGEST_PAUSE_MS)


def asked(watch: Watch, now_ms: int) -> Watch:
    """Note that the lamp is asked now."""
    return replace(watch, asked_at_ms=now_ms)


def verdict(watch: Watch) -> Confirmation | None:
    """Return the success if there is a proof."""
    if watch.proof is None:
        return None
    return Confirmation("succeeded", confirmed_by=watch.proof, measured=watch.measured)


def verdict_at_timeout(watch: Watch, timeout_s: float) -> Confirmation:
    """Return how the command ends when its time is up."""
    proved = verdict(watch)
    if proved is not None:
        return proved
    target = f"{watch.target_percent:g} %"
    if watch.answered_percent is not None and not _is_target(watch, watch.answered_percent):
        text = f"asked for {target}, the lamp is at {watch.answered_percent:.1f} % after {timeout_s:g} s"
        return _failed(watch, Reason.LEVEL_MISMATCH, text)
    if watch.measured_apart:
        text = f"asked for {target}, but the lamp draws {watch.measured[_POWER]:.1f} W after {timeout_s:g} s"
        return _failed(watch, Reason.LEVEL_MISMATCH, text)
    if watch.echo_at_ms is not None:
        text = f"{target} was echoed, but nothing measured within {timeout_s:g} s shows that the lamp acted"
        return Confirmation("unproved", ConfirmedBy.ECHO, Reason.UNPROVED, text, watch.measured)
    return _failed(watch, Reason.BUS_TIMEOUT, f"the lamp published nothing about its level within {timeout_s:g} s")


def _failed(watch: Watch, reason: Reason, text: str) -> Confirmation:
    return Confirmation("failed", reason=reason, reason_text=text, measured=watch.measured)


def _is_target(watch: Watch, level: float) -> bool:
    return abs(level - watch.target_percent) <= watch.rules.level_tolerance_percent


def _agrees(watch: Watch, power_w: float) -> bool:
    model, rated_w = watch.rules.power, watch.rated_power_w
    return model is not None and rated_w is not None and model.agrees(power_w, rated_w, watch.target_percent)


def _apart(watch: Watch, power_w: float) -> bool:
    """Whether a power is so far from the target's that no measurement could agree with both."""
    model, rated_w = watch.rules.power, watch.rated_power_w
    if model is None or rated_w is None:
        return False
    return abs(power_w - model.expected_w(rated_w, watch.target_percent)) > 2 * model.tolerance_for_w(rated_w)


def _step(watch: Watch, level: float, drawn_w: float) -> tuple[float, float] | None:
    """Return the powers of rule 4, before and predicted; None where they cannot be told from one another.

    A power that does not fit the level shown was measured before the lamp had arrived there: it is no scale.
    """
    model, rated_w = watch.rules.power, watch.rated_power_w
    if model is None or rated_w is None or level < _LEAST_LEVEL_PERCENT or not model.agrees(drawn_w, rated_w, level):
        return None
    predicted_w = model.expected_w(rated_w, watch.target_percent)
    if watch.target_percent > 0:
        predicted_w *= drawn_w / model.expected_w(rated_w, level)
    return (drawn_w, predicted_w) if abs(predicted_w - drawn_w) >= _larger(_LEAST_STEP, rated_w) else None


def _has_stepped(watch: Watch, power_w: float) -> bool:
    """Whether a measured power is the predicted one and most of the way from the one before."""
    if watch.step_w is None or watch.rated_power_w is None:
        return False
    before_w, predicted_w = watch.step_w
    near = abs(power_w - predicted_w) <= _larger(_STEP_TOLERANCE, watch.rated_power_w)
    return near and (power_w - before_w) / (predicted_w - before_w) >= _LEAST_MOVED


def _larger(bound: tuple[float, float], rated_w: float) -> float:
    """Return a bound in W: an absolute one, or a share of rated power if that is more."""
    return max(bound[0], bound[1] * rated_w)
