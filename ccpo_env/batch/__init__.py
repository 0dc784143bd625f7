"""Many episodes of a team in lockstep, or each at its own pace: a batch of prompts per turn."""
