"""Is it good, diverse, new and useful? Features, measures on them, and the evaluation that puts them together."""
