"""Rollouts: the replacement of the version that a deployment serves by another one.

| module | owns |
|---|---|
| `rollout` | the stored value: phases, strategy, limits, notes |
| `plan` | input and output of one step: observation; plan, actions, events |
| `state_machine` | `step`, and the phases on the way to the new version |
| `rollback` | the phases on the way back to the old version |
| `transitions`, `routing` | what all phases share: entering a phase, draining, retiring; the traffic split |
| `second_engine`, `adapter_swap`, `in_place` | what each strategy requires and does in its own way |
| `selection`, `model_spec` | the choice of a strategy for a pair of versions |
| `analysis` | the judgement of traffic, votes and probes |
"""
