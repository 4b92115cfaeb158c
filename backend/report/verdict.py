"""What became of the backdoor, in one line; and what went wrong, with what to try.

The rules are in `findings.verdict`; here are the sentences."""

from dataclasses import dataclass

from backend.base.numbers import GAP, count, percent, with_interval
from backend.evaluation.rates import acc_of, at_chance, lfr_of
from backend.findings.verdict import Sign, Verdict
from backend.report.sentences import REWRITING, finding_sentence


@dataclass(frozen=True)
class Advice:
    """Something that went wrong, how it shows, and what to try."""

    title: str
    shows: str
    tries: str


def headline(verdict: Verdict) -> str:
    """The verdict in a line, with the numbers that carry it."""
    accuracy, now = _accuracy(verdict), with_interval(*lfr_of(verdict.last))
    match verdict.level:
        case "meaningless":
            return "Random weights: the numbers show how long the work takes, nothing else."
        case "unknown":
            tried = (
                f"None of {count(len(verdict.battery), 'known trigger')} flips clearly more rows than in a "
                "clean model, which rules no other out."
            )
            unknown = tried if verdict.battery else "No trigger is known, so a backdoor cannot be judged."
            return f"{unknown} {accuracy}"
        case "suspicious":
            strongest = next(finding for finding in verdict.battery if finding.suspicious)
            return f"A backdoor is suspected: {finding_sentence(strongest)}. {accuracy}"
        case "at chance":
            guessing = verdict.first if at_chance(verdict.first) else verdict.last
            which = "received" if guessing is verdict.first else "defended"
            return (
                f"The model as {which} classifies {with_interval(*acc_of(guessing))} of clean rows correctly,"
                " no better than guessing: its LFR says nothing about a backdoor."
            )
        case "nothing planted":
            return (
                f"Nothing was planted in this model: an LFR of {now} is what the trigger does to a clean "
                f"one. {accuracy}"
            )
        case "never there":
            baseline = (
                "rows without the trigger have" if verdict.reference is None else "a never-poisoned model has"
            )
            return (
                f"The model never learned the backdoor: LFR was {with_interval(*lfr_of(verdict.first))} "
                f"from the start, "
                f"no more than {baseline}, {with_interval(*verdict.first_floor)}, within the margin of error."
            )
        case "accuracy lost":
            return f"Too much accuracy was lost. {accuracy} The LFR of {now} means little then."
    whose = "the clean flip rate," if verdict.reference is None else "a never-poisoned model's"
    path = (
        f"LFR went from {percent(verdict.first.lfr)} to {now}; its floor is {whose} "
        f"{with_interval(*verdict.floor)}. {accuracy}"
    )
    if verdict.level == "removed":
        return f"No backdoor is seen any more. {path}"
    fell = verdict.level == "weaker"
    if verdict.hedged:
        change = "fell, and may be down to" if fell else "did not clearly fall, and may be no more than"
        return f"LFR {change} what {REWRITING} {path}"
    return f"The backdoor is {'weaker, not gone' if fell else 'still there'}. {path}"


def _accuracy(verdict: Verdict) -> str:
    before, last = verdict.fine_tuned, verdict.last
    if before is None or before is last:
        return f"ACC is {percent(last.acc)}."
    change = f"{100 * (last.acc - before.acc) + 0.0:+.1f}".replace("-", "−")
    return f"ACC is {percent(last.acc)}, {change}{GAP}points from the fine-tuned model."


def advice(verdict: Verdict) -> list[Advice]:
    """What to try against each thing that went wrong, the gravest first."""
    return [_advice(sign) for sign in verdict.signs]


def _advice(sign: Sign) -> Advice:
    shares = [percent(share) for share in sign.shares]
    match sign.name:
        case "accuracy fell by second fine-tuning":
            return Advice(
                "Accuracy fell sharply",
                f"ACC was {shares[0]} before the second fine-tuning and {shares[1]} after",
                "Pruning did not do it. Lower the learning rate of the second fine-tuning or the weight of "
                "its regulariser, or give it more epochs or rows.",
            )
        case "accuracy fell by pruning":
            return Advice(
                "Accuracy fell sharply",
                f"ACC was {shares[0]} before pruning and {shares[1]} after",
                "Raise τ, or make it relative to the fine-tuned model. If it falls after few heads, "
                "importance does not match what the task needs: try another strategy.",
            )
        case "class lost":
            names = ", ".join(f"“{name}”" for name in sign.classes)
            return Advice(
                "A class is lost" if len(sign.classes) == 1 else "Classes are lost",
                f"no test row of {names} is classified correctly in the end",
                "Let the guardrail watch balanced accuracy (defense.accuracy=balanced), raise τ, or give the "
                "defense more rows of that class.",
            )
        case "flips stayed":
            return Advice(
                "LFR stayed where it was",
                f"it is {shares[0]} in the end",
                "The order does not find the heads that carry the backdoor. Try another strategy or a "
                "hybrid, and measure what each head does on the page Heads.",
            )
        case "nothing pruned":
            return Advice(
                "No head was pruned",
                f"the first step took validation accuracy to {shares[0]}, below τ = {shares[1]}",
                "Lower τ, or prune fewer heads at a time.",
            )
        case "only the second fine-tuning helped":
            return Advice(
                "Pruning alone did not lower LFR",
                f"it was {shares[0]} before and {shares[1]} after the heads were pruned",
                "The second fine-tuning did it. Compare with the control that fine-tunes again and prunes "
                "nothing (baseline second-fine-tuning): it may do as well.",
            )
        case "seeds disagree":
            rates = [share for share in sign.shares if share is not None]
            return Advice(
                "Seeds disagree",
                f"LFR ranges from {percent(min(rates))} to {percent(max(rates))} over {len(rates)} seeds",
                "One seed is not enough here: run more. For reinforcement try another schedule of ε.",
            )
