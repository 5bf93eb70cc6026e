//! Shell that spends the request budget: plans reads, runs them, appends what changed.
