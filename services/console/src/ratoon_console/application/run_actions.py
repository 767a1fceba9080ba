"""Buttons of a training run: stop, resume, clone."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import JSON, Api
from ratoon_console.domain.words import duration, last_part, number, size

_NUMBERS = ("learningRate", "epochs", "batchSize", "loraRank", "seed")


async def stop_run(form: Form, api: Api) -> Done:
    """End a run early with its best weights."""
    await api.post(f"{form.name}:stop", {})
    return Done("The run validates and ends; its best weights so far become its result.")


async def resume_run(form: Form, api: Api) -> Done:
    """Let a run that failed or was cancelled go on from its last checkpoint."""
    await api.post(f"{form.name}:resume", {})
    return Done("The run goes on from its last checkpoint.")


async def clone_run(form: Form, api: Api) -> Done:
    """Start a run like another one, with changes, or only plan it."""
    changes = {field: form.number(field) for field in _NUMBERS if form.fields.get(field, "").strip()}
    body: JSON = {"recipe": changes, "requestId": form["request_id"]}
    if form.fields.get("continue_training") == "yes":
        body["continueTraining"] = True
    plans = form.fields.get("plan_only") == "yes"
    run = await api.post(f"{form.name}:clone", {**body, "validateOnly": True} if plans else body)
    if plans:
        return Done(plan_sentences(run.get("plan", {})))
    return Done("The run has started.", f"/p/{form.project}/training/{last_part(run['name'])}")


def plan_sentences(plan: JSON) -> str:
    """Return a plan in words: its size, time, memory and problems."""
    estimate = plan.get("estimate", {})
    memory = f"{size(plan.get('measuredBytes', 0))} of {size(plan.get('availableBytes', 0))} of memory"
    sentences = [
        f"{number(estimate.get('steps', 0)):,} steps, {number(estimate.get('tokens', 0)):,} tokens, about "
        f"{duration(estimate.get('seconds', 0))} on {estimate.get('device', 'the device')}, {memory}."
    ]
    if cut := number(estimate.get("cutSamples", 0)):
        sentences.append(f"{cut:,} samples are cut.")
    if cost := estimate.get("cost", 0):
        sentences.append(f"Cost: {cost:.2f}.")
    sentences += [f"{each['reason']}: {each['message']}" for each in plan.get("problems", [])]
    sentences += [
        f"It fits with {', '.join(each['settings'])}: {each['description']}."
        for each in plan.get("changes", [])
    ]
    return " ".join(sentences)
