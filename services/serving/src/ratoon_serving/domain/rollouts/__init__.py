"""Rollouts: the replacement of the version that a deployment serves by another one.

| module | owns |
|---|---|
| `rollout` | the stored value: phases, strategy, limits, notes |
| `plan` | input and output of one step: observation; plan, actions, events |
| `state_machine` | `step`, and the phases of a rollout to the new version |
| `rollback` | the phases of a rollback to the old version |
| `transitions`, `routing` | what all phases share: entering a phase, draining, retiring; the traffic split |
| `second_engine`, `adapter_swap`, `in_place` | what each strategy requires and does in its own way |
| `selection`, `model_spec` | the choice of a strategy for a pair of versions |
| `analysis` | the verdict on traffic, votes and probes |
"""
